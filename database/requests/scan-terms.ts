import { sql, type Transaction } from 'kysely';
import { termsOf, type Identity, type Term } from '../../domain/requests/tokens.ts';
import type { NotSearched } from '../../domain/requests/scan.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';
import type { TermShape } from './scan-query.ts';

/** Some megabytes of parameters. */
const BATCH = 5_000;

/** Puts what is to be looked for beside the run's keys, in normal form. May be repeated. Names only where `names` says so. */
export async function writeTerms(store: Store, runId: string, names: boolean): Promise<void> {
  await inTransaction(store, {}, async (trx) => {
    await sql`delete from probity.run_term where run_id = ${runId}`.execute(trx);
    const { rows } = await sql<Identity>`
      select distinct k.person, k.subject, k.identity, k.parts from probity.run_key k where k.run_id = ${runId} order by k.person, k.identity, k.parts`.execute(
      trx,
    );
    const terms = rows.flatMap((row) => termsOf(row, names));
    for (let from = 0; from < terms.length; from += BATCH) await insertTerms(trx, runId, terms.slice(from, from + BATCH));
  });
  await translating(store, () => sql`analyze probity.run_term`.execute(store.db), 'probity.run_term');
}

async function insertTerms(trx: Transaction<unknown>, runId: string, terms: readonly Term[]): Promise<void> {
  const column = (of: 'subject' | 'identity' | 'kind' | 'token' | 'word' | 'pattern' | 'value') =>
    sql`${terms.map((term) => term[of])}::text[]`;
  await sql`
    insert into probity.run_term (run_id, person, subject, identity, kind, token, word, pattern, value)
    select ${runId}, u.* from unnest(${terms.map((term) => term.person)}::integer[], ${column('subject')}, ${column('identity')}, ${column('kind')},
      ${column('token')}, ${column('word')}, ${column('pattern')}, ${column('value')}) as u`.execute(trx);
}

export async function readTerms(store: Store, runId: string): Promise<{ readonly terms: Term[]; readonly shape: TermShape }> {
  const { rows: terms } = await translating(store, () =>
    sql<Term>`
      select r.person, r.subject, r.identity, r.kind, r.token, r.word, r.pattern, r.value from probity.run_term r where r.run_id = ${runId}`.execute(
      store.db,
    ),
  );
  const ids = terms.filter(({ kind }) => kind === 'id').map(({ token }) => token.length);
  const shape = {
    texts: terms.filter(({ kind }) => kind !== 'value').length,
    hasPatterns: terms.some(({ pattern }) => pattern !== ''),
    kinds: new Set(terms.map(({ kind }) => kind)),
    idLength: ids.reduce((least, length) => Math.min(least, length), Infinity),
  };
  return { terms, shape };
}

/** Identities of the run that free texts were not searched for, and why. */
export async function notSearched(store: Store, runId: string): Promise<NotSearched[]> {
  const { rows } = await translating(store, () =>
    sql<{ identity: string; people: number; named: boolean }>`
      select k.identity, count(distinct k.person)::integer as people,
        bool_or(exists (select from probity.run_term r where r.run_id = k.run_id and r.person = k.person and r.subject = k.subject and r.identity = k.identity)) as named
      from probity.run_key k
      where k.run_id = ${runId} and not exists (
        select from probity.run_term r
        where r.run_id = k.run_id and r.person = k.person and r.subject = k.subject and r.identity = k.identity and r.kind <> 'value')
      group by k.identity order by k.identity`.execute(store.db),
  );
  return rows.map(({ identity, people, named }) => ({
    identity,
    people,
    reason: named
      ? 'only in columns that are known to hold it, too short for texts'
      : 'names are looked for in requests of one person only',
  }));
}
