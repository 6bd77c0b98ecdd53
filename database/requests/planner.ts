import { sql } from 'kysely';
import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import { MICROS_PER_MS } from '../../domain/permission/types.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { ErasureGround, ErasureScope, StoreErasure } from '../../domain/requests/model.ts';
import type { ErasurePlan, StorePlan } from '../../domain/requests/plan.ts';
import { erasureScope } from '../../domain/requests/remaining.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Subject } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { translating } from '../errors.ts';
import { ident, tableRef } from '../identifiers.ts';
import { readFacts, readHistory } from '../permission/history.ts';
import { keyMatch } from '../permission/keys.ts';
import { inTransaction, type Store } from '../store.ts';
import { countErasure } from './erasure/count.ts';
import { analyseKeys, writeKeys, type RunKey } from './erasure/keys.ts';
import { openErasure } from './erasure/target.ts';
import type { RequestRow } from './model.ts';
import { manifestAt, requestPeople } from './plans.ts';

export interface PlanningRequest {
  readonly home: Store;
  readonly stores: ReadonlyMap<string, Store>;
  /** In force now: where data stands. What may be kept is judged by the one that was in force when the request came. */
  readonly manifest: Manifest;
  readonly manifestHash: string;
  readonly row: RequestRow;
  readonly run: string;
  readonly asOf: Date;
  readonly progress?: (store: string) => void;
}

/** One request is one person, so far: its only chunk, and its only class. */
const ONLY = 0;
/** By the primary key's index: longer, and somebody else is in the way. Milliseconds. */
const STATEMENT_TIMEOUT_MS = 30_000;

/**
 * Plans what a request for erasure, a withdrawal or an objection does, store by store, and counts it. Writes nothing but the run's keys, which
 * stay for the run. A plan with problems cannot be carried out. Null: nobody of the manifest's subjects is known behind the request.
 */
export async function planRequest(request: PlanningRequest): Promise<ErasurePlan | null> {
  const { home, stores, manifest, row, run } = request;
  const [known] = (await requestPeople(home, row.id)).filter(({ subject }) => subject in manifest.subjects);
  if (known === undefined) return null;
  const { scope, before } = await scopeOf(request, known);
  const keys = await keysOf(stores, manifest, known);
  const plans: StorePlan[] = [];
  for (const name of Object.keys(manifest.stores).sort()) {
    const store = stores.get(name)!;
    request.progress?.(name);
    const erasure = planErasure(known.subject, scope, await readCatalog(store), manifest, before);
    if (erasure.tables.length === 0 && erasure.problems.length === 0) continue;
    await writeKeys(store, run, known.subject, keys);
    await analyseKeys(store);
    plans.push(await counted(store, manifest, erasure, run));
  }
  return {
    job: 'requests',
    organisation: manifest.organisation,
    manifest: request.manifestHash,
    mode: manifest.mode,
    asOf: request.asOf.toISOString(),
    timezone: manifest.timezone,
    request: row.id,
    kind: row.kind,
    grounds: row.grounds,
    purpose: row.purpose,
    scope,
    run,
    stores: plans,
  };
}

interface Known {
  readonly subject: string;
  readonly key: string;
}

/** What ends for the person, judged by what held the moment before the request came. */
async function scopeOf(
  { home, manifest, row }: PlanningRequest,
  { subject, key }: Known,
): Promise<{ scope: ErasureScope; before: Manifest }> {
  return translating(home, async () => {
    const before = (await manifestAt(home.db, row.receivedAt)) ?? manifest;
    const history = await readHistory(home.db, subject, key);
    const facts = await readFacts(home.db, subject, key);
    const rules = permissionRules(before);
    const at = row.receivedAt.getTime() * MICROS_PER_MS - 1;
    const ask = (purpose: string) => permission(rules, history, facts, { purpose, channel: null, at });
    const answers = Object.fromEntries(Object.keys(before.purposes).map((purpose) => [purpose, ask(purpose)]));
    const upheld = history.filter(({ decision }) => decision === 'objection_upheld').map(({ purpose }) => purpose);
    const asked = {
      kind: row.kind,
      grounds: row.grounds as readonly ErasureGround[],
      purposes: row.purpose === null ? [] : [row.purpose],
      channel: null,
      upheld,
    };
    return { scope: erasureScope(asked, { regime: facts.regime, answers }, before), before };
  });
}

/** The subject's key, and its identities as its own table has them. */
async function keysOf(stores: ReadonlyMap<string, Store>, manifest: Manifest, { subject, key }: Known): Promise<RunKey[]> {
  const declared = manifest.subjects[subject]!;
  const parts = declared.key.length === 1 ? [key] : (JSON.parse(key) as string[]);
  const one = (identity: string, values: readonly string[]): RunKey => ({
    chunk: ONLY,
    person: ONLY,
    class: ONLY,
    identity,
    parts: values,
  });
  const identities = await identitiesOf(stores.get(storeOf(declared.table))!, declared, key);
  return [one(KEY_IDENTITY, parts), ...identities.map(([name, value]) => one(name, [value]))];
}

async function identitiesOf(store: Store, subject: Subject, key: string): Promise<(readonly [string, string])[]> {
  const names = Object.keys(subject.identities).sort();
  const live = (await readCatalog(store)).tables[inStore(subject.table)];
  const column = (name: string) => live?.columns.find((it) => it.name === name);
  const columns = subject.key.flatMap((name) => column(name) ?? []);
  if (names.length === 0 || columns.length !== subject.key.length) return [];
  const match = keyMatch(columns);
  const values = names.map((name) => sql`${ident('s', subject.identities[name]!)}::text`);
  const { rows } = await inTransaction(store, { readOnly: true, statementTimeoutMs: STATEMENT_TIMEOUT_MS }, (trx) =>
    sql<{ found: (string | null)[] }>`
      select array[${sql.join(values)}] as found from unnest(array[${key}]::text[]) k (key)${match.parts}
      join ${tableRef(inStore(subject.table))} s on ${match.condition}`.execute(trx),
  );
  return names.flatMap((name, index) => {
    const value = rows[0]?.found[index] ?? null;
    return value === null || value.trim() === '' ? [] : [[name, value] as const];
  });
}

async function counted(store: Store, manifest: Manifest, erasure: StoreErasure, run: string): Promise<StorePlan> {
  if (erasure.problems.length > 0) return { erasure, heldPeople: 0, counts: {}, tables: [], missingIndexes: [], seconds: 0 };
  const target = await openErasure(store, manifest, erasure);
  const { heldPeople, counts, tables, missingIndexes, seconds } = await countErasure(target, { runId: run, chunk: null, class: ONLY });
  return { erasure, heldPeople, counts, tables, missingIndexes: missingIndexes.map((it) => it.sql), seconds };
}
