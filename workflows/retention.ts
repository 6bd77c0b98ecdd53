import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  ContinueAsNew,
  continueAsNew,
  isCancellation,
  proxyActivities,
  setHandler,
  workflowInfo,
  ActivityCancellationType,
} from '@temporalio/workflow';
import type { LaneReport, RetentionActivities } from '../activities/retention.ts';
import { approveUpdate, pauseSignal, progressQuery, resumeSignal } from './messages.ts';
import { PROOFS_LANE } from '../domain/retention/proofs.ts';
import type { OpenedPlan, OpenedTable } from '../domain/retention/opened.ts';
import type { Approval, RetentionInput, RetentionProgress, RetentionResult, RetentionStage, RetentionState } from './retention.types.ts';

/** Every activity beats once a second; a worker that has not for this long is replaced. */
const SIGN_OF_LIFE = '15 seconds';

/** Reads and small writes: they end in seconds or not at all. */
const brief = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: SIGN_OF_LIFE,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});
/** Counts and walks over tables of any size. */
const long = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '24 hours',
  heartbeatTimeout: SIGN_OF_LIFE,
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});
/** Plans count every table. */
const planning = proxyActivities<RetentionActivities>({
  startToCloseTimeout: '6 hours',
  heartbeatTimeout: SIGN_OF_LIFE,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Passes over one table. Each works only where rows moved, failed, or hung on each other in a chain; a pass without progress ends it earlier. */
const MAX_PASSES = 100;
/** Well below Temporal's own limit of 51,200 events, so that a replay takes no time. */
const MAX_HISTORY = 2_000;
/** The lane of the proofs, behind the index of their store. */
const PROOFS_CHAIN = `/${PROOFS_LANE}`;

/** Plan, approval where policy asks for it, then table by table until nothing is left, then the certificate. */
export async function retention(input: RetentionInput): Promise<RetentionResult> {
  // The same for every start by a schedule, so it names the run.
  const runId = workflowInfo().workflowId;
  let stage: RetentionStage = 'planning';
  let paused = false;
  let until: string | null = null;
  let round: CancellationScope | null = null;
  let state: RetentionState | null = input.resume ?? null;
  let approved: Approval | null = null;
  let waitingPlan: OpenedPlan | null = null;

  setHandler(pauseSignal, () => {
    paused = true;
    round?.cancel();
  });
  setHandler(resumeSignal, () => {
    paused = false;
  });
  setHandler(progressQuery, () => progress());
  setHandler(approveUpdate, (approval: Approval) => void (approved = approval), {
    validator: (approval: Approval) => refuseApproval(approval),
  });

  try {
    return await work();
  } catch (error) {
    if (error instanceof ContinueAsNew) throw error;
    await CancellationScope.nonCancellable(() => brief.recordState({ runId, state: isCancellation(error) ? 'cancelled' : 'failed' }));
    throw error;
  }

  async function work(): Promise<RetentionResult> {
    try {
      return await purge();
    } catch (error) {
      const current = state;
      if (!isCancellation(error) || current === null) throw error;
      return await CancellationScope.nonCancellable(() => close(current, true));
    }
  }

  async function purge(): Promise<RetentionResult> {
    if (state === null) {
      const plan = await planning.openRun({ ...opening(input), runId, scheduledAt: scheduledAt() });
      if (plan.mode === 'observe') return result(plan, { outcome: 'observed', changed: 0, serial: null, proofs: await countedProofs() });
      state = plan.needsApproval ? await approvedPlan(plan) : begin(plan, null, input);
    }
    const current = state;
    stage = 'running';
    while (current.table < current.plan.tables.length) await workOn(current);
    while (current.proofs === 'open') await workOnProofs(current);
    return await close(current, false);
  }

  function progress(): RetentionProgress {
    const plan = state?.plan ?? null;
    return {
      stage,
      planHash: plan?.planHash ?? waitingPlan?.planHash ?? null,
      approvedBy: state?.approvedBy ?? null,
      table: state?.table ?? 0,
      pass: state?.pass ?? 0,
      planned: plan?.tables.map((table) => table.rows) ?? [],
      changed: plan?.tables.map((_, index) => state?.changed[index] ?? 0) ?? [],
      until,
      failed: state?.failed ?? {},
    };
  }

  function refuseApproval(approval: Approval): void {
    if (stage !== 'waiting for approval' || waitingPlan === null) throw new Error('This run does not wait for an approval');
    if (approval.planHash !== waitingPlan.planHash) throw new Error('The approval names another plan than the one that waits');
    if (approval.actor === input.actor) throw new Error('Nobody approves what they started themselves');
  }

  /** Waits for a person; asks again when the data has drifted from what was shown. */
  async function approvedPlan(first: OpenedPlan): Promise<RetentionState> {
    stage = 'waiting for approval';
    // Before the home store says that it waits: whoever reads that may approve at once.
    waitingPlan = first;
    await brief.recordState({ runId, state: 'waiting' });
    for (let plan = first; ;) {
      waitingPlan = plan;
      await condition(() => approved !== null);
      const { actor } = approved as unknown as Approval;
      const confirmed = await planning.confirmPlan({ runId, only: input.only });
      if (confirmed.planHash === plan.planHash) {
        await brief.recordApproval({ runId, actor });
        await brief.recordState({ runId, state: 'running' });
        return begin(plan, actor, input);
      }
      approved = null;
      plan = confirmed;
    }
  }

  /** One round: take the table, one call of every lane, or the recheck. Errors of the table end the table, not the run. */
  async function workOn(current: RetentionState): Promise<void> {
    const table = current.plan.tables[current.table];
    if (table === undefined) return;
    const kind = await oneOf(current, () => oneRound(current, table));
    if (kind === null) return;
    // We were silent for too long and another run took the table: it is asked for again, behind that run.
    if (kind === 'fenced') {
      current.fence = null;
      return;
    }
    current.failed[current.table] = kind;
    await leave(current);
  }

  /** The same for the consent ledger's own retention. */
  async function workOnProofs(current: RetentionState): Promise<void> {
    const kind = await oneOf(current, async () => {
      stage = 'proofs';
      const known = Object.entries(current.steps).find(([chain]) => chain.endsWith(PROOFS_CHAIN))?.[1] ?? 0;
      const { done, seq, store } = await long.pruneProofs({ runId, knownSteps: known });
      current.steps[`${store}${PROOFS_CHAIN}`] = seq;
      if (done) current.proofs = 'done';
    });
    if (kind !== null && kind !== 'fenced') current.proofs = 'failed';
  }

  /** One piece of work that a pause or a cancellation may end. Returns what it failed with, where that is for its caller to judge. */
  async function oneOf(current: RetentionState, act: () => Promise<void>): Promise<string | null> {
    await whileAllowed();
    // Behind the pause, which the next execution would not know of.
    if (workflowInfo().historyLength > MAX_HISTORY) {
      await continueAsNew<typeof retention>({ ...input, resume: current });
    }
    try {
      round = new CancellationScope({ cancellable: true });
      await round.run(act);
      return null;
    } catch (error) {
      if (isCancellation(error) && paused) return null;
      const kind = kindOf(error);
      if (kind === null) throw error;
      if (kind !== 'restored' && kind !== 'permission') return kind;
      await park(current, kind);
      return null;
    } finally {
      round = null;
    }
  }

  /** A count that cannot be had is no reason to tell nothing of the plan. */
  async function countedProofs(): Promise<number | null> {
    if (input.only !== null) return null;
    try {
      return await long.countProofs({ runId });
    } catch (error) {
      if (isCancellation(error) || kindOf(error) === null) throw error;
      return null;
    }
  }

  async function oneRound(current: RetentionState, table: OpenedTable): Promise<void> {
    const index = current.table;
    if (current.fence === null) {
      const { fence } = await brief.beginTable({ runId, index });
      current.fence = fence;
    }
    const chain = `${table.store}/0`;
    const request = { runId, index, pass: current.pass, fence: current.fence };
    if (current.pass === 0 && table.drops && !current.lanesDone.includes(-1)) {
      const dropped = await long.dropExpired({ ...request, knownSteps: current.steps[chain] ?? 0 });
      note(current, chain, dropped);
      if (!dropped.done) return waitFor(dropped.closedUntil);
      current.lanesDone = [...current.lanesDone, -1];
    }
    const all = Array.from({ length: current.plan.lanes }, (_, lane) => lane);
    const open = current.pass > 0 || table.walks ? all.filter((lane) => !current.lanesDone.includes(lane)) : [];
    if (open.length > 0) {
      const reports = await allLanes(open, (lane) =>
        long.purgeLane({
          ...request,
          lane,
          lanes: current.plan.lanes,
          units: current.units,
          knownSteps: current.steps[`${table.store}/${lane}`] ?? 0,
        }),
      );
      for (const [at, report] of reports.entries()) {
        const lane = open[at] ?? 0;
        note(current, `${table.store}/${lane}`, report);
        if (report.done) current.lanesDone = [...current.lanesDone, lane];
      }
      if (reports.some((report) => !report.done))
        return waitFor(reports.find((report) => report.closedUntil !== null)?.closedUntil ?? null);
    }
    const { remaining, units, seq } = await long.recheck({ ...request, knownSteps: current.steps[chain] ?? 0 });
    current.steps[chain] = seq;
    const stuck = current.pass > 0 && current.changedInPass === 0;
    if (remaining === 0 || stuck || current.pass + 1 >= MAX_PASSES) {
      if (remaining > 0) current.failed[index] = 'rows';
      await leave(current);
      return;
    }
    Object.assign(current, { pass: current.pass + 1, units, lanesDone: [], changedInPass: 0 });
  }

  function note(current: RetentionState, chain: string, report: LaneReport): void {
    current.steps[chain] = report.seq;
    current.changed[current.table] = (current.changed[current.table] ?? 0) + report.changed;
    current.changedInPass += report.changed;
  }

  /** All lanes end before anything else is decided; one that fails stops the others at their next batch. */
  async function allLanes(lanes: readonly number[], walk: (lane: number) => Promise<LaneReport>): Promise<LaneReport[]> {
    const settled = await Promise.allSettled(
      lanes.map((lane) =>
        walk(lane).catch((error: unknown) => {
          round?.cancel();
          throw error;
        }),
      ),
    );
    const failure =
      settled.find((one) => one.status === 'rejected' && !isCancellation(one.reason)) ?? settled.find((one) => one.status === 'rejected');
    if (failure?.status === 'rejected') throw failure.reason;
    return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  /** Gives the table back and turns to the next. */
  async function leave(current: RetentionState): Promise<void> {
    const { fence, table } = current;
    if (fence !== null && current.failed[table] !== undefined) {
      await giveBack(table, fence);
    }
    Object.assign(current, { table: table + 1, pass: 0, fence: null, units: null, lanesDone: [], changedInPass: 0 });
  }

  /** A lease that cannot be given back runs out. */
  async function giveBack(index: number, fence: number): Promise<void> {
    await brief.releaseTable({ runId, index, fence }).catch((error: unknown) => {
      if (isCancellation(error)) throw error;
    });
  }

  async function waitFor(opensAt: string | null): Promise<void> {
    if (opensAt === null) return;
    stage = 'outside the window';
    until = opensAt;
    await condition(() => paused, Math.max(1_000, Date.parse(opensAt) - Date.now()));
    stage = 'running';
    until = null;
  }

  async function whileAllowed(): Promise<void> {
    if (!paused) return;
    stage = 'paused';
    await brief.recordState({ runId, state: 'paused' });
    await condition(() => !paused);
    stage = 'running';
    await brief.recordState({ runId, state: 'running' });
  }

  /** The store is not what it was: nothing goes on before a person has looked. Whoever resumes accepts what the ledgers say now. */
  async function park(current: RetentionState, kind: string): Promise<void> {
    stage = 'parked';
    until = kind;
    paused = true;
    await brief.recordState({ runId, state: 'parked' }).catch(() => undefined);
    await condition(() => !paused);
    if (kind === 'restored') {
      Object.assign(current, { steps: {}, restored: true });
      // If that is impossible the next activity says why, and the run parks again.
      await brief.acceptStores({ runId }).catch((error: unknown) => {
        if (isCancellation(error)) throw error;
      });
    }
    stage = 'running';
    until = null;
    await brief.recordState({ runId, state: 'running' });
  }

  async function close(current: RetentionState, cancelled: boolean): Promise<RetentionResult> {
    stage = 'closing';
    if (cancelled && current.fence !== null) await giveBack(current.table, current.fence);
    for (;;) {
      try {
        const { steps, restored } = current;
        const proofs = current.proofs === 'open' ? 'not asked for' : current.proofs;
        const certified = await brief.certify({ runId, cancelled, steps, restored, proofs, failed: current.failed });
        stage = 'closed';
        return result(current.plan, certified);
      } catch (error) {
        if (kindOf(error) !== 'restored') throw error;
        // Whoever cancels has looked; the certificate tells from the ledgers what there is to tell.
        if (!cancelled) await park(current, 'restored');
        else if (current.restored) throw error;
        else Object.assign(current, { steps: {}, restored: true });
      }
    }
  }

  function result(plan: OpenedPlan, ended: Omit<RetentionResult, 'runId' | 'planHash' | 'planned'>): RetentionResult {
    const planned = plan.tables.reduce((sum, table) => sum + table.rows + (table.along ?? 0), 0);
    return { runId, planHash: plan.planHash, planned, ...ended };
  }
}

function opening({ actor, asOf, only, dryRun }: RetentionInput): Omit<RetentionInput, 'resume'> {
  return { actor, asOf, only, dryRun };
}

function begin(plan: OpenedPlan, approvedBy: string | null, { only }: RetentionInput): RetentionState {
  return {
    plan,
    approvedBy,
    table: 0,
    pass: 0,
    fence: null,
    units: null,
    steps: {},
    lanesDone: [],
    changed: {},
    changedInPass: 0,
    failed: {},
    restored: false,
    // Who asks for some tables asks for them alone.
    proofs: only === null ? 'open' : 'not asked for',
  };
}

/** Set by Temporal on what a schedule starts. */
function scheduledAt(): string | null {
  const value = workflowInfo().searchAttributes['TemporalScheduledStartTime']?.[0];
  return value instanceof Date ? value.toISOString() : null;
}

/** What an activity failed with for good; null when the error is not an activity's. */
function kindOf(error: unknown): string | null {
  if (!(error instanceof ActivityFailure)) return null;
  return error.cause instanceof ApplicationFailure ? (error.cause.type ?? 'unexpected') : 'unexpected';
}
