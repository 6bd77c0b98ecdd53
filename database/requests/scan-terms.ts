import { sql, type Transaction } from 'kysely';
import type { Called } from '../../domain/requests/called.ts';
import { termsOf, type Identity, type Term } from '../../domain/requests/tokens.ts';
import type { NotSearched } from '../../domain/requests/scan.ts';
import { translating } from '../errors.ts';
import { inTransaction, type Store } from '../store.ts';

/** Some megabytes of parameters. */
const BATCH = 5_000;

/** Puts what is to be looked for beside the run's keys, in normal form. May be repeated. Names only where `names` says so. */
export async function writeTerms(store: Store, runId: string, names: boolean, called: readonly Called[]): Promise<void> {
  await inTransaction(store, {}, async (trx) => {
    await sql`delete from probity.run_term where run_id = ${runId}`.execute(trx);
    const { rows } = await sql<Identity>`
      select distinct k.person, k.subject, k.identity, k.parts from probity.run_key k where k.run_id = ${runId} order by k.person, k.identity, k.parts`.execute(
      trx,
    );
    const terms = rows.flatMap((row) => termsOf(row, names, called));
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

export async function readTerms(store: Store, runId: string): Promise<Term[]> {
  const { rows } = await translating(store, () =>
    sql<Term>`
      select r.person, r.subject, r.identity, r.kind, r.token, r.word, r.pattern, r.value from probity.run_term r where r.run_id = ${runId}`.execute(
      store.db,
    ),
  );
  return rows;
}

/** Identities of the run that free texts were not searched for as they stand, and why. */
export async function notSearched(store: Store, runId: string): Promise<{ readonly not: NotSearched[]; readonly called: NotSearched[] }> {
  const { rows } = await translating(store, () =>
    sql<{ identity: string; how: 'not' | 'value' | 'called'; people: number }>`
      with searched as materialized (
        select r.person, r.subject, r.identity, bool_or(r.kind not in ('value', 'near', 'called')) as texts, bool_or(r.kind = 'called') as called
        from probity.run_term r where r.run_id = ${runId} group by r.person, r.subject, r.identity),
      standing as (
        select distinct k.identity, k.person, case when s.person is null then 'not' when s.texts then 'texts' when s.called then 'called' else 'value' end as how
        from probity.run_key k left join searched s on s.person = k.person and s.subject = k.subject and s.identity = k.identity
        where k.run_id = ${runId})
      select identity, how, count(distinct person)::integer as people from standing where how <> 'texts'
      group by identity, how order by identity, how`.execute(store.db),
  );
  const reasons = {
    not: 'names are looked for in requests of one person only',
    value: 'only in columns that are known to hold it, too short for texts',
    called: 'searched in columns that hold it and where a text names it',
  };
  const of = (called: boolean): NotSearched[] =>
    rows
      .filter(({ how }) => (how === 'called') === called)
      .map(({ identity, how, people }) => ({ identity, people, reason: reasons[how] }));
  return { not: of(false), called: of(true) };
}
