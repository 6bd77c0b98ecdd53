import { sql } from 'kysely';
import type { ConsentChange, RecordCount, ReportNumbers } from '../../domain/permission/report.ts';
import { inTransaction, type Store } from '../store.ts';

/** Sorts and hashes of a million records stay in memory; only while the report runs. */
const SETTINGS = { work_mem: '128MB', jit: 'off' };

/**
 * What the ledger says, by month in `zone`: two statements over the whole ledger, in one snapshot. Records are those of `from` ≤ time < `to`;
 * changes are all before `to`, since what lives at the beginning began before it.
 */
export async function reportNumbers(home: Store, zone: string, from: Date, to: Date): Promise<ReportNumbers> {
  return inTransaction(home, { readOnly: true, isolation: 'repeatable read', settings: SETTINGS }, async (trx) => {
    const { rows: records } = await sql<RecordCount>`
      select to_char(c.at at time zone ${zone}, 'YYYY-MM') as month, c.purpose, c.channel, c.touchpoint, c.decision, count(*) as count
      from probity.consent_content c
      where c.at >= ${from} and c.at < ${to} and c.purpose <> '*'
      group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5`.execute(trx);
    const { rows: changes } = await sql<ConsentChange>`
      with rule as materialized (
        select distinct r.purpose, r.channel from probity.purpose_rule r
      ), event as (
        select coalesce(a.person, c.ref) as person, c.purpose, r.channel, c.at, c.received_at, c.expires_at, c.decision,
          c.decision = 'granted' as granted
        from probity.consent_content c
        left join probity.consent_alias a on a.ref = c.ref
        join rule r on r.purpose = c.purpose and (c.channel is null or r.channel = c.channel)
        where c.at < ${to} and c.decision in ('granted', 'refused', 'withdrawn', 'objected', 'objection_upheld')
      ), placed as (
        -- Of two at one time the refusal is the later one, as everywhere.
        select e.*, lag(e.granted) over line as before_granted, lag(e.expires_at) over line as before_expires,
          lead(e.granted) over line as after_granted, lead(e.at) over line as after_at, lead(e.decision) over line as after_decision
        from event e
        window line as (partition by e.person, e.purpose, e.channel order by e.at, e.received_at, e.granted desc, e.decision desc)
      ), change as (
        select purpose, channel, at as changed_at, 'began' as how from placed
        where granted and (before_granted is not true or before_expires <= at)
        union all
        select purpose, channel, case when it.expired then expires_at else after_at end,
          case when it.expired then 'expired' when after_decision = 'refused' then 'refused' else 'withdrawn' end
        from placed cross join lateral (select coalesce(expires_at <= coalesce(after_at, ${to}), false) as expired) it
        where granted and (it.expired or after_granted is false)
      )
      select to_char(changed_at at time zone ${zone}, 'YYYY-MM') as month, purpose, channel, how, count(*) as count
      from change where changed_at < ${to} group by 1, 2, 3, 4 order by 1, 2, 3, 4`.execute(trx);
    return { records, changes };
  });
}
