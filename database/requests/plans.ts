import { sql, type Kysely, type Transaction } from 'kysely';
import { erasurePlanHash, type ErasurePlan } from '../../domain/requests/plan.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import { bindPlan } from './decisions.ts';

/** Stores a plan under its hash and makes it the one that decisions about its request must name. Returns the hash. */
export async function saveErasurePlan(trx: Transaction<unknown>, plan: ErasurePlan): Promise<string> {
  const hash = erasurePlanHash(plan);
  await sql`
    insert into probity.plan (hash, job, manifest_hash, body) values (${hash}, ${plan.job}, ${plan.manifest}, ${JSON.stringify(plan)})
    on conflict (hash) do nothing`.execute(trx);
  await bindPlan(trx, plan.request, hash);
  return hash;
}

export interface BoundPlan {
  readonly hash: string;
  readonly plan: ErasurePlan;
}

/** The plan that a request has now; null: none. */
export async function currentPlan(home: Kysely<unknown>, requestId: string): Promise<BoundPlan | null> {
  const { rows } = await sql<BoundPlan>`
    select p.hash, p.body as plan from probity.plan p
    where p.hash = (
      select b.plan_hash from probity.request_plan b where b.request_id = ${requestId} order by b.plan_number desc limit 1)`.execute(home);
  return rows[0] ?? null;
}

/** The manifest that was in force at an instant: of those before the first, the first. Null: none ever was. */
export async function manifestAt(home: Kysely<unknown>, at: Date): Promise<Manifest | null> {
  const { rows } = await sql<{ manifest: Manifest }>`
    select canonical as manifest from probity.manifest_version
    order by applied_at <= ${at} desc, case when applied_at <= ${at} then version end desc, version limit 1`.execute(home);
  return rows[0]?.manifest ?? null;
}

/** Who a request is about, as the consent ledger knows them: itself, and what was linked to it. Stays in the process. */
export async function requestPeople(
  home: Store,
  requestId: string,
): Promise<readonly { readonly subject: string; readonly key: string }[]> {
  const { rows } = await translating(home, () =>
    sql<{ subject: string; key: string }>`
      select g.subject, g.key from probity.request r cross join lateral probity.consent_group(array[r.ref]) g
      where r.request_id = ${requestId} order by g.subject, g.key`.execute(home.db),
  );
  return rows;
}
