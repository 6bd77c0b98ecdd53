import { sql, type RawBuilder } from 'kysely';
import type { SubjectPath } from '../../domain/retention/graph.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { translating } from '../errors.ts';
import { all, joins, type Reason } from './protection.ts';
import type { Condition } from './times.ts';

/**
 * Rows of people who wait for a copy of what is held, or have had its use restricted: these must still be there when they are answered. The
 * people are read once a statement. Never null, since a row of nobody is nobody's to be kept.
 */
export function requestReason(path: SubjectPath, alias: string): Reason {
  return { condition: theirs(path, alias), label: sql<string>`'request'::text` };
}

function theirs(path: SubjectPath, alias: string): Condition {
  const aliases = [alias, ...path.steps.map((_, index) => `${alias}_q${index}`)];
  const last = aliases.at(-1) ?? alias;
  const protectedKeys = sql`(select p.key from probity.protected_subject as p where p.subject = ${path.subject})`;
  const named = sql<boolean>`coalesce(${keyText(path.keyColumns.map((column) => ident(last, column)))} in ${protectedKeys}, false)`;
  if (path.steps.length === 0) return named;
  const from = path.steps.map((step, index) => sql`${tableRef(step.to)} as ${ident(aliases[index + 1] ?? '')}`);
  const ways = path.steps.map((step, index) => joins(step, aliases[index] ?? '', aliases[index + 1] ?? ''));
  return sql<boolean>`exists (select 1 from ${sql.join(from)} where ${all([...ways, named])})`;
}

/** As the consent ledger writes keys: alone as text, several as a JSON array of texts. */
function keyText(columns: readonly RawBuilder<unknown>[]): RawBuilder<string> {
  const [only] = columns;
  if (columns.length === 1 && only !== undefined) return sql<string>`${only}::text`;
  return sql<string>`to_jsonb(array[${sql.join(columns.map((column) => sql`${column}::text`))}])::text`;
}

/** Tells another store whose rows no purge takes, as the home store knows it now. The home store needs no telling. */
export async function shareProtected(home: Store, store: Store): Promise<void> {
  if (store.name === home.name) return;
  const { rows } = await translating(home, () =>
    sql<{ subject: string; key: string }>`select p.subject, p.key from probity.protected_subject p order by p.subject, p.key`.execute(
      home.db,
    ),
  );
  const given = sql`unnest(${rows.map(({ subject }) => subject)}::text[], ${rows.map(({ key }) => key)}::text[]) as it (subject, key)`;
  await inTransaction(store, {}, async (trx) => {
    await sql`
      delete from probity.protected_subject p where not exists (select from ${given} where it.subject = p.subject and it.key = p.key)`.execute(
      trx,
    );
    await sql`insert into probity.protected_subject (subject, key) select it.subject, it.key from ${given} order by 1, 2 on conflict do nothing`.execute(
      trx,
    );
  });
}
