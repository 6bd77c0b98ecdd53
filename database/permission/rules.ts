import { sql, type RawBuilder, type Transaction } from 'kysely';
import { permissionRules } from '../../domain/permission/rules.ts';
import type { Manifest } from '../../manifest/model.ts';

/** People whose state is derived by one statement: some hundred milliseconds of work, and little memory. */
const LINKS_AT_ONCE = 2_000;

export interface Derived {
  /** Purposes whose rules are others than before. */
  readonly purposes: readonly string[];
  /** People, devices and addresses whose state was derived anew. */
  readonly links: number;
}

/**
 * Puts the manifest's rules in the place of those in force and derives anew what they decide, in the caller's transaction. Until it ends,
 * records wait: one that was judged by the old rules meanwhile would keep their answer. Readers go on with the old rules.
 */
export async function writeRules(
  trx: Transaction<unknown>,
  manifest: Manifest,
  hash: string,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<Derived> {
  const rules = JSON.stringify(permissionRules(manifest));
  await sql`lock table probity.purpose_rule in exclusive mode`.execute(trx);
  const { rows } = await sql<{ purpose: string }>`
    with old as (select ${RULE} from probity.purpose_rule r), new as (select ${RULE} from ${ruleSet(rules)} r)
    select distinct purpose from ((table old except table new) union all (table new except table old)) it order by purpose`.execute(trx);
  await sql`delete from probity.purpose_rule`.execute(trx);
  await sql`
    insert into probity.purpose_rule
      (purpose, regime, channel, basis, objection, expires, double_opt_in, minimum_age, zone, manifest_hash)
    select r.purpose, r.regime, r.channel, r.basis, r.objection, r.expires, r.double_opt_in, r.minimum_age, r.zone, ${hash}
    from ${ruleSet(rules)} r order by r.purpose, r.regime, r.channel`.execute(trx);
  const purposes = rows.map(({ purpose }) => purpose);
  return { purposes, links: await deriveAll(trx, purposes, onProgress) };
}

/** To compare: as an interval a month equals thirty days. */
const RULE = sql`r.purpose, r.regime, r.channel, r.basis, r.objection, r.expires::text, r.double_opt_in, r.minimum_age, r.zone`;

function ruleSet(rules: string): RawBuilder<unknown> {
  return sql`(
    select purpose, regime, channel, basis, objection, expires, "doubleOptIn" as double_opt_in, "minimumAge" as minimum_age, zone
    from jsonb_to_recordset(${rules}::jsonb) it (purpose text, regime text, channel text, basis text, objection text, expires interval,
      "doubleOptIn" boolean, "minimumAge" integer, zone text)
  )`;
}

/** By slices of the link table, in the order in which recorders lock it. */
async function deriveAll(
  trx: Transaction<unknown>,
  purposes: readonly string[],
  onProgress: (done: number, of: number) => void,
): Promise<number> {
  if (purposes.length === 0) return 0;
  const { rows: counted } = await sql<{ links: number }>`select count(*) as links from probity.consent_link`.execute(trx);
  const links = counted[0]?.links ?? 0;
  let after = '00000000-0000-0000-0000-000000000000';
  for (let done = 0; ; done += LINKS_AT_ONCE) {
    onProgress(Math.min(done, links), links);
    const { rows } = await sql<{ last: string | null }>`
      with slice as materialized (
        select ref, subject, key from probity.consent_link where ref > ${after}::uuid order by ref limit ${LINKS_AT_ONCE}
      ), derived as materialized (
        select probity.derive_spans(array(
          select row(s.subject, s.key, p.purpose)::probity.permission_target from slice s cross join unnest(${purposes}::text[]) p (purpose)
        )) as done
      )
      select (select max(ref::text) from slice) as last, count(done) from derived`.execute(trx);
    const last = rows[0]?.last ?? null;
    if (last === null) return links;
    after = last;
  }
}
