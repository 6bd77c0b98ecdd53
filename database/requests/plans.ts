import { sql, type Kysely, type Transaction } from 'kysely';
import { erasurePlanHash, type ErasurePlan } from '../../domain/requests/plan.ts';
import type { Manifest } from '../../manifest/model.ts';
import { ownKeysOnly } from '../../manifest/values.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import { bindPlan } from './decisions.ts';
import type { Person } from './people.ts';

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

/** The manifest by which a stored plan was made; null: there is no such plan. */
export async function manifestOfPlan(home: Kysely<unknown>, planHash: string): Promise<Manifest | null> {
  const { rows } = await sql<{ manifest: Manifest }>`
    select m.canonical as manifest from probity.plan p join probity.manifest_version m on m.hash = p.manifest_hash
    where p.hash = ${planHash} order by m.version desc limit 1`.execute(home);
  return ownKeysOnly(rows[0]?.manifest ?? null);
}

/** A manifest that was applied once. */
export interface Applied {
  readonly hash: string;
  readonly manifest: Manifest;
}

/** The manifests that were in force at instants, in order: before the first, the first. Null: none ever was. Reads each manifest once. */
export async function manifestsAt(home: Kysely<unknown>, times: readonly Date[]): Promise<(Applied | null)[]> {
  const { rows: versions } = await sql<{ version: number; hash: string; appliedAt: Date }>`
    select version, hash, applied_at as "appliedAt" from probity.manifest_version order by version`.execute(home);
  const inForce = times.map((at) => versions.findLast(({ appliedAt }) => appliedAt <= at) ?? versions[0] ?? null);
  const wanted = [...new Set(inForce.flatMap((it) => it?.version ?? []))];
  const { rows } = await sql<Applied & { version: number }>`
    select version, hash, canonical as manifest from probity.manifest_version where version = any (${wanted}::bigint[])
    order by version`.execute(home);
  // Applied again later, it is the same manifest.
  const byHash = new Map(rows.map(({ hash, manifest }) => [hash, { hash, manifest: ownKeysOnly(manifest) }]));
  return inForce.map((it) => (it === null ? null : (byHash.get(it.hash) ?? null)));
}

/**
 * Whom requests are about, by number, as the consent ledger knows them: itself, and what was linked to it. One statement, however many they
 * are. Stays in the process.
 */
export async function requestPeople(home: Store, requests: readonly string[]): Promise<ReadonlyMap<string, readonly Person[]>> {
  const { rows } = await translating(home, () =>
    sql<Person & { readonly request: string }>`
      with asked as materialized (
        select r.request_id, r.ref, coalesce(a.person, r.ref) as root from probity.request r left join probity.consent_alias a on a.ref = r.ref
        where r.request_id = any (${requests}::text[])
      )
      select q.request_id as request, g.subject, g.key
      from asked q join probity.consent_group(array(select ref from asked)) g on g.root = q.root
      order by q.request_id, g.subject, g.key`.execute(home.db),
  );
  return Map.groupBy(rows, ({ request }) => request);
}
