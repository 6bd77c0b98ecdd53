import { sql } from 'kysely';
import type { Called } from '../../domain/requests/called.ts';
import { searchable, termsOf, type Identity, type Term } from '../../domain/requests/tokens.ts';
import type { NotSearched } from '../../domain/requests/scan.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';

/** How an identity is looked for that is not found in every text. */
type Otherwise = 'not' | 'value' | 'called';

/**
 * What is to be looked for, in normal form, by the run's keys; records which of it is not looked for in every text. Names only where `names`
 * says so. May be repeated.
 */
export async function termsOfRun(store: Store, runId: string, names: boolean, called: readonly Called[]): Promise<Term[]> {
  const { rows } = await translating(store, () =>
    sql<Identity>`
      select distinct k.person, k.subject, k.identity, k.parts from probity.run_key k where k.run_id = ${runId} order by k.person, k.identity, k.parts`.execute(
      store.db,
    ),
  );
  const found = rows.map((row) => ({ row, terms: termsOf(row, names, called) }));
  const search = Map.groupBy(Map.groupBy(found, ({ row }) => JSON.stringify([row.person, row.subject, row.identity])).values(), (its) =>
    JSON.stringify([its[0]!.row.identity, howOf(its.flatMap(({ terms }) => terms))]),
  );
  const counts = [...search].map(([key, people]) => {
    const [identity, how] = JSON.parse(key) as [string, Otherwise | null];
    return { identity, how, people: new Set(people.map((its) => its[0]!.row.person)).size };
  });
  await record(store, runId, counts);
  return found.flatMap(({ terms }) => terms);
}

/** Null: in every text. */
function howOf(terms: readonly Term[]): Otherwise | null {
  if (terms.length === 0) return 'not';
  if (searchable(terms)) return null;
  return terms.some(({ kind }) => kind === 'called') ? 'called' : 'value';
}

async function record(
  store: Store,
  runId: string,
  counts: readonly { readonly identity: string; readonly how: Otherwise | null; readonly people: number }[],
): Promise<void> {
  const told = counts.filter(({ how }) => how !== null);
  await inTransaction(store, {}, async (trx) => {
    await sql`delete from probity.run_search where run_id = ${runId}`.execute(trx);
    await sql`
      insert into probity.run_search (run_id, identity, how, people)
      select ${runId}, u.* from unnest(${told.map(({ identity }) => identity)}::text[], ${told.map(({ how }) => how)}::text[],
        ${told.map(({ people }) => people)}::integer[]) as u`.execute(trx);
  });
}

const REASONS: Readonly<Record<Otherwise, string>> = {
  not: 'names are looked for in requests of one person only',
  value: 'only in columns that are known to hold it, too short for texts',
  called: 'searched in columns that hold it and where a text names it',
};

/** Identities of the run that free texts were not searched for as they stand, and why. */
export async function notSearched(store: Store, runId: string): Promise<{ readonly not: NotSearched[]; readonly called: NotSearched[] }> {
  const { rows } = await translating(store, () =>
    sql<{ identity: string; how: Otherwise; people: number }>`
      select s.identity, s.how, s.people from probity.run_search s where s.run_id = ${runId} order by s.identity, s.how`.execute(store.db),
  );
  const of = (called: boolean): NotSearched[] =>
    rows
      .filter(({ how }) => (how === 'called') === called)
      .map(({ identity, how, people }) => ({ identity, people, reason: REASONS[how] }));
  return { not: of(false), called: of(true) };
}
