import { randomBytes, type KeyObject } from 'node:crypto';
import { sql } from 'kysely';
import { envelopeHash, envelopeOf, outsideEnvelope, type ExceptionCode } from '../../domain/requests/envelope.ts';
import { approvalPolicy, balancedPurposes } from '../../domain/requests/policy.ts';
import { planProblems, type StorePlan } from '../../domain/requests/plan.ts';
import type { KeyProvider } from '../../domain/requests/vault.ts';
import type { Envelope } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { ManifestVersion } from '../runs.ts';
import type { Store } from '../store.ts';
import { readyRequests } from './batches.ts';
import { readApproval, readPreapproval } from './decisions.ts';
import { countErasure } from './erasure/count.ts';
import type { HeldElsewhere } from './erasure/keys.ts';
import { openErasure } from './erasure/target.ts';
import { openedByAnyOf, recordExceptions, type Exception } from './exceptions.ts';
import { forgetRun } from './forget.ts';
import { heldAnywhere } from './held.ts';
import { makePlan } from './make-plan.ts';
import type { RequestRow } from './model.ts';
import { MovedOn, movePlanned, readPlanned } from './planned.ts';
import { planRequests } from './planner.ts';
import { currentPlan } from './plans.ts';
import { runPeople } from './run-people.ts';

export interface PlanningEnvelope {
  readonly home: Store;
  /** Every store of the manifest. */
  readonly stores: ReadonlyMap<string, Store>;
  /** In force. */
  readonly version: Pick<ManifestVersion, 'manifest' | 'hash'>;
  /** The service's, by which decisions are verified. */
  readonly publicKey: KeyObject;
  readonly actor: string;
  readonly now: Date;
  /** Where what requesters gave is read; null or nothing: no master key is here. */
  readonly vault?: KeyProvider | null;
}

export interface EnvelopePlan {
  /** `none`: the manifest has no envelope. `unapproved`: nobody has pre-approved this one. `nothing`: nothing is ready within it. `waiting`: for an approval. */
  readonly state: 'none' | 'observe' | 'unapproved' | 'nothing' | 'waiting' | 'approved';
  /** Null: no plan was made. */
  readonly batch: string | null;
  readonly people: number;
  readonly exceptions: readonly Exception[];
}

const NOTHING = { batch: null, people: 0, exceptions: [] };
/** Looked at in one night, as in a plan that somebody makes by hand: looking at more takes longer than a night's step may. */
const MOST_LOOKED_AT = 10_000;

/**
 * Makes the night's plan: of the requests that are ready and within the envelope, those due first, with who is none of its business left out,
 * each with a reason in its events. Within the envelope the pre-approval approves it, and the workers carry it out; a plan that would change too
 * much waits for a person. Does nothing unless the envelope of the manifest in force is pre-approved. Safe to repeat. Throws `MovedOn`
 * when a request has moved meanwhile.
 */
export async function planEnvelope(planning: PlanningEnvelope): Promise<EnvelopePlan> {
  const { home, stores, version, publicKey, actor, now, vault = null } = planning;
  const { manifest } = version;
  const envelope = envelopeOf(manifest);
  if (envelope === null) return { state: 'none', ...NOTHING };
  if (manifest.mode !== 'enforce') return { state: 'observe', ...NOTHING };
  const about = { hash: envelopeHash(envelope), openedBy: [] };
  const preapproval = await readPreapproval(home.db, about, approvalPolicy(manifest), publicKey);
  if (!preapproval.approved) return { state: 'unapproved', ...NOTHING };
  await approveLeftOver(planning);
  const { rows, exceptions } = await chooseRows(planning, envelope, preapproval.by);
  await recordExceptions(home, exceptions, { actor, at: now });
  if (rows.length === 0) return { state: 'nothing', batch: null, people: 0, exceptions };
  const refuse = (plan: Parameters<typeof outsideEnvelope>[1]): string | null => {
    const why = outsideEnvelope(envelope, plan);
    return why === null || why === 'too_many_rows' ? null : `it is not within the envelope any more: ${why}`;
  };
  const made = await makePlan({ home, stores, version, id: null, rows, origin: 'envelope', actor, asOf: now, vault, refuse });
  if ('problems' in made) throw new MovedOn('the plan of the envelope: what it is about has changed meanwhile');
  const { plan } = made.bound;
  const done = { batch: plan.request, people: plan.people };
  if (await approve(planning, plan.request)) return { state: 'approved', ...done, exceptions };
  const left: Exception = { id: plan.request, code: outsideEnvelope(envelope, plan) ?? 'own' };
  await recordExceptions(home, [left], { actor, at: now });
  return { state: 'waiting', ...done, exceptions: [...exceptions, left] };
}

/** False: its plan is not approved, neither by the envelope nor by people. */
async function approve({ home, publicKey, version, actor, now }: PlanningEnvelope, id: string): Promise<boolean> {
  const [planned, bound] = [await readPlanned(home, id), await currentPlan(home.db, id)];
  // What another manifest made is not for this one's envelope to let pass.
  if (planned?.state !== 'planned' || bound === null || bound.plan.manifest !== version.hash) return false;
  const approval = await readApproval(home, { request: id, plan: bound.hash }, approvalPolicy(version.manifest), publicKey);
  if (!approval.approved) return false;
  await movePlanned(home, id, { verb: 'approve', actor, at: now, code: 'envelope', members: bound.plan.members });
  return true;
}

/** Whoever made a plan may have been lost before it was approved. */
async function approveLeftOver(planning: PlanningEnvelope): Promise<void> {
  const { home } = planning;
  const { rows } = await translating(home, () =>
    sql<{ id: string }>`
      select b.batch_id as id from probity.request_batch b where b.origin = 'envelope' and b.state = 'planned' order by b.batch_id`.execute(
      home.db,
    ),
  );
  for (const { id } of rows) {
    // Somebody has left it: a person plans it again.
    await approve(planning, id).catch((error: unknown) => {
      if (!(error instanceof MovedOn)) throw error;
    });
  }
}

/** Those due first, as many as the envelope lets pass, and who among them is left for a person. */
async function chooseRows(
  planning: PlanningEnvelope,
  envelope: Envelope,
  approvers: readonly string[],
): Promise<{ readonly rows: readonly RequestRow[]; readonly exceptions: readonly Exception[] }> {
  const { home, version } = planning;
  const { kinds, mostPeople } = envelope;
  const ready = await readyRequests(home, { kinds, balanced: balancedPurposes(version.manifest), limit: MOST_LOOKED_AT });
  const rows: RequestRow[] = [];
  const exceptions: Exception[] = [];
  for (let from = 0; from < ready.length && rows.length < mostPeople; from += mostPeople) {
    const page = ready.slice(from, from + mostPeople);
    const codes = await judgeRows(planning, page);
    // Nobody approves their own, nor does their pre-approval.
    for (const id of await openedByAnyOf(home.db, page.map((row) => row.id), approvers)) codes.set(id, 'own'); // prettier-ignore
    exceptions.push(...page.flatMap(({ id }) => (codes.has(id) ? [{ id, code: codes.get(id)! }] : [])));
    rows.push(...page.filter(({ id }) => !codes.has(id)).slice(0, mostPeople - rows.length));
  }
  return { rows, exceptions };
}

/** Plans them on trial and tells of whom a person must decide, and why. Leaves nothing behind. */
async function judgeRows(planning: PlanningEnvelope, rows: readonly RequestRow[]): Promise<Map<string, ExceptionCode>> {
  const { home, stores, version, now, vault = null } = planning;
  const { manifest, hash: manifestHash } = version;
  const run = `envelope-${randomBytes(6).toString('hex')}`;
  const codes = new Map<string, ExceptionCode>();
  try {
    const tried = await planRequests({ home, stores, manifest, manifestHash, id: 'envelope', rows, run, asOf: now, vault });
    for (const id of tried.unknown) codes.set(id, 'doubt');
    const { plan } = tried;
    if (plan === null) return codes;
    const requests = new Map((await runPeople(home.db, run)).map(({ person, request }) => [person, request]));
    const except = (person: number, code: ExceptionCode): void => void codes.set(requests.get(person)!, code);
    const classes = await peopleByClass(home, run);
    const held = await heldAnywhere(stores.values(), run);
    for (const of of plan.stores) {
      const people = classes.get(of.class) ?? [];
      if (planProblems({ ...plan, stores: [of] }).length > 0) for (const person of people) except(person, 'problem');
      else if (of.tables.some((it) => it.shared > 0 || Object.keys(it.held).length > 0))
        for (const [person, code] of await judgeEach(planning, run, of, people, held)) except(person, code);
    }
    for (const { person } of held) except(person, 'held');
    return codes;
  } finally {
    await forgetRun(home, stores.values(), run);
  }
}

/** The home store knows all people of a run, whatever they hold anywhere. */
async function peopleByClass(home: Store, run: string): Promise<ReadonlyMap<number, readonly number[]>> {
  const { rows } = await translating(home, () =>
    sql<{ person: number; class: number }>`
      select distinct k.person, k.class from probity.run_key k where k.run_id = ${run} order by k.class, k.person`.execute(home.db),
  );
  return new Map([...Map.groupBy(rows, (it) => it.class)].map(([of, some]) => [of, some.map(({ person }) => person)]));
}

/** Whose rows these are, which a class shares with others or a hold keeps: each person is counted alone. */
async function judgeEach(
  { stores, version }: PlanningEnvelope,
  runId: string,
  { class: of, erasure }: StorePlan,
  people: readonly number[],
  heldElsewhere: readonly HeldElsewhere[],
): Promise<Map<number, ExceptionCode>> {
  const store = stores.get(erasure.store)!;
  await translating(store, () =>
    sql`update probity.run_key set chunk = person where run_id = ${runId} and class = ${of}`.execute(store.db),
  );
  const target = await openErasure(store, version.manifest, erasure);
  const codes = new Map<number, ExceptionCode>();
  for (const person of people) {
    const { tables } = await countErasure(target, { runId, chunk: person, class: of, heldElsewhere });
    if (tables.some(({ held }) => Object.keys(held).length > 0)) codes.set(person, 'held');
    else if (tables.some(({ shared }) => shared > 0)) codes.set(person, 'shared');
  }
  return codes;
}
