import { createPublicKey } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { sql } from 'kysely';
import { readCatalog } from '../database/catalog.ts';
import { issueCertificate } from '../database/certificates.ts';
import { runRecords } from '../database/ledger.ts';
import { anyHeld, carryOut, releaseTables, takeTables } from '../database/requests/carry.ts';
import { readApproval } from '../database/requests/decisions.ts';
import { removeKeys } from '../database/requests/erasure/keys.ts';
import { leadsTo } from '../database/requests/erasure/reach.ts';
import { openErasure } from '../database/requests/erasure/target.ts';
import { readScanScope, scan } from '../database/requests/scan.ts';
import { readScan, removeScan, scanResult } from '../database/requests/scan-result.ts';
import { addEvent } from '../database/requests/verbs.ts';
import { any } from '../database/retention/protection.ts';
import { readRun, setRunState } from '../database/runs.ts';
import { chainHeads } from '../domain/evidence/chain.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import { expectedColumns } from '../domain/requests/expected.ts';
import { heldStores, erasureOutcome, erasureOutcomes, erasureStatements } from '../domain/requests/outcome.ts';
import { approvalPolicy } from '../domain/requests/policy.ts';
import type { ErasureWay } from '../domain/requests/model.ts';
import { withoutDismissed } from '../domain/requests/scan.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded, refusal } from './failures.ts';
import { erasureContext, openErasureRun, step, type OpenedErasure } from './erasures-open.ts';

export interface StoreRequest {
  readonly requestId: string;
  /** Of the plan's stores. */
  readonly index: number;
}

export interface Finished {
  /** `held`: it goes on when the holds are released. `hits`: the scan found the person where nobody expected it, so that somebody must look. */
  readonly state: 'closed' | 'held' | 'hits' | 'incomplete';
  /** Of the certificate; null: none was issued. */
  readonly serial: number | null;
  readonly outcome: string;
}

export type ErasureActivities = ReturnType<typeof erasureActivities>;

/** Why a request waits, as its events say it. */
const WAITS = { held: 'held', hits: 'scan_hits', incomplete: 'rows_left' } as const;

/** One request is one person, so far. */
const ONLY = 0;

/** What carries out an approved request. Numbers, counts and names go in and out; who it is about stays in the stores. */
export function erasureActivities(dependencies: ActivityDependencies) {
  const { home, faults } = dependencies;

  /** Checks the approval and that the plan still says what would happen. */
  const openErasureOf = (requestId: string): Promise<OpenedErasure> => guarded(() => openErasureRun(dependencies, requestId));

  /** Erases in one store, to its closing statement. Fails retryably, with type `leased`, while another run has one of the tables. */
  const eraseStore = (request: StoreRequest): Promise<{ readonly seq: number; readonly remaining: number }> =>
    guarded(async () => {
      const context = await erasureContext(dependencies, request.requestId);
      const store = context.store(request.index);
      const { plan, manifest } = context;
      const target = await openErasure(store, manifest, plan.stores[request.index]!.erasure);
      const run = await readRun(home.db, plan.run);
      const life = run?.incarnations[store.name];
      if (life === undefined) throw refusal('restored', `The home store has lost the run of ${request.requestId}`);
      const leases = await takeTables(target, plan.run);
      if (leases === null)
        throw ApplicationFailure.create({ type: 'leased', message: 'Another run works on one of the tables; waiting for it to end' });
      const work = { runId: plan.run, class: ONLY, incarnation: life, leases };
      const carried = await carryOut(target, work, { beat: () => Context.current().heartbeat(), faults });
      await releaseTables(store, leases);
      return carried;
    });

  /** Searches one store for what is left of the person. */
  const scanStore = (request: StoreRequest): Promise<{ readonly hits: number }> =>
    guarded(async () => {
      const context = await erasureContext(dependencies, request.requestId);
      const store = context.store(request.index);
      const catalog = await readCatalog(store);
      const scope = await readScanScope(store, catalog, context.manifest);
      const { erasure } = context.plan.stores[request.index]!;
      const who = { runId: context.plan.run, chunk: null, class: ONLY, subject: erasure.subject, without: [] };
      // What is still theirs after the closing statement is kept, held or pinned; what they share with others stays, too.
      const alone = () => sql<boolean>`true`;
      const theirs = (table: string, ways: readonly ErasureWay[]) => any(ways.map((way) => leadsTo(way, table, catalog, who, alone)));
      const all = Object.keys(catalog.tables).map((table) => ({ table, columns: null, condition: null }));
      const expected = (await anyHeld(store, context.plan.run))
        ? all
        : [
            ...expectedColumns(context.plan.scope, catalog, context.manifest).map((it) => ({ ...it, condition: null })),
            ...erasure.tables
              .filter(({ ways }) => ways.length > 0)
              .map(({ table, ways }) => ({ table, columns: null, condition: theirs(table, ways) })),
          ];
      for await (const { rangesDone } of scan(store, scope, context.plan.run, { names: true, expected }))
        Context.current().heartbeat(rangesDone);
      return { hits: (await scanResult(store, scope, context.plan.run)).hits.reduce((sum, { rows }) => sum + rows, 0) };
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
      const key = dependencies.signingKey();
      const approval = await readApproval(home, { request: requestId, plan: hash }, approvalPolicy(manifest), createPublicKey(key));
      const found = await Promise.all(plan.stores.map((_, index) => readScan(context.store(index), manifest, plan.run)));
      const scans = found.map((it) => withoutDismissed(it, approval.dismissed));
      const records = (await Promise.all(plan.stores.map((_, index) => runRecords(context.store(index).db, plan.run)))).flat();
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
        statements: erasureStatements(plan, records, scans),
        heads: chainHeads(records),
      };
      const { certificate } = await issueCertificate(home, content, records, key);
      for (const index of plan.stores.keys()) {
        const store = context.store(index);
        await removeScan(store, plan.run);
        await removeKeys(store, plan.run);
      }
      await setRunState(home.db, plan.run, 'complete');
      await step(home, requestId, 'finish', outcome.replaceAll(' ', '_'));
      return { state: 'closed', serial: certificate.serial, outcome: certificate.outcome };
    });

  return { openErasure: openErasureOf, eraseStore, scanStore, finishErasure };
}
