import { sql, type Transaction } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { ErasureScope } from '../../domain/requests/model.ts';
import { EMAIL } from '../../domain/serving/replica.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import { ident, tableRef } from '../identifiers.ts';
import { servingState } from '../serving/replay.ts';
import { inTransaction, type Store } from '../store.ts';
import { addressAlone } from './erasure/reach.ts';
import { keyTextOfParts } from '../subject-key.ts';

/** Who was erased by a run, and what goes on for them. Their keys stand in the home store until the run closes. */
export interface Burial {
  readonly home: Store;
  /** Every store of the manifest: rows may come back in any of them. */
  readonly stores: ReadonlyMap<string, Store>;
  readonly manifest: Manifest;
  readonly manifestHash: string;
  /** The plan's hash. */
  readonly plan: string;
  readonly run: string;
  /** By the class of their keys. `before`: the hash of the manifest that was in force when they asked. */
  readonly classes: readonly { readonly before: string | null; readonly scope: ErasureScope }[];
  /** Rows captured before it must not come back. */
  readonly erasedAt: Date;
}

interface KeyRow {
  readonly person: number;
  readonly class: number;
  readonly subject: string;
  readonly identity: string;
  readonly value: string;
}

/** People whose hashes are made in one transaction: some megabytes of parameters. */
const PEOPLE_AT_ONCE = 2_000;
/** Copies written to another store in one transaction. */
const COPIES_AT_ONCE = 1_000;
const DURABLE = { settings: { synchronous_commit: 'on' } };

/**
 * Sets a tombstone for everybody of a run, in the home store together with the entry of the sink, then in every other store. Idempotent. Of erasures
 * alone: a withdrawal or an objection is not one. An identity that somebody else still has is left out: their rows may come in. Returns how many
 * people have one.
 */
export async function buryPeople(burial: Burial): Promise<number> {
  const { home, run, stores } = burial;
  const requests = await erasedPeople(home, run);
  if (requests.size === 0) return 0;
  const shared = await sharedIdentities(burial);
  let people = 0;
  for (let after = -1; ;) {
    const keys = await keysAfter(home, run, after);
    if (keys.length === 0) break;
    after = keys.at(-1)!.person;
    const rows = keys.filter((row) => requests.has(row.person) && !shared.has(identityKey(row)));
    if (rows.length === 0) continue;
    people += new Set(rows.map(({ person }) => person)).size;
    await inTransaction(home, DURABLE, (trx) => bury(trx, burial, requests, rows));
  }
  for (const store of stores.values()) if (store !== home) await spreadTombstones(home, store);
  return people;
}

/** Whose request each person is who asked for an erasure. */
async function erasedPeople(home: Store, run: string): Promise<ReadonlyMap<number, string>> {
  const { rows } = await translating(home, () =>
    sql<{ person: number; request: string }>`
      select p.person, p.request_id as request from probity.run_person p join probity.request r using (request_id)
      where p.run_id = ${run} and r.kind = 'erasure' order by p.person`.execute(home.db),
  );
  return new Map(rows.map(({ person, request }) => [person, request]));
}

async function keysAfter(store: Store, run: string, after: number): Promise<KeyRow[]> {
  const { rows } = await translating(store, () =>
    sql<KeyRow>`
      select k.person, k.class, k.subject, k.identity, ${keyTextOfParts(sql`k.parts`)} as value
      from probity.run_key k where k.run_id = ${run} and k.person in (
        select distinct p.person from probity.run_key p where p.run_id = ${run} and p.person > ${after} order by p.person limit ${PEOPLE_AT_ONCE})
      order by k.person, k.subject, k.identity, k.parts`.execute(store.db),
  );
  return rows;
}

async function bury(
  trx: Transaction<unknown>,
  burial: Burial,
  requests: ReadonlyMap<number, string>,
  rows: readonly KeyRow[],
): Promise<void> {
  const { run, plan, manifestHash, manifest, erasedAt } = burial;
  const people = [...Map.groupBy(rows, ({ person }) => person).values()].map(([one]) => {
    const { person, subject } = one!;
    const its = burial.classes[one!.class];
    if (its === undefined) throw new Error(`The plan says nothing of class ${one!.class}`);
    const { ended, remaining } = its.scope;
    return {
      id: `${run}-${person}`,
      subject,
      request: requests.get(person),
      manifest: its.before ?? manifestHash,
      ended,
      remaining: remaining.map(({ purpose }) => purpose),
      scope: its.scope,
    };
  });
  const values = rows.map(({ person, subject, identity, value }) => ({ id: `${run}-${person}`, subject, identity, value }));
  const { rows: dug } = await sql<{ id: string }>`
    with key as materialized (
      select k from probity.tombstone_key k order by k.created_at desc, k.key_id limit 1
    ), person as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(people)}::jsonb) it (id text, subject text, request text, manifest text, ended text[], remaining text[], scope jsonb)
    ), dug as (
      insert into probity.tombstone (tombstone_id, key_id, subject, request_id, plan_hash, run_id, manifest_hash, erased_at, ended, remaining, scope, ends_at)
      select p.id, (key.k).key_id, p.subject, p.request, ${plan}::text, ${run}::text, p.manifest, ${erasedAt}::timestamptz, p.ended, p.remaining,
        p.scope, probity.add_duration(${erasedAt}::timestamptz, ${manifest.own['tombstones']!}::interval, ${manifest.timezone})
      from person p cross join key order by p.id
      on conflict do nothing returning tombstone_id
    ), hashed as (
    insert into probity.tombstone_hash (hash, tombstone_id, subject, identity)
    select probity.tombstone_hash_of(key.k, v.subject, v.identity, v.form), v.id, v.subject, v.identity
    from (
      select it.id, it.subject, it.identity, probity.tombstone_form(it.identity, it.value) as form
      from jsonb_to_recordset(${JSON.stringify(values)}::jsonb) it (id text, subject text, identity text, value text)
      union
      -- Under which somebody gives a consent whom nobody knows yet.
      select it.id, ${EMAIL}, ${KEY_IDENTITY}, encode(sha256(convert_to(${addressAlone(sql`it.value`)}, 'UTF8')), 'hex')
      from jsonb_to_recordset(${JSON.stringify(values)}::jsonb) it (id text, subject text, identity text, value text) where it.identity = ${EMAIL}
    ) v join dug on dug.tombstone_id = v.id cross join key
    where v.form is not null order by 1 on conflict do nothing
    )
    select dug.tombstone_id as id from dug order by 1`.execute(trx);
  const fresh = dug.map(({ id }) => id);
  if (fresh.length === 0) return;
  // With what a restored home store has to know of the request. The key goes along each time: an entry must not need one of another sink.
  await sql`
    insert into probity.sink_queue (body)
    select it.body from (
      select 0 as n, k.key_id as id, probity.tombstone_key_body(k) as body from probity.tombstone_key k
      union all
      select 1, t.tombstone_id, probity.tombstone_body(t) || jsonb_build_object('request', (
        select jsonb_build_object('kind', r.kind, 'grounds', r.grounds, 'purpose', r.purpose, 'received_at', r.received_at, 'due_at', r.due_at)
        from probity.request r where r.request_id = t.request_id))
      from probity.tombstone t where t.tombstone_id = any (${fresh}::text[])) it
    where (select sink from probity.serving) order by it.n, it.id`.execute(trx);
}

/** Identities of the run that somebody else's row still has. */
async function sharedIdentities({ stores, manifest, home, run }: Burial): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const { rows: subjects } = await translating(home, () =>
    sql<{ subject: string }>`select distinct subject from probity.run_key where run_id = ${run} order by subject`.execute(home.db),
  );
  for (const { subject: name } of subjects) {
    const subject = manifest.subjects[name];
    const store = subject === undefined ? undefined : stores.get(storeOf(subject.table));
    const identities = Object.entries(subject?.identities ?? {});
    if (subject === undefined || store === undefined || identities.length === 0) continue;
    const own = sql`array[${sql.join(subject.key.map((column) => sql`${ident('s', column)}::text`))}]`;
    for (const [identity, column] of identities) {
      const { rows } = await inTransaction(store, { readOnly: true }, (trx) =>
        sql<{ person: number; value: string }>`
          select distinct k.person, k.parts[1] as value from probity.run_key k
          join ${tableRef(inStore(subject.table))} s on lower(btrim(${ident('s', column)}::text)) = lower(btrim(k.parts[1]))
          where k.run_id = ${run} and k.subject = ${name} and k.identity = ${identity} and not exists (
            select from probity.run_key o where o.run_id = k.run_id and o.subject = k.subject and o.identity = ${KEY_IDENTITY} and o.parts = ${own})`.execute(
          trx,
        ),
      );
      for (const { person, value } of rows) found.add(identityKey({ person, subject: name, identity, value }));
    }
  }
  return found;
}

function identityKey({ person, subject, identity, value }: Omit<KeyRow, 'class'>): string {
  return JSON.stringify([person, subject, identity, value]);
}

/** What the home store has and another has not, as `take_tombstones` reads it. */
async function owedCopies(trx: Transaction<unknown>, store: string): Promise<{ readonly ids: string[]; readonly bodies: string }> {
  const { rows } = await sql<{ ids: string[]; bodies: string }>`
    with due as (
      select c.tombstone_id from probity.tombstone_change c where c.store = ${store} order by c.tombstone_id limit ${COPIES_AT_ONCE} for update
    )
    select coalesce((select array_agg(d.tombstone_id) from due d), '{}') as ids, (
      select coalesce(jsonb_agg(it.body), '[]')::text from (
        select probity.tombstone_key_body(k) as body from probity.tombstone_key k
        union all select probity.tombstone_body(t) from due d join probity.tombstone t using (tombstone_id)) it) as bodies`.execute(trx);
  return rows[0]!;
}

/**
 * Gives a store copies of the tombstones that it does not have, and of what was lifted. A store that was restored gets none before it was replayed:
 * there they say what it owes. Returns how many were written.
 */
export async function spreadTombstones(home: Store, store: Store): Promise<number> {
  if (!(await owesCopies(home, store.name))) return 0;
  if ((await servingState(store)).restored || (await servingState(home)).restored) return 0;
  await inTransaction(home, {}, async (trx) => {
    const { numAffectedRows } = await sql`
      insert into probity.tombstone_store (store) values (${store.name}) on conflict do nothing`.execute(trx);
    if (numAffectedRows === 1n)
      await sql`insert into probity.tombstone_change (store, tombstone_id) select ${store.name}, t.tombstone_id from probity.tombstone t
        order by t.tombstone_id on conflict do nothing`.execute(trx);
  });
  for (let written = 0; ;) {
    const some = await inTransaction(home, DURABLE, async (trx) => {
      const { ids, bodies } = await owedCopies(trx, store.name);
      if (ids.length === 0) return 0;
      await takeTombstones(store, bodies);
      await sql`delete from probity.tombstone_change where store = ${store.name} and tombstone_id = any (${ids}::text[])`.execute(trx);
      return ids.length;
    });
    written += some;
    if (some < COPIES_AT_ONCE) return written;
  }
}

async function owesCopies(home: Store, store: string): Promise<boolean> {
  const { rows } = await translating(home, () =>
    sql<{ owes: boolean }>`
      select exists (select from probity.tombstone_change c where c.store = ${store})
        or not exists (select from probity.tombstone_store s where s.store = ${store}) as owes`.execute(home.db),
  );
  return rows[0]?.owes === true;
}

/** Writes tombstones, keys and lifts as the sink tells them; what is there stays. Returns those that were missing. */
export async function takeTombstones(store: Store, bodies: string): Promise<string[]> {
  const { rows } = await inTransaction(store, DURABLE, (trx) =>
    sql<{ id: string }>`select probity.take_tombstones(${bodies}::jsonb) as id`.execute(trx),
  );
  return rows.map(({ id }) => id);
}

/** Removes tombstones that have ended by `now`, at most `limit`. Returns how many. */
export async function pruneTombstones(store: Store, now: Date, limit: number): Promise<number> {
  const { numAffectedRows } = await inTransaction(store, {}, (trx) =>
    sql`
      delete from probity.tombstone where tombstone_id in (
        select t.tombstone_id from probity.tombstone t where t.ends_at <= ${now} order by t.ends_at limit ${limit} for update skip locked)`.execute(
      trx,
    ),
  );
  return Number(numAffectedRows ?? 0n);
}

/** Lets older rows of a person come in again, in the home store; `spreadTombstones` tells the others. Returns how many tombstones were lifted. */
export async function liftTombstones(
  home: Store,
  who: { readonly subject: string; readonly identity: string; readonly value: string },
  by: string,
  reason: string,
): Promise<number> {
  const { rows } = await inTransaction(home, DURABLE, (trx) =>
    sql<{ lifted: number }>`
      select probity.lift_tombstones(array(
        select h.tombstone_id from probity.tombstone_key k join probity.tombstone_hash h
          on h.hash = probity.tombstone_hash_of(k, ${who.subject}, ${who.identity}, probity.tombstone_form(${who.identity}, ${who.value}))),
        ${by}, ${reason}) as lifted`.execute(trx),
  );
  return rows[0]?.lifted ?? 0;
}

export interface AskedRow {
  readonly value: string;
  /** When it was captured; null: nobody knows, so it counts as old. */
  readonly recordedAt: Date | null;
}

/** For each row, in order, whether it must not come in: somebody who was erased later than it was captured. `PB015` while a restore is not replayed. */
export async function erasedAmong(
  store: Store,
  kind: { readonly subject: string; readonly identity: string; readonly purposes: readonly string[] },
  rows: readonly AskedRow[],
): Promise<boolean[]> {
  const { rows: answers } = await inTransaction(store, { readOnly: true }, (trx) =>
    sql<{ erased: boolean }>`
      select it.erased from probity.erased_among(${kind.subject}, ${kind.identity}, ${rows.map(({ value }) => value)}::text[],
        ${rows.map(({ recordedAt }) => recordedAt?.toISOString() ?? null)}::timestamptz[], ${[...kind.purposes]}::text[]) it order by it.n`.execute(
      trx,
    ),
  );
  return answers.map(({ erased }) => erased);
}

export interface TombstoneCounts {
  readonly store: string;
  readonly inForce: number;
  readonly lifted: number;
  /** Whose end has come, until the next prune. */
  readonly ended: number;
  /** Brought back by a restore, and not erased again yet. */
  readonly owed: number;
}

export async function countTombstones(store: Store): Promise<TombstoneCounts> {
  const { rows } = await translating(store, () =>
    sql<Omit<TombstoneCounts, 'store'>>`
      select count(*) filter (where t.ends_at > clock_timestamp() and t.lifted_at is null) as "inForce", count(*) filter (where t.lifted_at is not null) as lifted,
        count(*) filter (where t.ends_at <= clock_timestamp()) as ended, (select count(*) from probity.tombstone_owed) as owed
      from probity.tombstone t`.execute(store.db),
  );
  return { store: store.name, ...rows[0]! };
}
