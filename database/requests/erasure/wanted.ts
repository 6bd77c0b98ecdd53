import type { Catalog } from '../../../domain/catalog.ts';
import { storeOf, inStore } from '../../../manifest/ids.ts';
import type { Manifest, TableId } from '../../../manifest/model.ts';
import { inTransaction, type Store } from '../../store.ts';
import { unfitWanted } from './choose.ts';
import { PRINTED } from './constraints.ts';

export interface Unfit {
  readonly table: TableId;
  readonly column: string;
  /** A clause. */
  readonly why: string;
}

const LIMITS = {
  readOnly: true,
  isolation: 'repeatable read',
  lockTimeoutMs: 5_000,
  statementTimeoutMs: 60_000,
  settings: PRINTED,
} as const;

/** Where what `on_erase` says cannot stand, by the judgement of Postgres on types, checks and unique indexes. Changes nothing. */
export async function unfitByPostgres(store: Store, catalog: Catalog, { tables }: Manifest): Promise<Unfit[]> {
  const wishes = Object.entries(tables).flatMap(([table, { columns }]) =>
    Object.entries(columns ?? {}).flatMap(([column, { onErase }]) => {
      const live = storeOf(table) === store.name ? catalog.tables[inStore(table)] : undefined;
      const known = live?.columns.some(({ name, generated }) => name === column && generated === null) === true;
      if (!known || live === undefined || !live.privileges.select || onErase === null || onErase.with === 'keep') return [];
      return [{ table, column, live, onErase }];
    }),
  );
  if (wishes.length === 0) return [];
  return inTransaction(store, LIMITS, async (trx) => {
    const found: Unfit[] = [];
    for (const { table, column, live, onErase } of wishes) {
      const why = await unfitWanted(trx, store.name, live, column, onErase);
      if (why !== null) found.push({ table, column, why });
    }
    return found;
  });
}
