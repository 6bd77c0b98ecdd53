import { createPublicKey } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { readCatalog } from '../database/catalog.ts';
import { clockOf } from '../database/clock.ts';
import { issueCertificate, readCertificate } from '../database/certificates.ts';
import { runRecords } from '../database/ledger.ts';
import {
  cameMeanwhile,
  carryOut,
  closedHeld,
  releaseTables,
  takeTables,
  type Carried,
  type ClassTarget,
} from '../database/requests/carry.ts';
import { readApproval } from '../database/requests/decisions.ts';
import { earlierCertificates, earlierText } from '../database/requests/earlier.ts';
import { countKeys, removeKeys, type HeldElsewhere } from '../database/requests/erasure/keys.ts';
import { openErasure } from '../database/requests/erasure/target.ts';
import { expectedRows } from '../database/requests/expected-rows.ts';
import { oblige } from '../database/requests/obligations.ts';
import { heldAnywhere } from '../database/requests/held.ts';
import { readPlanned } from '../database/requests/planned.ts';
import { redactFound, type RedactingRun } from '../database/requests/redact.ts';
import { removePeople } from '../database/requests/run-people.ts';
import { readScanScope, scan } from '../database/requests/scan.ts';
import { readScan, removeScan, scanResult } from '../database/requests/scan-result.ts';
import { addEvent } from '../database/requests/verbs.ts';
import { readRun, setRunState } from '../database/runs.ts';
import { describe, StoreError } from '../database/errors.ts';
import type { Store } from '../database/store.ts';
import type { Certificate } from '../domain/evidence/certificate.ts';
import { chainHeads } from '../domain/evidence/chain.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import { foundInKept, heldStores, erasureOutcome, erasureOutcomes, erasureStatements } from '../domain/requests/outcome.ts';
import { planStores } from '../domain/requests/plan.ts';
import { approvalPolicy } from '../domain/requests/policy.ts';
import { withoutDismissed } from '../domain/requests/scan.ts';
import { STOPPED } from '../domain/requests/waits.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded, refusal } from './failures.ts';
import { refuseOtherSigner } from './keys.ts';
import { tellOfErasure } from './notices.ts';
import { buryErased } from './tombstones.ts';
import { erasureContext, openErasureRun, step, type ErasureContext, type OpenedErasure } from './erasures-open.ts';

export interface StoreRequest {
  readonly requestId: string;
  /** Of the plan's stores. */
  readonly index: number;
}

/** What an erasure has to do in one store. */
interface StoreWork {
  readonly requestId: string;
  readonly runId: string;
  readonly store: Store;
  readonly targets: readonly ClassTarget[];
  readonly heldElsewhere: () => Promise<readonly HeldElsewhere[]>;
}

export interface Finished {
  /** `held`: it goes on when the holds are released. `hits`: the scan found the person where nobody expected it, so that somebody must look. `recipients`: it is done, and somebody has still to hear of it. */
  readonly state: 'closed' | 'held' | 'hits' | 'recipients' | 'incomplete';
  /** Of the certificate; null: none was issued. */
  readonly serial: number | null;
  readonly outcome: string;
}

export type ErasureActivities = ReturnType<typeof erasureActivities>;

/** Why a request waits, as its events say it. */
const WAITS = { held: 'held', hits: 'scan_hits', incomplete: 'rows_left' } as const;

/** What carries out an approved request. Numbers, counts and names go in and out; who it is about stays in the stores. */
export function erasureActivities(dependencies: ActivityDependencies) {
  const { home, faults } = dependencies;

  /** Checks the approval and that the plan still says what would happen. */
  const openErasureOf = (requestId: string): Promise<OpenedErasure> => guarded(() => openErasureRun(dependencies, requestId));

  /** Erases in one store, to its closing statement. Fails retryably, with type `leased`, while another run has one of the tables. */
  const eraseStore = (request: StoreRequest): Promise<Carried> =>
    saying(request, async () => {
      const context = await erasureContext(dependencies, request.requestId);
      await refuseForgotten(context, request);
      return eraseIn(await workOf(context, request), false);
    });

  /** Searches one store for what is left of the people, all of them at once; what came in its planned tables meanwhile is erased as well. */
  const scanStore = (request: StoreRequest): Promise<{ readonly hits: number }> =>
    saying(request, async () => {
      const context = await erasureContext(dependencies, request.requestId);
      const { plan, manifest } = context;
      const { store, classes } = context.at(request.index);
      if (await closedHeld(store, plan.run)) return { hits: 0 };
      await refuseForgotten(context, request);
      const catalog = await readCatalog(store);
      const scope = await readScanScope(store, catalog, manifest);
      const now = await clockOf(store);
      const expected = classes.flatMap((it) => expectedRows(it, plan, catalog, manifest, now));
      let read = 0;
      const search = async (): Promise<void> => {
        for await (const { rangesDone } of scan(store, scope, plan.run, { names: plan.people === 1, expected })) {
          Context.current().heartbeat(rangesDone);
          read += 1;
          await faults('scan after range');
        }
      };
      await search();
      if (await redactDecided(context, request, { store, catalog, scope })) await search();
      // Started again once all was read, since recipients have answered say, it leaves alone what came in these weeks.
      if (read > 0 || Context.current().info.attempt > 1) {
        const work = await workOf(context, request);
        const came = await cameMeanwhile(work.targets, work, () => Context.current().heartbeat());
        if (came > 0) await eraseIn(work, true);
      }
      return { hits: (await scanResult(store, scope, plan.run)).hits.reduce((sum, { rows }) => sum + rows, 0) };
    });

  /**
   * Tells from the ledgers and the scans what happened, signs it, and closes the request; or says what keeps it open. The keys of the run go
   * with it.
   */
  const finishErasure = (requestId: string): Promise<Finished> =>
    guarded(async () => {
      const context = await erasureContext(dependencies, requestId);
      const { plan, manifest, hash } = context;
      const run = await readRun(home.db, plan.run);
      if (run === null) throw refusal('restored', `The home store has lost the run of ${requestId}`);
      // An earlier call was lost behind it, and may have removed what this one would judge by.
      const issued = await readCertificate(home.db, plan.run);
      if (issued !== null) return close(context, issued.certificate);
      const key = dependencies.signingKey();
      const approval = await readApproval(home, { request: requestId, plan: hash }, approvalPolicy(manifest), createPublicKey(key));
      // What it dismissed would be looked at again, and the certificate be under a key of somebody else's.
      await refuseOtherSigner(dependencies, { id: requestId, state: 'running', plan: hash }, approval);
      const stores = planStores(plan).map((_, index) => context.at(index).store);
      const found = await Promise.all(stores.map((store) => readScan(store, manifest, plan.run)));
      const scans = found.map((it) => withoutDismissed(it, approval.dismissed));
      const records = (await Promise.all(stores.map((store) => runRecords(store.db, plan.run)))).flat();
      const tables = erasureOutcomes(plan, records);
      const outcome = erasureOutcome(plan, records, tables, scans);
      if (outcome === 'incomplete') {
        const why = heldStores(plan, records).length > 0 ? 'held' : scans.some((it) => it.hits.length > 0) ? 'hits' : 'incomplete';
        await addEvent(home, {
          id: requestId,
          verb: 'wait',
          state: 'running',
          actor: SERVICE.name,
          code: WAITS[why],
        });
        return { state: why, serial: null, outcome };
      }
      const buried = await buryErased(dependencies, context, records);
      const reasons = new Map(approval.givenUp.map(({ recipient, reason }) => [recipient, reason]));
      const told = await tellOfErasure(home, context, reasons);
      if (told.waits) return { state: 'recipients', serial: null, outcome };
      const kept = foundInKept(scans);
      const earlier = earlierText(plan.request, await earlierCertificates(home.db, plan.request, plan.run));
      const content = {
        organisation: manifest.organisation,
        job: 'requests',
        run: plan.run,
        request: requestId,
        manifest: plan.manifest,
        plan: hash,
        actor: run.actor,
        approvedBy: approval.by.join(', '),
        asOf: plan.asOf,
        startedAt: run.openedAt.toISOString(),
        outcome,
        tables,
        ...(kept.length > 0 && { found: kept }),
        statements: [...erasureStatements(plan, records, scans), ...earlier, ...buried, ...told.statements],
        heads: chainHeads(records),
      };
      await faults('finish before certificate');
      const { certificate } = await issueCertificate(home, content, records, key);
      await faults('finish after certificate');
      return close(context, certificate);
    });

  return { openErasure: openErasureOf, eraseStore, scanStore, finishErasure };

  /** What another attempt would meet again stops the work: whoever looks at the request is told, and lets it go on once it is mended. */
  function saying<T>({ requestId }: StoreRequest, work: () => Promise<T>): Promise<T> {
    return guarded(async () => {
      try {
        return await work();
      } catch (thrown) {
        const error = describe(thrown, { store: 'of this job' });
        if (error instanceof StoreError && !error.retryable)
          await addEvent(home, { id: requestId, verb: 'wait', state: 'running', actor: SERVICE.name, code: `${STOPPED}${error.code}` });
        throw thrown;
      }
    });
  }

  /** Of nobody nothing is found: a store that was restored, or emptied by hand, must not look like one that is clean. */
  async function refuseForgotten({ plan, at }: ErasureContext, { requestId, index }: StoreRequest): Promise<void> {
    const { store } = at(index);
    if ((await countKeys(store, plan.run)).keys > 0 || (await readCertificate(home.db, plan.run)) !== null) return;
    throw refusal('restored', `${store.name} has lost whom ${requestId} is about: nothing is erased or searched there`);
  }

  /** What was found and is decided to be redacted; true: its tables are to be searched again. */
  async function redactDecided(
    { plan, hash, manifest, at }: ErasureContext,
    { requestId }: StoreRequest,
    here: Pick<RedactingRun, 'store' | 'catalog' | 'scope'>,
  ): Promise<boolean> {
    const publicKey = createPublicKey(dependencies.signingKey());
    const approval = await readApproval(home, { request: requestId, plan: hash }, approvalPolicy(manifest), publicKey);
    const decided = approval.redacted.filter(({ column }) => column.startsWith(`${here.store.name}.`));
    const incarnation = (await readRun(home.db, plan.run))?.incarnations[here.store.name];
    if (decided.length === 0 || incarnation === undefined) return false;
    let done = false;
    const stores = [home, ...planStores(plan).map((_, index) => at(index).store)];
    const heldElsewhere = () => heldAnywhere(stores, plan.run);
    const run = { ...here, manifest, runId: plan.run, incarnation, names: plan.people === 1, heldElsewhere, faults };
    for (const { column: name, found } of decided) {
      const [table, column] = [name.slice(here.store.name.length + 1, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)];
      const redacted = await redactFound(run, { table, column }, found);
      if (redacted === null)
        throw ApplicationFailure.create({ type: 'leased', message: 'Another run works on one of the tables; waiting for it to end' });
      done ||= redacted;
    }
    return done;
  }

  async function workOf(context: ErasureContext, { requestId, index }: StoreRequest): Promise<StoreWork> {
    const { plan, manifest } = context;
    const { store, classes } = context.at(index);
    const targets: ClassTarget[] = [];
    for (const { class: of, erasure } of classes) targets.push({ class: of, target: await openErasure(store, manifest, erasure) });
    const others = [home, ...planStores(plan).map((_, at) => context.at(at).store)].filter((it) => it !== store);
    return { requestId, runId: plan.run, store, targets, heldElsewhere: () => heldAnywhere(others, plan.run) };
  }

  async function eraseIn({ requestId, runId, store, targets, heldElsewhere }: StoreWork, again: boolean): Promise<Carried> {
    const incarnation = (await readRun(home.db, runId))?.incarnations[store.name];
    if (incarnation === undefined) throw refusal('restored', `The home store has lost the run of ${requestId}`);
    const leases = await takeTables(store, targets, runId);
    if (leases === null)
      throw ApplicationFailure.create({ type: 'leased', message: 'Another run works on one of the tables; waiting for it to end' });
    const beat = (done: number, of: number): void => Context.current().heartbeat({ done, of });
    try {
      return await carryOut(store, targets, { runId, incarnation, leases, heldElsewhere }, { beat, faults, again });
    } finally {
      // The next attempt, or another run, need not wait until they expire.
      await releaseTables(store, leases);
    }
  }

  /** What is left to do once it is certified; whoever dies in the middle is followed by another who repeats it. */
  async function close({ plan, manifest, at }: ErasureContext, { serial, outcome }: Certificate): Promise<Finished> {
    const closed: Finished = { state: 'closed', serial, outcome };
    if ((await readPlanned(home, plan.request))?.state === 'closed') return closed;
    // Before the keys go: where they have gone, this has been done.
    await oblige(home, { plan, manifest, store: (name) => dependencies.store(manifest, name) });
    for (const store of new Set([...planStores(plan).map((_, index) => at(index).store), home])) {
      await removeScan(store, plan.run);
      await removeKeys(store, plan.run);
      await faults('finish after removal');
    }
    await removePeople(home, plan.run);
    await setRunState(home.db, plan.run, 'complete');
    await faults('finish before close');
    await step(home, plan.request, 'finish', outcome.replaceAll(' ', '_'));
    return closed;
  }
}
