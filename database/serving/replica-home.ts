import { sql, type Transaction } from 'kysely';
import { permissionRules } from '../../domain/permission/rules.ts';
import { canonicalHash } from '../../domain/canonical.ts';
import { EMAIL, replicaNeeds, type ReplicaNeeds } from '../../domain/serving/replica.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../../domain/catalog.ts';
import { peopleOf, type People, type Person } from './people.ts';
import type { ReplicaSpan, Target } from './replica-store.ts';

/** What the home store is asked for on behalf of one other store, under one manifest. */
export interface Questions {
  readonly store: string;
  readonly needs: ReplicaNeeds;
  /** By subject: those that the home store holds and the other store names. */
  readonly people: ReadonlyMap<string, People>;
  /** Changes whenever an answer might that no record changed. */
  readonly rulesHash: string;
}

export function questionsOf(manifest: Manifest, catalog: Catalog, store: string): Questions {
  const needs = replicaNeeds(manifest, store);
  const named = [...new Set([...needs.keys, ...needs.emails])];
  const people = named.flatMap((subject) => {
    const found = peopleOf(manifest, subject, catalog);
    return found === null ? [] : [[subject, found] as const];
  });
  const { subjects, regimes, timezone } = manifest;
  const ends = Object.entries(manifest.purposes).map(([purpose, it]) => [purpose, it.ends]);
  const rulesHash = canonicalHash({ rules: permissionRules(manifest), subjects, regimes, timezone, ends, needs });
  return { store, needs, people: new Map(people), rulesHash };
}

export interface Change extends Target {
  readonly id: string;
  readonly createdAt: Date;
}

/** The oldest changes that the store has not heard of. */
export async function pendingChanges(trx: Transaction<unknown>, store: string, limit: number): Promise<Change[]> {
  const { rows } = await sql<Change>`
    select change_id::text as id, subject, key, created_at as "createdAt" from probity.replica_change
    where store = ${store} order by change_id limit ${limit}`.execute(trx);
  return rows;
}

/** The store has them: whose request waited for this is suppressed there from now on. Returns the home store's time. */
export async function changesApplied(trx: Transaction<unknown>, store: string, changes: readonly Change[]): Promise<Date> {
  await sql`delete from probity.replica_change where change_id = any (${changes.map(({ id }) => id)}::bigint[])`.execute(trx);
  await sql`select probity.suppressed_in(${store}, ${changes.map(({ subject }) => subject)}::text[], ${changes.map(({ key }) => key)}::text[])`.execute(
    trx,
  );
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx);
  return rows[0]?.now ?? new Date();
}

/** Answers, and whom they are about: who is not in them any more must go where they were. */
export interface Answers {
  readonly targets: readonly Target[];
  readonly spans: readonly ReplicaSpan[];
}

/** The answers that changes of these people's records may have changed, under their keys and their addresses. */
export async function answersFor(
  trx: Transaction<unknown>,
  questions: Questions,
  changed: readonly Target[],
  refresh: string,
): Promise<Answers> {
  const { needs, people } = questions;
  const bySubject = Map.groupBy(changed, ({ subject }) => subject);
  const keysOf = (subject: string): string[] => [...new Set((bySubject.get(subject) ?? []).map(({ key }) => key))];
  const parts: Answers[] = [];
  for (const subject of needs.keys) parts.push(await byKey(trx, questions, subject, keysOf(subject)));
  const hashes = new Set(needs.emails.length === 0 ? [] : keysOf(EMAIL));
  for (const subject of needs.emails) {
    const keys = keysOf(subject);
    const found = keys.length === 0 ? [] : ((await people.get(subject)?.byKey(trx, keys)) ?? []);
    for (const hash of await noteAddresses(trx, questions.store, subject, keys, found, refresh)) hashes.add(hash);
  }
  parts.push(await byAddress(trx, questions, [...hashes]));
  return { targets: parts.flatMap(({ targets }) => targets), spans: parts.flatMap(({ spans }) => spans) };
}

interface Row {
  readonly purpose: string;
  readonly key: string;
  readonly channels: readonly string[];
  readonly from: string;
  readonly until: string;
  readonly open: boolean;
}

const SPAN = sql`s.purpose, s.key, s.channels, lower(s.during)::text as "from", upper(s.during)::text as until, upper(s.during) > statement_timestamp() as open`;

export async function byKey(trx: Transaction<unknown>, { needs }: Questions, subject: string, keys: readonly string[]): Promise<Answers> {
  if (keys.length === 0) return { targets: [], spans: [] };
  const { rows } = await sql<Row>`
    select ${SPAN} from probity.replica_spans(${subject}, ${keys}::text[], ${needs.purposes}::text[]) s`.execute(trx);
  return { targets: keys.map((key) => ({ subject, key })), spans: rows.map((row) => ({ ...row, subject })) };
}

export async function byAddress(trx: Transaction<unknown>, { store, needs }: Questions, hashes: readonly string[]): Promise<Answers> {
  if (hashes.length === 0) return { targets: [], spans: [] };
  const { rows } = await sql<Row>`
    select ${SPAN} from probity.replica_email_spans(${store}, ${hashes}::text[], ${needs.purposes}::text[]) s`.execute(trx);
  return { targets: hashes.map((key) => ({ subject: EMAIL, key })), spans: rows.map((row) => ({ ...row, subject: EMAIL })) };
}

/** Remembers whose address is which. Returns the addresses, old and new, whose answers may be others now. */
export async function noteAddresses(
  trx: Transaction<unknown>,
  store: string,
  subject: string,
  keys: readonly string[],
  found: readonly Person[],
  refresh: string,
): Promise<string[]> {
  if (keys.length === 0) return [];
  const { rows: before } = await sql<{ hash: string }>`
    delete from probity.replica_email where store = ${store} and subject = ${subject} and key = any (${keys}::text[]) returning hash`.execute(
    trx,
  );
  const addressed = found.filter(({ hash }) => hash !== null);
  await sql`
    insert into probity.replica_email (store, subject, key, hash, refresh)
    select ${store}, ${subject}, it.key, it.hash, ${refresh}::uuid
    from unnest(${addressed.map(({ key }) => key)}::text[], ${addressed.map(({ hash }) => hash)}::text[]) it (key, hash)
    on conflict (store, subject, key) do update set hash = excluded.hash, refresh = excluded.refresh`.execute(trx);
  return [...new Set([...before.map(({ hash }) => hash), ...addressed.map(({ hash }) => hash ?? '')])];
}

/** Forgets addresses of people whom the refresh has not met. */
export async function forgetAddresses(trx: Transaction<unknown>, store: string, refresh: string): Promise<void> {
  await sql`delete from probity.replica_email where store = ${store} and refresh <> ${refresh}::uuid`.execute(trx);
}

/** Addresses of people and of strangers who have said something, in order. */
export async function addressPage(trx: Transaction<unknown>, store: string, after: string, limit: number): Promise<string[]> {
  const { rows } = await sql<{ hash: string }>`
    select hash from (
      (select distinct e.hash collate "C" as hash from probity.replica_email e
        where e.store = ${store} and e.hash collate "C" > ${after} order by 1 limit ${limit})
      union
      (select l.key collate "C" from probity.consent_link l where l.subject = 'email' and l.key collate "C" > ${after} order by 1 limit ${limit})
    ) it order by hash limit ${limit}`.execute(trx);
  return rows.map(({ hash }) => hash);
}
