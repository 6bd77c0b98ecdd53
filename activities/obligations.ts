import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { sql } from 'kysely';
import { readCatalog } from '../database/catalog.ts';
import { issueCertificate, readCertificate } from '../database/certificates.ts';
import { clockOf } from '../database/clock.ts';
import { incarnation } from '../database/incarnation.ts';
import { runRecords } from '../database/ledger.ts';
import { carryOut, releaseTables, takeTables } from '../database/requests/carry.ts';
import { readHistories, readManyFacts } from '../database/permission/history.ts';
import { countErasure } from '../database/requests/erasure/count.ts';
import { floorsOf } from '../database/requests/erasure/floors.ts';
import { analyseKeys, removeKeys } from '../database/requests/erasure/keys.ts';
import { openErasure } from '../database/requests/erasure/target.ts';
import { identitiesInUse } from '../database/requests/identities-in-use.ts';
import {
  closedRun,
  closeObligationRun,
  forgetObliged,
  heldInOthers,
  keysForRun,
  obligationKeys,
  obligationRun,
  postponeObligation,
  readObligation,
  updateObligation,
  type Obligation,
} from '../database/requests/obligations.ts';
import { bindRunPlan, currentManifest, openRun, readManifest, readRun, setRunState } from '../database/runs.ts';
import type { Store } from '../database/store.ts';
import { chainHeads } from '../domain/evidence/chain.ts';
import { permission } from '../domain/permission/permission.ts';
import { permissionRules } from '../domain/permission/rules.ts';
import { MICROS_PER_MS, type Answer } from '../domain/permission/types.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import { planErasure } from '../domain/requests/erasure.ts';
import { KEY_IDENTITY } from '../domain/requests/graph.ts';
import { onlyUnderFloors, remainingOnDay } from '../domain/requests/obliged.ts';
import { erasureOutcome, erasureOutcomes, erasureStatements, heldStores } from '../domain/requests/outcome.ts';
import { changedRows, erasurePlanHash, type ErasurePlan } from '../domain/requests/plan.ts';
import { keyText } from '../domain/subject-key.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded, refusal } from './failures.ts';
import { refuseRestored } from './retention-open.ts';

export interface OpenedObligation {
  readonly state: 'running' | 'waiting' | 'open' | 'discharged' | 'over' | 'unknown';
  readonly runId: string;
}

export interface ObligedRun {
  readonly id: string;
  readonly runId: string;
}

export type ObligationActivities = ReturnType<typeof obligationActivities>;

/** What waits is looked at again so often. */
const LOOK_AGAIN_MS = 86_400_000;

/** What erases rows on their day. Numbers and counts go in and out; whose rows they are stays in the store. */
export function obligationActivities(dependencies: ActivityDependencies) {
  const { home, faults } = dependencies;

  /** Plans what is due now, by the manifest in force, unless there is nothing yet or somebody holds all of it. Repeating it goes on. */
  const openObligation = (id: string): Promise<OpenedObligation> =>
    guarded(async () => {
      const obligation = await readObligation(home.db, id);
      if (obligation === null) return { state: 'unknown', runId: '' };
      if (obligation.state === 'discharged') return { state: 'over', runId: '' };
      const version = await currentManifest(home.db);
      if (version === null) throw refusal('no manifest', 'No manifest has been applied: run `probity apply`');
      const { manifest, hash: manifestHash } = version;
      if (manifest.mode !== 'enforce') return postponed(id, 'observe');
      const store = storeOf(manifest, obligation);
      for (const it of new Set([home, store])) await refuseRestored(it, it === home);
      const runId = await obligationRun(home, id);
      await writeKeys(manifest, obligation, store, runId);
      if (((await readRun(home.db, runId))?.planHash ?? null) !== null) return { state: 'running', runId };
      const plan = await planOf(obligation, { manifest, manifestHash, store, runId });
      const problems = plan.stores.flatMap(({ erasure }) => erasure.problems);
      if (problems.length > 0) {
        await postponed(id, 'cannot');
        throw refusal('cannot', `${id} cannot be carried out: ${problems.map(({ message }) => message).join('; ')}`);
      }
      if (changedRows(plan) === 0) return nothingYet(id, plan, store, manifest);
      const hash = erasurePlanHash(plan);
      await sql`
        insert into probity.plan (hash, job, manifest_hash, body)
        values (${hash}, ${plan.job}, ${manifestHash}, ${JSON.stringify(plan)}) on conflict (hash) do nothing`.execute(home.db);
      await openRun(home.db, {
        runId,
        job: 'requests',
        manifestHash,
        mode: 'enforce',
        asOf: new Date(plan.asOf),
        actor: SERVICE.name,
        incarnations: { [store.name]: await incarnation(store.db) },
      });
      await bindRunPlan(home.db, runId, hash);
      await setRunState(home.db, runId, 'running');
      return { state: 'running', runId };
    });

  /** Erases to the closing statement. Fails retryably, with type `leased`, while another run has one of the tables. */
  const eraseObliged = ({ id, runId }: ObligedRun): Promise<{ readonly seq: number; readonly remaining: number }> =>
    guarded(async () => {
      const { plan, manifest, store, run } = await context(id, runId);
      const targets = [];
      for (const { class: of, erasure } of plan.stores) targets.push({ class: of, target: await openErasure(store, manifest, erasure) });
      const leases = await takeTables(store, targets, runId);
      if (leases === null)
        throw ApplicationFailure.create({ type: 'leased', message: 'Another run works on one of the tables; waiting for it to end' });
      const beat = (done: number, of: number): void => Context.current().heartbeat({ done, of });
      try {
        const others = Object.keys(manifest.stores).flatMap((name) => (name === store.name ? [] : [dependencies.store(manifest, name)]));
        const heldElsewhere = () => heldInOthers(store, others, id);
        const going = { runId, incarnation: run.incarnations[store.name] ?? '', leases, heldElsewhere };
        return await carryOut(store, targets, going, { beat, faults });
      } finally {
        await releaseTables(store, leases);
      }
    });

  /** Certifies what the run did, and finds the next day; keys go when there is none. Rows that somebody holds keep the run open. */
  const closeObligation = ({ id, runId }: ObligedRun) =>
    guarded(async () => {
      const { plan, manifest, store, run, obligation } = await context(id, runId);
      const records = await runRecords(store.db, runId);
      const tables = erasureOutcomes(plan, records);
      const done = erasureOutcome(plan, records, tables, []);
      if (done === 'incomplete') {
        await postponed(id, heldStores(plan, records).length > 0 ? 'held' : 'rows_left');
        return { state: 'waiting' as const, serial: null };
      }
      let serial = await closedRun(home.db, runId);
      if (serial === null) {
        const first = await readCertificate(home.db, obligation.runId);
        await writeKeys(manifest, obligation, store, runId);
        const floors = await floorsFor(plan, manifest, store);
        const content = {
          organisation: manifest.organisation,
          job: 'requests',
          run: runId,
          request: obligation.request,
          manifest: plan.manifest,
          plan: run.planHash ?? '',
          actor: run.actor,
          approvedBy: first?.certificate.approvedBy ?? null,
          asOf: plan.asOf,
          startedAt: run.openedAt.toISOString(),
          outcome: floors.tables.length > 0 ? ('complete with obligations' as const) : ('complete' as const),
          tables,
          statements: [
            `obligation ${id}: rows that the law kept after run ${obligation.runId}, certified with number ${first?.certificate.serial ?? 'unknown'}, erased on their day`,
            'no other place was searched: what the first certificate says of that stands',
            ...erasureStatements(plan, records, []),
          ],
          heads: chainHeads(records),
        };
        const { certificate } = await issueCertificate(home, content, records, dependencies.signingKey());
        serial = certificate.serial;
        await closeObligationRun(home, id, runId, serial, floors);
      }
      await removeKeys(store, runId);
      await setRunState(home.db, runId, 'complete');
      const state = (await readObligation(home.db, id))?.state ?? 'discharged';
      if (state === 'discharged') await forgetObliged(store, id);
      return { state, serial };
    });

  return { openObligation, eraseObliged, closeObligation };

  async function postponed(id: string, why: string): Promise<OpenedObligation> {
    await postponeObligation(home, id, new Date(dependencies.now() + LOOK_AGAIN_MS), why);
    return { state: 'waiting', runId: '' };
  }

  /** Of the day that was expected nothing has come, or all of it is held. */
  async function nothingYet(id: string, plan: ErasurePlan, store: Store, manifest: Manifest): Promise<OpenedObligation> {
    const held = plan.stores.some(({ tables }) => tables.some((table) => Object.keys(table.held).length > 0));
    if (held) {
      await removeKeys(store, plan.run);
      return postponed(id, 'held');
    }
    const state = await updateObligation(home.db, id, await floorsFor(plan, manifest, store));
    await removeKeys(store, plan.run);
    if (state === 'discharged') await forgetObliged(store, id);
    return { state, runId: '' };
  }

  async function floorsFor(plan: ErasurePlan, manifest: Manifest, store: Store) {
    const [only] = plan.stores;
    if (only === undefined) return { tables: [], people: [] };
    return floorsOf(await openErasure(store, manifest, only.erasure), { runId: plan.run, chunk: null, class: only.class });
  }

  /** An address that somebody else has by now leads to rows of theirs: it is not used any more. */
  async function writeKeys(manifest: Manifest, { id, store: name }: Obligation, store: Store, runId: string): Promise<void> {
    const keys = await obligationKeys(store, id);
    await keysForRun(store, id, runId, await identitiesInUse((it) => dependencies.store(manifest, it), manifest, keys));
    await analyseKeys(store);
    if (name !== store.name) throw refusal('restored', `The home store has lost ${id}`);
  }

  async function planOf(
    obligation: Obligation,
    at: { readonly manifest: Manifest; readonly manifestHash: string; readonly store: Store; readonly runId: string },
  ): Promise<ErasurePlan> {
    const { manifest, manifestHash, store, runId } = at;
    const first = await planOfRun(obligation.runId);
    const of = first.classes[obligation.class];
    if (of === undefined) throw refusal('restored', `The home store has lost the plan behind ${obligation.id}`);
    const before = (await readManifest(home.db, of.before ?? first.manifest)) ?? manifest;
    const keys = (await obligationKeys(store, obligation.id)).filter(({ identity }) => identity === KEY_IDENTITY);
    const scope = remainingOnDay(of.scope, await answersNow(manifest, of.subject, keys.map(({ parts }) => parts)), manifest); // prettier-ignore
    const whole = planErasure(of.subject, scope, await readCatalog(store), manifest, before);
    const erasure = onlyUnderFloors(whole, obligation.tables.map(({ table }) => table)); // prettier-ignore
    const lost = obligation.tables.find(({ table }) => !erasure.tables.some((it) => it.table === table));
    if (lost !== undefined) {
      await postponed(obligation.id, 'cannot');
      throw refusal('cannot', `${obligation.id}: no way leads to ${store.name}.${lost.table} any more: declare the table as it was`);
    }
    const people = { runId, chunk: null, class: obligation.class };
    const counted =
      erasure.problems.length > 0
        ? { heldPeople: 0, counts: {}, tables: [], missingIndexes: [], seconds: 0 }
        : await countErasure(await openErasure(store, manifest, erasure), people);
    const { heldPeople, counts, tables, missingIndexes, seconds } = counted;
    const planned = { class: obligation.class, erasure, heldPeople, counts, tables, missingIndexes: missingIndexes.map((it) => it.sql), seconds }; // prettier-ignore
    return {
      ...first,
      manifest: manifestHash,
      mode: manifest.mode,
      asOf: (await clockOf(home)).toISOString(),
      timezone: manifest.timezone,
      classes: first.classes.map((it, index) => (index === obligation.class ? { ...it, scope } : it)),
      run: runId,
      stores: [planned],
    };
  }

  /** What everybody's permission says now, by purpose; nobody who is not known any more. */
  async function answersNow(
    manifest: Manifest,
    subject: string,
    parts: readonly (readonly string[])[],
  ): Promise<Readonly<Record<string, readonly Pick<Answer, 'allowed' | 'reason'>[]>>> {
    const keys = parts.map(keyText);
    const [histories, facts] = [await readHistories(home.db, subject, keys), await readManyFacts(home.db, subject, keys)];
    const rules = permissionRules(manifest);
    const at = (await clockOf(home)).getTime() * MICROS_PER_MS;
    const known = keys.filter((key) => facts(key).known);
    return Object.fromEntries(
      Object.keys(manifest.purposes).map((purpose) => [
        purpose,
        known.map((key) => permission(rules, histories.get(key) ?? [], facts(key), { purpose, channel: null, at })),
      ]),
    );
  }

  async function planOfRun(runId: string): Promise<ErasurePlan> {
    const { rows } = await sql<{ plan: ErasurePlan }>`
      select p.body as plan from probity.run r join probity.plan p on p.hash = r.plan_hash where r.run_id = ${runId}`.execute(home.db);
    const [row] = rows;
    if (row === undefined) throw refusal('restored', `The home store has lost the plan of ${runId}`);
    return row.plan;
  }

  async function context(id: string, runId: string) {
    const obligation = await readObligation(home.db, id);
    const run = await readRun(home.db, runId);
    const manifest = run === null ? null : await readManifest(home.db, run.manifestHash);
    if (obligation === null || run === null || manifest === null) throw refusal('restored', `The home store has lost the run of ${id}`);
    return { obligation, run, manifest, plan: await planOfRun(runId), store: storeOf(manifest, obligation) };
  }

  function storeOf(manifest: Manifest, { id, store }: Obligation): Store {
    if (manifest.stores[store] === undefined) throw refusal('cannot', `${id}: the manifest in force has no store ${store}`);
    return dependencies.store(manifest, store);
  }
}
