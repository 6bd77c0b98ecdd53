import { sql, type RawBuilder } from 'kysely';
import { inTransaction, type Store } from '../../store.ts';
import { translating } from '../../errors.ts';

/** One thing by which a store knows a person of a run. */
export interface RunKey {
  readonly chunk: number;
  /** Ordinal of the person within the run. */
  readonly person: number;
  /** The same for people for whom the same purposes go on. */
  readonly class: number;
  /** The subject's key, or one of its identities such as `email`. */
  readonly identity: string;
  /** The key's columns in order, or the identity, as text. */
  readonly parts: readonly string[];
}

/** People of a run that one statement or step is about. */
export interface People {
  readonly runId: string;
  /** Null: of every chunk. */
  readonly chunk: number | null;
  readonly class: number;
  /** Who is held as a whole by what another store says. */
  readonly heldElsewhere?: readonly HeldElsewhere[];
}

export interface HeldElsewhere {
  readonly person: number;
  readonly hold: string;
}

// Some megabytes of parameters at most, and a transaction that nobody waits for.
const BATCH = 5_000;

/** Writes keys of a run; those that are there already stay, so that it may be repeated. Keys of many columns and of few may be mixed. */
export async function writeKeys(store: Store, runId: string, subject: string, keys: readonly RunKey[]): Promise<void> {
  for (let from = 0; from < keys.length; from += BATCH) {
    const byLength = Map.groupBy(keys.slice(from, from + BATCH), (key) => key.parts.length);
    await inTransaction(store, {}, async (trx) => {
      for (const [length, batch] of byLength) await insertKeys(length, batch).execute(trx);
    });
  }

  function insertKeys(length: number, batch: readonly RunKey[]): RawBuilder<unknown> {
    const places = Array.from({ length }, (_, index) => index);
    const parts = places.map((index) => sql`${batch.map((key) => key.parts[index] ?? '')}::text[]`);
    const names = places.map((index) => sql.raw(`p${index}`));
    return sql`
      insert into probity.run_key (run_id, chunk, person, subject, identity, parts, class)
      select ${runId}::text, k.chunk, k.person, ${subject}::text, k.identity, array[${sql.join(names)}]::text[], k.class
      from unnest(${batch.map((key) => key.chunk)}::integer[], ${batch.map((key) => key.person)}::integer[],
        ${batch.map((key) => key.class)}::integer[], ${batch.map((key) => key.identity)}::text[], ${sql.join(parts)})
        as k (chunk, person, class, identity, ${sql.join(names)})
      on conflict do nothing`;
  }
}

/** Before keys are written again: whoever has left the run or stands in another chunk or class by now must not stand in two. */
export async function removeOtherKeys(
  store: Store,
  runId: string,
  keys: readonly Pick<RunKey, 'chunk' | 'person' | 'class'>[],
): Promise<void> {
  // Somebody who is known as two kinds of subject stands in two classes.
  const places = [...new Map(keys.map((key) => [`${key.person} ${key.class}`, key])).values()];
  await translating(store, () =>
    sql`
      delete from probity.run_key k where k.run_id = ${runId} and not exists (
        select from unnest(${places.map((it) => it.person)}::integer[], ${places.map((it) => it.chunk)}::integer[],
          ${places.map((it) => it.class)}::integer[]) it (person, chunk, class)
        where it.person = k.person and it.chunk = k.chunk and it.class = k.class)`.execute(store.db),
  );
}

/** Lets Postgres know how many keys there are before it plans a join with them. */
export async function analyseKeys(store: Store): Promise<void> {
  await translating(store, () => sql`analyze probity.run_key`.execute(store.db), 'probity.run_key');
}

export interface RunKeys {
  readonly keys: number;
  readonly people: number;
  readonly chunks: readonly { readonly chunk: number; readonly class: number; readonly people: number }[];
}

/** How many keys of a run are there, by chunk and class; says nothing of who they are. */
export async function countKeys(store: Store, runId: string): Promise<RunKeys> {
  const { rows } = await translating(store, () =>
    sql<{ chunk: number; class: number; people: number; keys: number }>`
      select k.chunk, k.class, count(distinct k.person) as people, count(*) as keys
      from probity.run_key as k where k.run_id = ${runId} group by k.chunk, k.class order by k.chunk, k.class`.execute(store.db),
  );
  const sum = (of: 'people' | 'keys'): number => rows.reduce((total, row) => total + row[of], 0);
  return {
    keys: sum('keys'),
    people: sum('people'),
    chunks: rows.map((row) => ({ chunk: row.chunk, class: row.class, people: row.people })),
  };
}

/** At the close of a run. Returns how many were removed. */
export async function removeKeys(store: Store, runId: string): Promise<number> {
  const result = await translating(store, () => sql`delete from probity.run_key where run_id = ${runId}`.execute(store.db));
  return Number(result.numAffectedRows ?? 0n);
}
