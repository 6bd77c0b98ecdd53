import { currentManifest, openRun, readManifest, readPlan, readRun, replacePlan, savePlan, setRunState } from '../database/runs.ts';
import { clockOf } from '../database/clock.ts';
import { shareProtected } from '../database/retention/protected.ts';
import { planRetention } from '../database/retention/planner.ts';
import { isCurrent, schemaState } from '../database/migrate.ts';
import { servingState } from '../database/serving/replay.ts';
import type { Store } from '../database/store.ts';
import { restored } from '../database/ledger.ts';
import { alongRows, drifted, plannedRows, type RetentionPlan } from '../domain/retention/plan.ts';
import { storeOf } from '../manifest/ids.ts';
import type { Manifest } from '../manifest/model.ts';
import type { OpenedPlan } from '../domain/retention/opened.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { refusal } from './failures.ts';
import { knownIncarnation } from './retention-context.ts';

export interface OpenRequest {
  readonly runId: string;
  readonly actor: string;
  readonly asOf: string | null;
  /** When a schedule meant the run to start, ISO 8601. */
  readonly scheduledAt: string | null;
  readonly only: readonly string[] | null;
  readonly dryRun: boolean;
}

/** Clocks further apart than this make a cut-off that nobody meant. Milliseconds. */
const MAX_SKEW_MS = 60_000;

/** Pins manifest and cut-off, plans, stores. Repeating it gives what the first call stored. */
export async function openRetention(dependencies: ActivityDependencies, request: OpenRequest): Promise<OpenedPlan> {
  const { home } = dependencies;
  if ((await schemaState(home, true)) === 'newer')
    throw refusal('schema', 'The home store was migrated by a newer version; start that version of the worker');
  const earlier = await readRun(home.db, request.runId);
  const planned = earlier?.planHash ?? null;
  if (earlier !== null && planned !== null) {
    const [manifest, plan] = [await readManifest(home.db, earlier.manifestHash), await readPlan(home.db, planned)];
    if (manifest !== null && plan !== null) return opened(manifest, plan, planned, earlier.mode);
  }
  const version = await currentManifest(home.db);
  if (version === null) throw refusal('no manifest', 'No manifest has been applied: run `probity apply`');
  const manifest = (earlier === null ? null : await readManifest(home.db, earlier.manifestHash)) ?? version.manifest;
  const stores = retentionStores(dependencies, manifest);
  const mode = request.dryRun ? 'observe' : manifest.mode;
  if (mode === 'enforce') {
    dependencies.signingKey();
    for (const store of new Set([home, ...stores.values()])) await refuseRestored(store, store === home);
  }
  const run = await openRun(home.db, {
    runId: request.runId,
    job: 'retention',
    manifestHash: version.hash,
    mode,
    asOf: earlier?.asOf ?? (await judgeTime(dependencies, request, stores)),
    actor: request.actor,
    // Home's too: the proofs that it keeps are pruned whether or not a table of it has a rule.
    incarnations: await incarnations(new Map([...stores, [home.name, home]]), mode),
  });
  await shareWith(dependencies, manifest, stores);
  const plan = await planRetention({ stores, manifest, manifestHash: run.manifestHash, asOf: run.asOf, only: request.only });
  const hash = await savePlan(home.db, run.runId, { ...plan, mode });
  await setRunState(home.db, run.runId, mode === 'observe' ? 'observed' : 'running');
  return opened(manifest, { ...plan, mode }, hash, mode);
}

/** So that what is planned is what will happen. A dry run needs no schema of ours. */
async function shareWith(
  { home, store: open }: ActivityDependencies,
  manifest: Manifest,
  stores: ReadonlyMap<string, Store>,
): Promise<void> {
  const storeNamed = (name: string): Store => open(manifest, name);
  for (const store of stores.values())
    if (await isCurrent(store, store === home)) await shareProtected(home, store, { manifest, storeNamed });
}

/** Stores with a table that has a rule. */
function retentionStores(dependencies: ActivityDependencies, manifest: Manifest): ReadonlyMap<string, Store> {
  const names = Object.entries(manifest.tables).flatMap(([id, table]) => (table.retention === null ? [] : [storeOf(id)]));
  return new Map([...new Set(names)].sort().map((name) => [name, dependencies.store(manifest, name)]));
}

/** A restored store may have lost holds: it is not changed before it has got them back. */
export async function refuseRestored(store: Store, home: boolean): Promise<void> {
  if ((await isCurrent(store, home)) && (await servingState(store)).restored) {
    throw refusal(
      'not replayed',
      `Store ${store.name} was restored, copied or failed over: run \`probity restore replay\` first, so that no hold is missed`,
    );
  }
}

/**
 * Counts again what an approval was given for. Within the tolerance the approved plan stands; beyond it, or after a change of the schema,
 * the run is bound to the new plan, and the approval is asked for again.
 */
export async function confirmRetention(
  dependencies: ActivityDependencies,
  request: { readonly runId: string; readonly only: readonly string[] | null },
): Promise<OpenedPlan> {
  const { home } = dependencies;
  const run = await readRun(home.db, request.runId);
  const planHash = run?.planHash ?? null;
  const shown = planHash === null ? null : await readPlan(home.db, planHash);
  const manifest = run === null ? null : await readManifest(home.db, run.manifestHash);
  if (run === null || planHash === null || shown === null || manifest === null) throw restored(home.name, `run ${request.runId}`);
  const stores = retentionStores(dependencies, manifest);
  await shareWith(dependencies, manifest, stores);
  const counted = await planRetention({ stores, manifest, manifestHash: run.manifestHash, asOf: run.asOf, only: request.only });
  const plan = { ...counted, mode: run.mode };
  if (!drifted(shown, plan)) return opened(manifest, shown, planHash, run.mode);
  return opened(manifest, plan, await replacePlan(home.db, run.runId, plan), run.mode);
}

/** The instant that every cut-off is computed from: the earlier of what was asked for and the home store's clock. */
async function judgeTime(dependencies: ActivityDependencies, request: OpenRequest, stores: ReadonlyMap<string, Store>): Promise<Date> {
  const now = await clockOf(dependencies.home);
  for (const store of stores.values()) {
    const skew = Math.abs((await clockOf(store)).getTime() - now.getTime());
    if (skew > MAX_SKEW_MS) throw refusal('skew', `The clocks of ${store.name} and the home store differ by more than a minute`);
  }
  if (Math.abs(dependencies.now() - now.getTime()) > MAX_SKEW_MS)
    throw refusal('skew', 'The clocks of this worker and the home store differ by more than a minute');
  const asked = request.asOf ?? request.scheduledAt;
  if (asked === null) return now;
  const time = new Date(asked);
  if (Number.isNaN(time.getTime())) throw refusal('time', 'The time to judge by is not a time');
  if (request.asOf !== null && time > now)
    throw refusal('time', 'A purge takes only a past time; a forecast is what `retention plan --as-of` is for');
  return time < now ? time : now;
}

async function incarnations(stores: ReadonlyMap<string, Store>, mode: 'observe' | 'enforce'): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, store] of stores) {
    const life = await knownIncarnation(store);
    if (life !== null) found[name] = life;
    else if (mode === 'enforce') throw refusal('schema', `Store ${name} has no schema of ours: run \`probity migrate\``);
  }
  return found;
}

function opened(manifest: Manifest, plan: RetentionPlan, planHash: string, mode: 'observe' | 'enforce'): OpenedPlan {
  const stores = [...new Set(plan.tables.map((table) => table.store))];
  const { approval, lanes } = manifest.purge;
  const rows = plannedRows(plan);
  return {
    planHash,
    manifestHash: plan.manifest,
    mode,
    needsApproval: rows > 0 && (approval === 'always' || (typeof approval === 'object' && rows > approval.over)),
    lanes,
    tables: plan.tables.map((table) => ({
      store: stores.indexOf(table.store),
      rows: table.rows,
      along: alongRows(table),
      drops: table.units.some((unit) => unit.strategy.kind === 'drop'),
      walks: table.units.some((unit) => unit.strategy.kind === 'blocks' || unit.strategy.kind === 'keyset'),
    })),
  };
}
