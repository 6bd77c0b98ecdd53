import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { issueCertificate } from '../database/certificates.ts';
import { StoreError } from '../database/errors.ts';
import { runRecords } from '../database/ledger.ts';
import { releaseLease, takeLease, whileLeased, type Lease } from '../database/lease.ts';
import { acceptIncarnations, approveRun, setRunState } from '../database/runs.ts';
import { attachAgain } from '../database/retention/detach.ts';
import { dropPartitions } from '../database/retention/drop.ts';
import { runLane, type LaneResult } from '../database/retention/lane.ts';
import type { LaneWork } from '../database/retention/work.ts';
import { recheckTable } from '../database/retention/recheck.ts';
import { chainHeads } from '../domain/evidence/chain.ts';
import { closingStatements, runOutcome, tableOutcomes } from '../domain/retention/outcome.ts';
import { alongRows, type Unit } from '../domain/retention/plan.ts';
import { proofsOutcome, proofsStatement } from '../domain/retention/proofs.ts';
import type { RunState } from '../domain/runs.ts';
import { nextWindow } from '../domain/time.ts';
import type { OpenedPlan } from '../domain/retention/opened.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded, refusal } from './failures.ts';
import { confirmRetention, openRetention, type OpenRequest } from './retention-open.ts';
import { countProofs as countProofsOf, pruneProofs as pruneProofsOf, runStores, type ProofsReport } from './retention-proofs.ts';
import {
  CALL_BUDGET_MS,
  knownIncarnation,
  runContext,
  tableContext,
  tablePlan,
  type RunCache,
  type TableContext,
} from './retention-context.ts';

export interface TableRequest {
  readonly runId: string;
  readonly index: number;
  readonly pass: number;
  readonly fence: number;
  /** Steps of the lane (lane 0 where no lane is named) known to be committed; fewer in the ledger mean that the store was restored. */
  readonly knownSteps: number;
}

export interface LaneRequest extends TableRequest {
  readonly lane: number;
  readonly lanes: number;
  /** Indexes of the plan's units to walk; null means all that are to be walked. */
  readonly units: readonly number[] | null;
}

export interface LaneReport extends LaneResult {
  /** Outside the daily window: when it opens, ISO 8601. */
  readonly closedUntil: string | null;
}

export interface RecheckReport {
  readonly remaining: number;
  readonly units: readonly number[];
  readonly seq: number;
}

const RESTORED =
  'a store was not what it was when the run began (restored, copied or failed over); a person let the run go on or cancelled it';

/** Some minutes, by the retries of the workflow. */
const ATTACH_ATTEMPTS = 15;

const PROOFS_FAILED = 'the pruning of consent records ended in an error; the next run goes on with it';

export interface Certified {
  readonly serial: number;
  readonly outcome: 'complete' | 'incomplete' | 'cancelled';
  readonly changed: number;
  /** Contents of consent records that were pruned; null where the run did not look at them. */
  readonly proofs: number | null;
}

export type RetentionActivities = ReturnType<typeof retentionActivities>;

/** The activities of the retention job. Register them under these names on the worker's task queue. */
export function retentionActivities(dependencies: ActivityDependencies) {
  const cache: RunCache = new Map();
  const { home, faults } = dependencies;

  /** Pins the manifest and the cut-off, plans, and stores both. */
  const openRun = (request: OpenRequest): Promise<OpenedPlan> => guarded(() => openRetention(dependencies, request));

  /** After an approval: whether it still stands for what would happen now. */
  const confirmPlan = (request: { readonly runId: string; readonly only: readonly string[] | null }): Promise<OpenedPlan> =>
    guarded(() => confirmRetention(dependencies, request));

  const recordState = (request: { readonly runId: string; readonly state: RunState }): Promise<void> =>
    guarded(() => setRunState(home.db, request.runId, request.state));

  const recordApproval = (request: { readonly runId: string; readonly actor: string }): Promise<void> =>
    guarded(() => approveRun(home.db, request.runId, request.actor));

  /** Takes the table's lease. Fails retryably, with type `leased`, while another run has it. */
  const beginTable = (request: { readonly runId: string; readonly index: number }): Promise<{ readonly fence: number }> =>
    guarded(async () => {
      const { target } = await tableContext(dependencies, cache, request.runId, request.index);
      const lease = await takeLease(target.store, target.plan.table, request.runId);
      if (lease === null)
        throw ApplicationFailure.create({ type: 'leased', message: 'Another run works on this table; waiting for it to end' });
      return { fence: lease.fence };
    });

  /** Drops the table's wholly expired partitions. */
  const dropExpired = (request: TableRequest): Promise<LaneReport> =>
    guarded(async () => {
      const context = await tableContext(dependencies, cache, request.runId, request.index);
      const closedUntil = windowClosed(context);
      const work = laneWork(context, { ...request, lane: 0, lanes: 1, units: null });
      if (closedUntil !== null) return { done: false, seq: request.knownSteps, changed: 0, steps: 0, closedUntil };
      const { seq, changed, steps } = await whileLeased(work.target.store, [work.lease], () =>
        dropPartitions(work, faults, () => Context.current().heartbeat()),
      );
      await faults('before return');
      return { done: true, seq, changed, steps, closedUntil };
    });

  /** Walks one lane's share for a while. Everything it did is in the ledger, whether or not this call is heard of again. */
  const purgeLane = (request: LaneRequest): Promise<LaneReport> =>
    guarded(async () => {
      const context = await tableContext(dependencies, cache, request.runId, request.index);
      const work = laneWork(context, request);
      const signal = Context.current().cancellationSignal;
      const until = dependencies.now() + CALL_BUDGET_MS;
      const stop = (): boolean => signal.aborted || dependencies.now() >= until || windowClosed(context) !== null;
      const beat = (progress: { readonly steps: number; readonly changed: number }): void => Context.current().heartbeat(progress);
      const result = await whileLeased(work.target.store, [work.lease], (lost) =>
        runLane(work, { stop: () => lost() || stop(), beat, sleep: rest(signal), now: () => performance.now(), faults }),
      );
      await faults('before return');
      return { ...result, closedUntil: result.done ? null : windowClosed(context) };
    });

  /** Looks at the table once more and makes the closing statement; gives the lease back when nothing is left. */
  const recheck = (request: TableRequest): Promise<RecheckReport> =>
    guarded(async () => {
      const context = await tableContext(dependencies, cache, request.runId, request.index);
      const work = laneWork(context, { ...request, lane: 0, lanes: 1, units: null });
      const { remaining, units, seq } = await whileLeased(work.target.store, [work.lease], () => recheckTable(work, faults));
      if (remaining === 0) await releaseLease(context.target.store, work.lease);
      return { remaining, units: context.target.plan.units.flatMap((unit, index) => (units.includes(unit.oid) ? [index] : [])), seq };
    });

  /** Gives a table back that the run does not work on to its end, with the partitions that it has detached. */
  const releaseTable = (request: { readonly runId: string; readonly index: number; readonly fence: number }): Promise<void> =>
    guarded(async () => {
      const context = await runContext(dependencies, cache, request.runId);
      const plan = tablePlan(context, request.index);
      const store = dependencies.store(context.manifest, plan.store);
      const lease = { table: plan.table, runId: request.runId, fence: request.fence };
      const incarnation = context.run.incarnations[plan.store] ?? '';
      try {
        await attachAgain({ store, runId: request.runId, plan, lease, incarnation }, faults);
      } catch (error) {
        // What cannot be attached again in all this time is named by the check.
        if (error instanceof StoreError && error.retryable && Context.current().info.attempt < ATTACH_ATTEMPTS) throw error;
        if (!(error instanceof StoreError)) throw error;
      }
      await releaseLease(store, lease);
    });

  /** How many contents of consent records have been out of force for long enough. Reads only. */
  const countProofs = (request: { readonly runId: string }): Promise<number> =>
    guarded(async () => countProofsOf(dependencies, await runContext(dependencies, cache, request.runId)));

  /** The consent ledger's own retention. Fails retryably, with type `leased`, while another run is at it. */
  const pruneProofs = (request: { readonly runId: string; readonly knownSteps: number }): Promise<ProofsReport> =>
    guarded(async () => pruneProofsOf(dependencies, await runContext(dependencies, cache, request.runId), request.knownSteps));

  /** Tells from the ledgers alone what happened, signs it, and closes the run. */
  const certify = (request: {
    readonly runId: string;
    readonly cancelled: boolean;
    readonly steps: Readonly<Record<string, number>>;
    /** A store was not what it was, and a person let the run go on. */
    readonly restored: boolean;
    /** The ledger's own retention ended in an error, or was not part of the run. */
    readonly proofs: 'done' | 'failed' | 'not asked for';
    /** What ended tables, by index; a run that began with an older version does not say. */
    readonly failed?: Readonly<Record<string, string>>;
  }): Promise<Certified> =>
    guarded(async () => {
      const { run, manifest, plan } = await runContext(dependencies, cache, request.runId);
      const names = runStores({ plan }, home.name);
      const records = (await Promise.all(names.map((name) => runRecords(dependencies.store(manifest, name).db, run.runId)))).flat();
      const heads = chainHeads(records);
      for (const head of heads) {
        const inLane = records.filter(({ body }) => body.store === head.store && body.lane === head.lane).length;
        if (inLane !== head.length)
          throw refusal('restored', `The ledger of ${head.store} has a gap in lane ${head.lane}; no certificate is issued`);
      }
      for (const [chain, seq] of Object.entries(request.steps)) {
        const [store, lane] = chain.split('/').map(Number);
        const found = heads.find((head) => head.store === names[store ?? 0] && head.lane === lane)?.length ?? 0;
        if (found < seq) throw refusal('restored', 'A ledger has lost steps that were committed; no certificate is issued');
      }
      const tables = tableOutcomes(plan, records, request.failed);
      const proofs = proofsOutcome(records);
      const outcomeOfTables = runOutcome(plan, records, tables, request.cancelled);
      const content = {
        organisation: manifest.organisation,
        job: 'retention',
        run: run.runId,
        manifest: run.manifestHash,
        plan: run.planHash ?? '',
        actor: run.actor,
        approvedBy: run.approvedBy,
        asOf: run.asOf.toISOString(),
        startedAt: run.openedAt.toISOString(),
        outcome: outcomeOfTables === 'complete' && request.proofs === 'failed' ? ('incomplete' as const) : outcomeOfTables,
        tables,
        statements: [
          ...closingStatements(plan, records),
          ...(proofs === null ? [] : [proofsStatement(proofs)]),
          ...(request.proofs === 'failed' ? [PROOFS_FAILED] : []),
          ...(request.restored ? [RESTORED] : []),
        ],
        heads,
      };
      const { certificate } = await issueCertificate(home, content, records, dependencies.signingKey());
      // Of the certificate that exists: an earlier attempt may have issued it before somebody cancelled.
      const outcome = certificate.outcome as Certified['outcome'];
      await setRunState(home.db, run.runId, outcome);
      const changed = certificate.tables.reduce((sum, table) => sum + table.erased + table.masked + alongRows(table), 0);
      return { serial: certificate.serial, outcome, changed, proofs: proofs?.pruned ?? null };
    });

  /** A person has looked at the stores and lets the run go on with them as they are. */
  const acceptStores = (request: { readonly runId: string }): Promise<void> =>
    guarded(async () => {
      const { run, manifest } = await runContext(dependencies, cache, request.runId);
      const found: Record<string, string> = {};
      for (const name of Object.keys(run.incarnations)) {
        const store = dependencies.store(manifest, name);
        const life = await knownIncarnation(store);
        if (life === null) throw refusal('schema', `Store ${name} has no schema of ours: run \`probity migrate\``);
        found[name] = life;
      }
      await acceptIncarnations(home.db, run.runId, found);
      cache.delete(run.runId);
    });

  /** Null while the daily window is open. */
  function windowClosed({ target, manifest }: TableContext): string | null {
    if (target.plan.between === null) return null;
    const state = nextWindow(new Date(dependencies.now()), target.plan.between, manifest.timezone);
    return state.open ? null : state.changesAt.toISOString();
  }

  return {
    openRun,
    confirmPlan,
    recordState,
    recordApproval,
    acceptStores,
    beginTable,
    dropExpired,
    purgeLane,
    recheck,
    releaseTable,
    countProofs,
    pruneProofs,
    certify,
  };
}

function laneWork(context: TableContext, request: LaneRequest): LaneWork {
  const { target, manifest, run } = context;
  const { batchMs, duty } = manifest.purge;
  const lease: Lease = { table: target.plan.table, runId: run.runId, fence: request.fence };
  return {
    runId: run.runId,
    target,
    tableIndex: request.index,
    pass: request.pass,
    lane: request.lane,
    lanes: request.lanes,
    units: target.plan.units.map((unit, index) => unitOfPass(unit, index, request)),
    lease,
    incarnation: context.incarnation,
    pacing: { batchMs, duty },
    knownSteps: request.knownSteps,
  };
}

/** A later pass walks only where rows were left, and by blocks, which can single out a row that fails. */
function unitOfPass(unit: Unit, index: number, request: LaneRequest): Unit {
  if (request.units === null) return unit;
  if (!request.units.includes(index)) return { ...unit, strategy: { kind: 'none', because: 'nothing is left' } };
  return { ...unit, strategy: { kind: 'blocks', because: 'rows were left' } };
}

/** Sleeps, unless the activity is cancelled first. */
function rest(signal: AbortSignal): (ms: number) => Promise<void> {
  return (ms) =>
    new Promise((resolve) => {
      if (ms <= 0 || signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    });
}
