import { randomBytes } from 'node:crypto';
import { sql, type RawBuilder, type Transaction } from 'kysely';
import { canonicalHash } from '../../domain/canonical.ts';
import type { EvidenceRecord } from '../../domain/evidence/chain.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { ErasureScope, StoreErasure } from '../../domain/requests/model.ts';
import { CLOSING, isHeld } from '../../domain/requests/outcome.ts';
import { keyText } from '../../domain/subject-key.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { StoreError } from '../errors.ts';
import { ident, tableRef } from '../identifiers.ts';
import { incarnation } from '../incarnation.ts';
import { runRecords } from '../ledger.ts';
import { openRun, readManifest, setRunState } from '../runs.ts';
import { inTransaction, type Store } from '../store.ts';
import { carryOut, releaseTables, takeTables } from './carry.ts';
import { analyseKeys, removeKeys, writeKeys, type RunKey } from './erasure/keys.ts';
import { openErasure } from './erasure/target.ts';
import { keyTextIn, keyTextOfParts } from '../subject-key.ts';

/** People of a restored store who are to be erased again by the same scope. */
export interface OwedErasures {
  readonly subject: string;
  readonly scope: ErasureScope;
  /** Hash of the manifest that was in force when they asked. */
  readonly before: string;
  readonly tombstones: readonly string[];
  readonly requests: readonly string[];
}

/** What came of it in one store, of people with the same scope. */
export interface ErasedAgain {
  readonly store: string;
  /** Null: nothing of theirs was found. */
  readonly run: string | null;
  readonly requests: readonly string[];
  readonly people: number;
  readonly rows: number;
  /** `held`: rows of theirs are under a hold, and are erased when it is released and this is repeated. */
  readonly state: 'done' | 'held' | 'left' | 'impossible';
  /** Why it is impossible; sentences that say what to do. */
  readonly problems: readonly string[];
  readonly erasure: StoreErasure;
  /** Hash of what was carried out. */
  readonly plan: string;
  readonly records: readonly EvidenceRecord[];
  readonly startedAt: Date;
}

export interface Replaying {
  readonly home: Store;
  /** In force. */
  readonly manifest: Manifest;
  readonly manifestHash: string;
  readonly actor: string;
  readonly beat: () => void;
}

/** People who go through all tables of a store in one transaction. */
const CHUNK = 100;
/** A table without an index is read whole. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 30 * 60_000;

/** Takes the tombstones that a restored store does not have, and notes that it owes these erasures: it knows nothing of them. Returns which. */
export async function oweErasures(store: Store, bodies: string): Promise<string[]> {
  return inTransaction(store, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { rows } = await sql<{ id: string }>`
      insert into probity.tombstone_owed (tombstone_id) select it from probity.take_tombstones(${bodies}::jsonb) it order by it
      on conflict do nothing returning tombstone_id as id`.execute(trx);
    return rows.map(({ id }) => id);
  });
}

/** What the store owes, by what is to be done alike. */
export async function owedErasures(store: Store): Promise<OwedErasures[]> {
  const { rows } = await inTransaction(store, { readOnly: true }, (trx) =>
    sql<{ subject: string; scope: ErasureScope; before: string; id: string; request: string }>`
      select t.subject, t.scope, t.manifest_hash as before, t.tombstone_id as id, t.request_id as request
      from probity.tombstone_owed o join probity.tombstone t using (tombstone_id) order by t.tombstone_id`.execute(trx),
  );
  return [...Map.groupBy(rows, ({ subject, scope, before }) => canonicalHash({ subject, scope, before })).values()].map((some) => ({
    subject: some[0]!.subject,
    scope: some[0]!.scope,
    before: some[0]!.before,
    tombstones: some.map(({ id }) => id),
    requests: [...new Set(some.map(({ request }) => request))].sort(),
  }));
}

/**
 * Erases people again whom a restore has brought back, as they were erased before: found by their hashes, through the same planner and the same
 * steps, to the same closing statement. Holds win. Repeating it goes on with what is still owed. Throws a `StoreError` of kind `busy` while another run
 * has one of the tables.
 */
export async function eraseAgain(store: Store, owed: OwedErasures, replaying: Replaying): Promise<ErasedAgain> {
  const { home, manifest } = replaying;
  const startedAt = new Date();
  const catalog = await readCatalog(store);
  const before = (await readManifest(home.db, owed.before)) ?? manifest;
  const known = owed.subject in manifest.subjects;
  const erasure: StoreErasure = known
    ? planErasure(owed.subject, owed.scope, catalog, manifest, before)
    : { store: store.name, subject: owed.subject, remaining: [], tables: [], problems: [] };
  const base = {
    store: store.name,
    requests: owed.requests,
    erasure,
    startedAt,
    plan: canonicalHash({ tombstones: owed.tombstones, erasure }),
  };
  const nothing = { ...base, run: null, people: 0, rows: 0, records: [] };
  if (!known) return { ...nothing, state: 'impossible', problems: [`the manifest knows no subject ${owed.subject} any more`] };
  if (erasure.problems.length > 0) return { ...nothing, state: 'impossible', problems: erasure.problems.map(({ message }) => message) };
  const run = `replay-${randomBytes(6).toString('hex')}`;
  const keys = await findAgain(store, manifest, erasure, owed);
  const people = new Set(keys.map(({ person }) => person)).size;
  if (people === 0 || erasure.tables.length === 0) {
    await settle(store, owed);
    return { ...nothing, state: 'done', problems: [] };
  }
  try {
    await writeKeys(store, run, owed.subject, keys);
    await analyseKeys(store);
    const life = await incarnation(store.db);
    await openRun(home.db, {
      runId: run,
      job: 'requests',
      manifestHash: replaying.manifestHash,
      mode: 'enforce',
      asOf: startedAt,
      actor: replaying.actor,
      incarnations: { [store.name]: life },
    });
    const target = await openErasure(store, manifest, erasure);
    const targets = [{ class: 0, target }];
    const leases = await takeTables(store, targets, run);
    if (leases === null) throw busy(store);
    const { remaining } = await carryOut(store, targets, { runId: run, incarnation: life, leases }, { beat: replaying.beat });
    await releaseTables(store, leases);
    const records = await runRecords(store.db, run);
    const held = records.some(({ body }) => body.kind === CLOSING && isHeld(body));
    const state = remaining > 0 ? 'left' : held ? 'held' : 'done';
    if (state === 'done') await settle(store, owed);
    await setRunState(home.db, run, state === 'done' ? 'complete' : 'incomplete');
    return { ...base, run, people, rows: changed(records), state, problems: [], records };
  } finally {
    await removeKeys(store, run);
  }
}

function changed(records: readonly EvidenceRecord[]): number {
  const counts = records.filter(({ body }) => body.kind !== CLOSING).flatMap(({ body }) => Object.entries(body.counts));
  return counts.filter(([name]) => /^(erased|masked|detached):/.test(name)).reduce((sum, [, rows]) => sum + rows, 0);
}

async function settle(store: Store, { tombstones }: OwedErasures): Promise<void> {
  await inTransaction(store, { settings: { synchronous_commit: 'on' } }, (trx) =>
    sql`delete from probity.tombstone_owed where tombstone_id = any (${[...tombstones]}::text[])`.execute(trx),
  );
}

function busy(store: Store): StoreError {
  const sentence = 'another run works on one of the tables: try again when it has ended';
  return new StoreError({ store: store.name, code: '55P03', kind: 'busy', retryable: true, sentence });
}

/** A place in which a store names people. */
interface Place {
  readonly table: string;
  readonly identity: string;
  /** Of a row `t`; null: several columns, one of which is empty, name nobody. */
  readonly parts: readonly RawBuilder<unknown>[];
  readonly from: RawBuilder<unknown>;
}

interface Found {
  readonly tombstone: string;
  readonly identity: string;
  readonly parts: readonly string[];
}

/**
 * The keys and identities of the people in the store as it was restored: wherever the erasure's ways end, what has the hash of a tombstone. The row in
 * the subject's own table tells the identities that it had at the time of the backup.
 */
async function findAgain(store: Store, manifest: Manifest, erasure: StoreErasure, owed: OwedErasures): Promise<RunKey[]> {
  const subject = manifest.subjects[owed.subject]!;
  const own = storeOf(subject.table) === store.name ? inStore(subject.table) : null;
  const found = await inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, async (trx) => {
    const everything: Found[] = [];
    if (own !== null) everything.push(...(await ownRows(trx, own)));
    everything.push(...(await heldKeys(trx, owed)));
    for (const place of placesOf(erasure, own)) everything.push(...(await foundAt(trx, place, owed)));
    return own === null ? everything : withoutOthers(trx, own, everything);
  });
  const ordinals = new Map(owed.tombstones.map((id, index) => [id, index]));
  const distinct = new Map(found.map((it) => [JSON.stringify([it.tombstone, it.identity, it.parts]), it]));
  return [...distinct.values()].map(({ tombstone, identity, parts }) => {
    const person = ordinals.get(tombstone)!;
    return { chunk: Math.floor(person / CHUNK), person, class: 0, identity, parts };
  });

  async function ownRows(trx: Transaction<unknown>, table: string): Promise<Found[]> {
    const identities = Object.keys(subject.identities).sort();
    const key = subject.key.map((column) => sql`${ident('s', column)}::text`);
    const values = identities.map((name) => sql`${ident('s', subject.identities[name]!)}::text`);
    const { rows } = await sql<{ tombstone: string; parts: string[]; identities: (string | null)[] }>`
      select h.tombstone_id as tombstone, array[${sql.join(key)}] as parts, array[${values.length === 0 ? sql`` : sql.join(values)}]::text[] as identities
      from ${tableRef(table)} s ${hashesOf(owed.subject, sql`${KEY_IDENTITY}`, keyTextIn('s', subject.key))} where ${isOwed(owed)}`.execute(
      trx,
    );
    return rows.flatMap(({ tombstone, parts, identities: values }) => [
      { tombstone, identity: KEY_IDENTITY, parts },
      ...identities.flatMap((identity, index): Found[] => {
        const value = values[index] ?? null;
        return value === null || value.trim() === '' ? [] : [{ tombstone, identity, parts: [value] }];
      }),
    ]);
  }

  /** An identity that somebody else's row had at the time of the backup leads to them, too: it is not followed. */
  async function withoutOthers(trx: Transaction<unknown>, table: string, everything: readonly Found[]): Promise<Found[]> {
    const kept = everything.filter(({ identity }) => identity === KEY_IDENTITY);
    const keys = new Set(kept.map(({ parts }) => keyText(parts)));
    for (const [identity, column] of Object.entries(subject.identities)) {
      const there = everything.filter((it) => it.identity === identity);
      const form = (value: RawBuilder<unknown>): RawBuilder<unknown> => sql`probity.tombstone_form(${identity}, ${value})`;
      const { rows } = await sql<{ value: string; key: string }>`
        select it.value, ${keyTextIn('s', subject.key)} as key from unnest(${there.map(({ parts }) => parts[0]!)}::text[]) it (value)
        join ${tableRef(table)} s on ${form(sql`${ident('s', column)}::text`)} = ${form(sql`it.value`)}`.execute(trx);
      const taken = new Set(rows.filter(({ key }) => !keys.has(key)).map(({ value }) => value));
      kept.push(...there.filter(({ parts }) => !taken.has(parts[0]!)));
    }
    return kept;
  }
}

/** Whoever is held in this store is known to its holds by the key, whether or not a table of it has the key. */
async function heldKeys(trx: Transaction<unknown>, owed: OwedErasures): Promise<Found[]> {
  const key = keyTextOfParts(sql`s.subject_key`);
  const { rows } = await sql<{ tombstone: string; parts: string[] }>`
    select h.tombstone_id as tombstone, s.subject_key as parts
    from probity.hold s ${hashesOf(owed.subject, sql`${KEY_IDENTITY}`, key)} where s.subject = ${owed.subject} and ${isOwed(owed)}`.execute(
    trx,
  );
  return rows.map((row) => ({ ...row, identity: KEY_IDENTITY }));
}

function placesOf({ tables }: StoreErasure, own: string | null): Place[] {
  const places = tables.flatMap(({ table, ways, json }): Place[] => [
    ...ways.map((way): Place => {
      const last = way.steps.at(-1)?.to ?? table;
      return { table: last, identity: way.identity, parts: way.columns.map((column) => sql`${ident('t', column)}::text`), from: sql`` };
    }),
    ...json.map((part): Place => ({
      table,
      identity: part.identity,
      parts: [sql`(j.value #>> '{}')`],
      from: sql` cross join lateral jsonb_path_query(${ident('t', part.column)}::jsonb, ${part.path}::jsonpath) j (value)`,
    })),
  ]);
  const named = Map.groupBy(places, (it) =>
    JSON.stringify([it.table, it.identity, it.parts.map((part) => part.toOperationNode()), it.from.toOperationNode()]),
  );
  return [...named.values()].map(([first]) => first!).filter(({ table, identity }) => table !== own || identity !== KEY_IDENTITY);
}

async function foundAt(trx: Transaction<unknown>, { table, identity, parts, from }: Place, owed: OwedErasures): Promise<Found[]> {
  const value = keyTextOfParts(sql`s.parts`);
  const { rows } = await sql<{ tombstone: string; parts: string[] }>`
    select distinct h.tombstone_id as tombstone, s.parts
    from (
      select distinct array[${sql.join(parts)}] as parts from ${tableRef(table)} as t${from}) s
    ${hashesOf(owed.subject, sql`${identity}`, value)}
    where array_position(s.parts, null) is null and ${isOwed(owed)}`.execute(trx);
  return rows.map((row) => ({ ...row, identity }));
}

/** Joins a value with the tombstones that have its hash. */
function hashesOf(subject: string, identity: RawBuilder<unknown>, value: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`cross join probity.tombstone_key k join probity.tombstone_hash h
    on h.hash = probity.tombstone_hash_of(k, ${subject}::text, ${identity}::text, probity.tombstone_form(${identity}::text, ${value}))`;
}

function isOwed({ tombstones }: OwedErasures): RawBuilder<boolean> {
  return sql<boolean>`h.tombstone_id = any (${[...tombstones]}::text[])`;
}
