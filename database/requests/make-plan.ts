import { randomBytes } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { isBatch } from '../../domain/requests/batch.ts';
import { planProblems } from '../../domain/requests/plan.ts';
import type { KeyProvider } from '../../domain/requests/vault.ts';
import type { ManifestVersion } from '../runs.ts';
import { inTransaction, type Store } from '../store.ts';
import { joinPlan, newBatchNumber, type BatchOrigin } from './batches.ts';
import { forgetEverywhere, forgetRun } from './forget.ts';
import type { RequestRow } from './model.ts';
import { lockPeople, moveBatch, MovedOn, moveRows } from './planned.ts';
import { planRequests } from './planner.ts';
import { saveErasurePlan, type BoundPlan } from './plans.ts';
import { requestColumns } from './read.ts';

export interface MakingPlan {
  readonly home: Store;
  readonly stores: ReadonlyMap<string, Store>;
  /** In force. */
  readonly version: Pick<ManifestVersion, 'manifest' | 'hash'>;
  /** Of the request, or of a batch that is planned again; null: a batch is made. */
  readonly id: string | null;
  readonly rows: readonly RequestRow[];
  readonly origin?: BatchOrigin;
  readonly actor: string;
  readonly asOf: Date;
  /** Where what requesters gave is read; null or nothing: no master key is here. */
  readonly vault?: KeyProvider | null;
  readonly progress?: (store: string) => void;
  /** Whoever nobody knows is left out; else nothing is planned. */
  readonly leaveUnknown?: boolean;
  /** Looks at the plan before it counts; a sentence refuses it. */
  readonly refuse?: (plan: BoundPlan['plan']) => string | null;
}

/** The plan that requests go by from now on; or what kept them as they were, in sentences that name no person. */
export type MadePlan = { readonly bound: BoundPlan; readonly unknown: readonly LeftOut[] } | { readonly problems: readonly string[] };

/** A request that a plan is not about, and a sentence that says why and names no person. */
export interface LeftOut {
  readonly id: string;
  readonly why: string;
}

/** A transaction that moves thousands of requests waits for each of their rows. Milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;

/** Plans requests as one and binds the plan, in one transaction with their states and events. Throws `MovedOn` when one has moved meanwhile. */
export async function makePlan(making: MakingPlan): Promise<MadePlan> {
  const { home, stores, version, rows, actor, asOf, progress, vault = null } = making;
  const id = making.id ?? (await newBatchNumber(home));
  const run = `erasure-${randomBytes(6).toString('hex')}`;
  try {
    const planning = { home, stores, manifest: version.manifest, manifestHash: version.hash, id, rows, run, asOf, vault };
    const { plan, unknown, why } = await planRequests({ ...planning, ...(progress && { progress }) });
    const said = plan === null ? null : (making.refuse?.(plan) ?? null);
    const problems = [
      ...(making.leaveUnknown === true && plan !== null ? [] : unknown.map((it) => `${it}: ${why.get(it) ?? UNKNOWN}`)),
      ...(plan === null ? [] : planProblems(plan)),
      ...(said === null ? [] : [said]),
    ];
    if (plan === null || problems.length > 0) {
      await forgetRun(home, stores.values(), run);
      return { problems };
    }
    const known = rows.filter((row) => !unknown.includes(row.id));
    const hash = await inTransaction(home, { lockTimeoutMs: LOCK_TIMEOUT_MS, settings: { synchronous_commit: 'on' } }, async (trx) => {
      const locked = await lockRows(trx, id, known.map((row) => row.id)); // prettier-ignore
      await joinPlan(trx, id, locked.map((row) => row.id), { origin: making.origin ?? 'manual', actor }); // prettier-ignore
      const saved = await saveErasurePlan(trx, plan);
      const moving = { verb: 'plan', actor, at: asOf } as const;
      await moveRows(trx, locked, { ...moving, code: isBatch(id) ? id : null });
      if (isBatch(id)) await moveBatch(trx, id, 'planned', { ...moving, code: null });
      return saved;
    });
    // Of plans that this one replaces, and of whoever has left another batch for it.
    await forgetEverywhere(home, stores.values());
    return { bound: { hash, plan }, unknown: unknown.map((it) => ({ id: it, why: why.get(it) ?? UNKNOWN })) };
  } catch (error) {
    await forgetRun(home, stores.values(), run);
    throw error;
  }
}

const UNKNOWN = 'nobody of the subjects that the manifest declares is known behind it: a person must find out who it is about';

/** In the order that `movePlanned` has: people, the batch, requests. */
async function lockRows(trx: Transaction<unknown>, id: string, requests: readonly string[]): Promise<RequestRow[]> {
  const among = sql`r.request_id = any (${requests}::text[])`;
  await lockPeople(trx, among);
  if (isBatch(id)) {
    const { rows } = await sql<{ state: string }>`select b.state from probity.request_batch b where b.batch_id = ${id} for update`.execute(
      trx,
    );
    if (rows[0] !== undefined && !REPLANNED.includes(rows[0].state)) throw new MovedOn(`${id}: it is ${rows[0].state}`);
  }
  const { rows } = await sql<RequestRow>`
    select ${requestColumns()} from probity.request r where ${among} order by r.request_id for update`.execute(trx);
  return rows;
}

const REPLANNED: readonly string[] = ['open', 'planned'];
