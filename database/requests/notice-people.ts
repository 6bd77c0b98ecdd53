import { sql, type RawBuilder } from 'kysely';
import type { Notice, NoticePerson } from '../../domain/requests/notices.ts';
import type { Actor } from '../../domain/requests/actor.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import { runPeople } from './run-people.ts';
import { recordLooks } from './vault.ts';

type Told = Pick<Notice, 'run' | 'classes' | 'identities'>;

/** Keys `k` of the people whom a recipient is told about: those identities only that it receives; without any, each once. */
function among({ run, classes, identities }: Told): RawBuilder<boolean> {
  const theirs = identities.length === 0 ? sql`true` : sql`k.subject || '.' || k.identity = any (${[...identities]}::text[])`;
  return sql<boolean>`k.run_id = ${run} and k.class = any (${[...classes]}::integer[]) and ${theirs}`;
}

export interface PersonRange {
  /** Ordinals within the run, both inclusive. */
  readonly first: number;
  readonly last: number;
  readonly people: number;
}

/** The people of whom the recipient knows something, in pages. Says nothing of who they are. */
export async function noticeRanges(store: Store, told: Told, size: number): Promise<PersonRange[]> {
  const { rows } = await translating(store, () =>
    sql<PersonRange>`
      select min(p.person) as first, max(p.person) as last, count(*) as people
      from (
        select it.person, (row_number() over (order by it.person) - 1) / ${size}::integer as page
        from (select distinct k.person from probity.run_key k where ${among(told)}) it
      ) p
      group by p.page order by p.page`.execute(store.db),
  );
  return rows;
}

/** Who they are, by what the recipient receives and nothing else. Never leaves the process but to the recipient. */
export async function peopleOf(
  store: Store,
  told: Told,
  { first, last }: { readonly first: number; readonly last: number },
): Promise<NoticePerson[]> {
  if (told.identities.length === 0) return [];
  const { rows } = await translating(store, () =>
    sql<{ person: number; subject: string; identity: string; parts: string[] }>`
      select k.person, k.subject, k.identity, k.parts from probity.run_key k
      where ${among(told)} and k.person between ${first} and ${last}
      order by k.person, k.subject, k.identity, k.parts`.execute(store.db),
  );
  return [...Map.groupBy(rows, ({ person }) => person).values()].map((some): NoticePerson => {
    const identities = new Map<string, (string | readonly string[])[]>();
    for (const { identity, parts } of some) {
      const values = identities.get(identity) ?? [];
      const value = parts.length === 1 ? parts[0]! : parts;
      // A chunk more that has the same person says nothing new.
      if (!values.some((known) => JSON.stringify(known) === JSON.stringify(value))) values.push(value);
      identities.set(identity, values);
    }
    return { subject: some[0]!.subject, identities: Object.fromEntries(identities) };
  });
}

/** That somebody looks at the people of a notice, by each of whose requests it is known; committed before they are shown. */
export async function recordNoticeLook(home: Store, { request, run, recipient }: Notice, by: Actor): Promise<void> {
  const requests = [...new Set((await runPeople(home.db, run)).map((it) => it.request))];
  await recordLooks(home, requests.length === 0 ? [request] : requests, by, `to tell the recipient ${recipient}`);
}
