import { sql, type RawBuilder } from 'kysely';
import type { TableErasure } from '../../../domain/requests/model.ts';
import { ident } from '../../identifiers.ts';
import type { Look } from './judge.ts';
import { withoutPeople } from './json-paths.ts';
import { liveColumn, maskedColumns, mentionedColumns, type TableMasks } from './masks.ts';

/** New values of columns of a row that stays, by what was settled for it in `x`. Columns that no such row changes are left out. */
export function newValues(look: Look, plan: TableErasure, masks: TableMasks, alias: string): Map<string, RawBuilder<unknown>> {
  const kept = maskedColumns(masks, plan, 'kept', alias);
  const pinned = maskedColumns(masks, plan, 'pinned', alias);
  const parts = Map.groupBy(plan.json, (part) => part.column);
  const mentioned = Map.groupBy(mentionedColumns(masks, plan, alias), ({ name }) => name);
  const values = new Map<string, RawBuilder<unknown>>();
  for (const name of new Set([...kept.keys(), ...pinned.keys(), ...parts.keys(), ...mentioned.keys()])) {
    const [own, less, more, named] = [ident(alias, name), kept.get(name), pinned.get(name), parts.get(name)];
    const cases = [
      ...(less === undefined ? [] : [sql`when x.outcome = 'mask' then ${less}`]),
      ...(more === undefined ? [] : [sql`when x.touch then ${more}`]),
      ...(mentioned.get(name) ?? []).map(({ bit, value }) => sql`when x.mention & (1::bigint << ${sql.lit(bit)}) <> 0 then ${value}`),
      ...(named === undefined ? [] : [sql`when x.json then ${withoutPeople(own, liveColumn(masks.live, name).baseType, named, look.who)}`]),
    ];
    values.set(name, sql`case ${sql.join(cases, sql` `)} else ${own} end`);
  }
  return values;
}

/** The whole row as it would be, under the bare names of its columns: what checks are judged by. */
export function maskedRow(look: Look, plan: TableErasure, masks: TableMasks, alias: string): RawBuilder<unknown> {
  const values = newValues(look, plan, masks, alias);
  return sql.join(masks.live.columns.map(({ name }) => sql`${values.get(name) ?? ident(alias, name)} as ${ident(name)}`));
}
