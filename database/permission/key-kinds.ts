import { sql } from 'kysely';
import { keyKind, type KeyKind } from '../../domain/subject-key.ts';
import { inStore } from '../../manifest/ids.ts';
import type { Subject } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** Whoever changes the type of a key takes longer. Milliseconds. */
const KEPT_MS = 60_000;

const known = new WeakMap<Store, Map<string, { readonly kinds: readonly KeyKind[]; readonly until: number }>>();

/** How the columns of a subject's key write their values, as the subject's own table has them now. `StoreError` when it is out of reach. */
export async function keyKinds(store: Store, { table, key }: Pick<Subject, 'table' | 'key'>): Promise<readonly KeyKind[]> {
  const all = known.get(store) ?? new Map<string, { readonly kinds: readonly KeyKind[]; readonly until: number }>();
  known.set(store, all);
  const name = [table, ...key].join('\n');
  const found = all.get(name);
  if (found !== undefined && found.until > Date.now()) return found.kinds;
  const [schema = '', relation = ''] = inStore(table).split('.');
  const { rows } = await translating(store, () =>
    sql<{ type: string | null }>`
      select coalesce(b.typname, t.typname)::text as type
      from unnest(${[...key]}::text[]) with ordinality c (name, n)
      left join pg_catalog.pg_attribute a
        on a.attrelid = to_regclass(format('%I.%I', ${schema}::text, ${relation}::text)) and a.attname = c.name and not a.attisdropped
      left join pg_catalog.pg_type t on t.oid = a.atttypid
      left join pg_catalog.pg_type b on b.oid = t.typbasetype and t.typtype = 'd'
      order by c.n`.execute(store.db),
  );
  const kinds = rows.map(({ type }) => keyKind(type ?? ''));
  all.set(name, { kinds, until: Date.now() + KEPT_MS });
  return kinds;
}
