import { sql } from 'kysely';
import type { Called } from '../../domain/requests/called.ts';
import { isFormless, isName, searchable, termsOf, type Identity, type Term } from '../../domain/requests/tokens.ts';
import type { NotSearched } from '../../domain/requests/scan.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import { MOST_RARE } from './scan-words.ts';

/** How an identity is looked for that is not found in every text. */
type Otherwise = 'names' | 'one_word' | 'short' | 'no_form' | 'called';

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
  // One of somebody's numbers that is found everywhere says nothing of another that is not.
  const told = found.map(({ row, terms }) => ({ person: row.person, key: JSON.stringify([row.identity, howOf(row, terms, names)]) }));
  const counts = [...Map.groupBy(told, ({ key }) => key)].map(([key, its]) => {
    const [identity, how] = JSON.parse(key) as [string, Otherwise | null];
    return { identity, how, people: new Set(its.map(({ person }) => person)).size };
  });
  await record(store, runId, counts);
  return found.flatMap(({ terms }) => terms);
}

/** Null: in every text. */
function howOf(row: Identity, terms: readonly Term[], names: boolean): Otherwise | null {
  if (searchable(terms)) return null;
  if (isName(row.identity)) return names ? 'one_word' : 'names';
  if (terms.some(({ kind }) => kind === 'called')) return 'called';
  return isFormless(row) ? 'no_form' : 'short';
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
  names: 'names are looked for in requests of one person only',
  one_word: 'a name of one word, too short to be told from others',
  short: 'only in columns that are known to hold it, too short for texts',
  no_form: 'only in columns that are known to hold it, in no form that texts could be searched for',
  called: 'searched in columns that hold it and where a text names it',
};
const COMMON = `a short word that more than ${MOST_RARE} rows hold, so that none of them says whom it means`;

/** Identities of the run that free texts were not searched for as they stand, and why. */
export async function notSearched(store: Store, runId: string): Promise<{ readonly not: NotSearched[]; readonly called: NotSearched[] }> {
  const { rows } = await translating(store, () =>
    sql<{ identity: string; how: Otherwise | null; people: number }>`
      select s.identity, s.how, s.people from probity.run_search s where s.run_id = ${runId}
      union all select w.identity, null, count(*)::integer from probity.run_word w where w.run_id = ${runId} group by w.identity
      order by 1, 2`.execute(store.db),
  );
  const of = (called: boolean): NotSearched[] =>
    rows
      .filter(({ how }) => (how === 'called') === called)
      .map(({ identity, how, people }) => ({ identity, people, reason: how === null ? COMMON : REASONS[how] }));
  return { not: of(false), called: of(true) };
}
