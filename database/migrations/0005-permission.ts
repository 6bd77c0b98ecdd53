import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/*
 * The ledger's functions. What they decide is what `domain/permission` decides; the tests hold the two together. Over records n and g of
 * one person (and of the devices and addresses linked to it):
 *   after(g, n)   g's (at, received_at) is greater: of a tie the refusal wins.
 *   known(g, n)   of one source, or g came when both sources were known to be the same person: on linking the stricter answer wins.
 *   as specific   n speaks of the purpose as a whole, or g of a channel.
 * A grant g allows channel c from its time until it expires or until the first refusal n in scope that it does not answer (after, known, as
 * specific). Where absence allows, a refusal denies from its time until the first grant that answers it.
 */

const NEGATIVE = `('refused', 'withdrawn', 'objected', 'objection_upheld')`;
const OPT_IN = `('consent', 'soft_opt_in')`;
/** Bases that a subject's word does not end. */
const UNCONDITIONAL = `('contract', 'legal_obligation', 'vital_interests')`;
/** Below this age, opt-out regimes ask for an opt-in; from the second on the child itself may give it (CCPA, Cal. Civ. Code 1798.120). */
const CHILD = 16;
const YOUNGEST = 13;

/** Plans that were made once serve calls of one record and of ten thousand; a new plan for each call would cost more than its work. */
const PLANNED_ONCE = `set plan_cache_mode = force_generic_plan set jit = off set enable_mergejoin = off`;
const BY_INDEX = `${PLANNED_ONCE} set enable_nestloop = on set enable_hashjoin = off set enable_seqscan = off`;
const BY_HASH = `${PLANNED_ONCE} set enable_nestloop = off set enable_hashjoin = on set enable_seqscan = on`;

/** Whether a span holds at the time asked for; what is asked of now looks at `open`, too. */
const HOLDS = `case when p_at is not null then s.from_at <= v_at and v_at < s.until_at
        when s.allows then s.open and s.from_at <= v_at and v_at < s.until_at
        else s.open or s.from_at <= v_at and v_at < s.until_at end`;

export const statements = [
  // Calendar arithmetic of the zone; of two instants that its clocks show alike the earlier, told by the offset of the day before.
  // Every conversion between zones is made once: as one expression, to be inlined, it cost four times as much.
  `create function probity.add_duration(p_at timestamptz, p_length interval, p_zone text) returns timestamptz
    language plpgsql stable strict as $$
  declare
    v_wall timestamp := (p_at at time zone p_zone) + p_length;
    v_later timestamptz := v_wall at time zone p_zone;
    v_before timestamptz := v_later - interval '24 hours';
    v_earlier timestamptz := (v_wall - ((v_before at time zone p_zone) - (v_before at time zone 'UTC'))) at time zone 'UTC';
  begin
    if v_earlier at time zone p_zone = v_wall then
      return v_earlier;
    end if;
    return v_later;
  end
  $$`,

  // Whether somebody was of an age: from local midnight of the birthday on, which for 29 February is 1 March in other years.
  `create function probity.of_age(p_birth date, p_years integer, p_at timestamptz, p_zone text) returns boolean language sql stable
    return coalesce(date_trunc('month', p_birth::timestamp) + make_interval(years => p_years, days => extract(day from p_birth)::integer - 1)
      <= p_at at time zone p_zone, false)`,

  `create type probity.permission_target as (subject text, key text, purpose text)`,
  `create type probity.consent_group as (subject text, key text, purpose text, root uuid)`,
  `create type probity.consent_decision as (root uuid, linked timestamptz, ref uuid, purpose text, channel text, decision text, at timestamptz,
    received_at timestamptz, given_by text, basis text, expires_at timestamptz)`,

  // The three that follow read by index, whatever the planner thinks of tables that were empty a moment ago.
  `create function probity.groups_of(p_targets probity.permission_target[]) returns probity.consent_group[]
    language plpgsql stable set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  begin
    return array(
      select row(t.subject, t.key, t.purpose, coalesce(a.person, l.ref))::probity.consent_group
      from unnest(p_targets) t join probity.consent_link l on l.subject = t.subject and l.key = t.key
      left join probity.consent_alias a on a.ref = l.ref);
  end
  $$`,
  `create function probity.decisions_of(p_groups probity.consent_group[]) returns probity.consent_decision[]
    language plpgsql stable set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  begin
    return array(
      select row(g.root, s.linked, c.ref, c.purpose, c.channel, c.decision, c.at, c.received_at, c.given_by, c.basis,
        c.expires_at)::probity.consent_decision
      from (select distinct it.root, it.purpose from unnest(p_groups) it) g
      cross join lateral (
        select g.root as ref, '-infinity'::timestamptz as linked
        union all
        select a.ref, a.linked_at from probity.consent_alias a where a.person = g.root
      ) s
      join probity.consent_content c on c.ref = s.ref and c.purpose = g.purpose);
  end
  $$`,
  `create function probity.forget_spans(p_targets probity.permission_target[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  begin
    delete from probity.permission_span s using unnest(p_targets) t
    where s.purpose = t.purpose and s.subject = t.subject and s.key = t.key;
  end
  $$`,

  // Derives the spans of (subject, key, purpose) anew. Purpose '*' stands for restrictions. The caller holds the row locks of the links.
  // Hash joins only: their cost grows with the number of targets, that of nested loops with its square.
  `create function probity.derive_spans(p_targets probity.permission_target[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp ${BY_HASH} as $$
  declare
    v_groups probity.consent_group[] := probity.groups_of(p_targets);
    v_decisions probity.consent_decision[] := probity.decisions_of(v_groups);
  begin
    perform probity.forget_spans(p_targets);
    insert into probity.permission_span (purpose, subject, key, regime, channels, every_channel, allows, from_at, until_at, open, of_age_at, of_age)
    with target as (
      select distinct it.subject, it.key, it.purpose, it.root from unnest(v_groups) it
    ), decision as materialized (
      select it.* from unnest(v_decisions) with ordinality it
        (root, linked, ref, purpose, channel, decision, at, received_at, given_by, basis, expires_at, n)
    ), refusal as materialized (
      select * from decision where decision in ${NEGATIVE}
    ), confirmed as (
      select d.n from decision d
      join decision p on p.root = d.root and p.purpose = d.purpose and p.ref = d.ref and p.channel is not distinct from d.channel
        and (p.at, p.received_at) <= (d.at, d.received_at)
      left join refusal n on n.root = d.root and n.purpose = d.purpose and n.ref = d.ref
        and (n.channel is null or n.channel is not distinct from d.channel)
        and (n.at, n.received_at) >= (p.at, p.received_at) and (n.at, n.received_at) <= (d.at, d.received_at)
      where d.decision = 'granted' and p.decision = 'pending' and n.n is null
      group by d.n
    ), effective as materialized (
      select d.*, r.regime, r.channel as on_channel, r.basis as rule_basis, r.expires::text as expires, r.minimum_age, r.zone,
        row_number() over () as effective
      from decision d join probity.purpose_rule r on r.purpose = d.purpose and (d.channel is null or d.channel = r.channel)
      left join confirmed c on c.n = d.n
      where d.decision = 'granted' and (not r.double_opt_in or c.n is not null)
    ), ending as materialized (
      -- Once a record; as an interval a month equals thirty days.
      select it.n, it.expires, it.zone, probity.add_duration(it.at, it.expires::interval, it.zone) as ends
      from (select distinct g.n, g.at, g.expires, g.zone from effective g where g.expires is not null) it
    ), stopped as (
      select g.effective, min(n.at) as at
      from effective g
      join refusal n on n.root = g.root and n.purpose = g.purpose and (n.channel is null or n.channel = g.on_channel)
        and not ((g.at, g.received_at) > (n.at, n.received_at) and (n.ref = g.ref or g.at >= greatest(n.linked, g.linked))
          and (n.channel is null or g.channel is not null))
      group by g.effective
    ), allowing as materialized (
      select g.root, g.purpose, g.regime, g.on_channel, g.rule_basis, g.at, g.given_by, g.minimum_age, coalesce(s.at, 'infinity') as stopped,
        coalesce(least(g.expires_at, e.ends), 'infinity') as expires
      from effective g
      left join stopped s on s.effective = g.effective
      left join ending e on e.n = g.n and e.expires = g.expires and e.zone = g.zone
      where g.rule_basis in ('consent', 'opt_out')
    ), answering as (
      select g.root, g.purpose, g.ref, g.linked, g.channel, g.regime, g.on_channel, g.at, g.received_at, false as only_objections from effective g
      union all
      select d.root, d.purpose, d.ref, d.linked, d.channel, r.regime, r.channel, d.at, d.received_at, true
      from decision d join probity.purpose_rule r on r.purpose = d.purpose and (d.channel is null or d.channel = r.channel)
      where d.decision = 'objection_rejected' and r.objection = 'balanced'
    ), denied as (
      select n.root, n.purpose, r.regime, r.channel as on_channel, r.basis as rule_basis, n.at, coalesce(min(g.at), 'infinity') as lifted
      from refusal n join probity.purpose_rule r on r.purpose = n.purpose and (n.channel is null or n.channel = r.channel)
      left join answering g on g.root = n.root and g.purpose = n.purpose and g.regime = r.regime and g.on_channel = r.channel
        and (not g.only_objections or n.decision = 'objected')
        and (g.at, g.received_at) > (n.at, n.received_at) and (n.ref = g.ref or g.at >= greatest(n.linked, g.linked))
        and (n.channel is null or g.channel is not null)
      where r.basis <> 'consent' and (r.basis not in ${UNCONDITIONAL} or n.basis not in ${UNCONDITIONAL})
      group by n.n, n.root, n.purpose, r.regime, r.channel, r.basis, n.at
    ), denying as (
      select root, purpose, regime, on_channel, rule_basis, range_agg(tstzrange(at, lifted)) as during
      from denied where at < lifted group by root, purpose, regime, on_channel, rule_basis
    ), soft as (
      select first.root, first.purpose, first.regime, first.on_channel, first.minimum_age,
        tstzmultirange(tstzrange(first.at, 'infinity')) - coalesce(d.during, '{}') as during
      from (
        select d.root, d.purpose, r.regime, r.channel as on_channel, r.minimum_age, min(d.at) as at
        from decision d join probity.purpose_rule r on r.purpose = d.purpose and (d.channel is null or d.channel = r.channel)
        where r.basis = 'soft_opt_in' and d.decision in ('asked', 'pending', 'granted')
        group by d.root, d.purpose, r.regime, r.channel, r.minimum_age
      ) first
      left join denying d on d.root = first.root and d.purpose = first.purpose and d.regime = first.regime and d.on_channel = first.on_channel
    ), whole as (
      select d.root, d.purpose, d.regime, range_intersect_agg(d.during) as during
      from denying d where d.rule_basis not in ${OPT_IN}
      group by d.root, d.purpose, d.regime
      having count(*) = (select count(*) from probity.purpose_rule r where r.purpose = d.purpose and r.regime = d.regime)
    ), span as (
      select root, purpose, regime, array_agg(on_channel order by on_channel) as channels, false as every_channel, true as allows,
        at as from_at, least(stopped, expires) as until_at, stopped > expires or stopped = 'infinity' as open,
        case when given_by = 'self' then of_age.years end as of_age, at as of_age_at
      from allowing cross join lateral (
        select case when rule_basis = 'opt_out' then greatest(${YOUNGEST}, minimum_age) else minimum_age end as years
      ) of_age
      where at < least(stopped, expires)
      group by 1, 2, 3, 7, 8, 9, 10, 11
      union all
      select root, purpose, regime, array[on_channel], false, true, lower(it), upper(it), upper(it) = 'infinity', minimum_age, lower(it)
      from soft cross join unnest(during) it
      union all
      select root, purpose, regime, array_agg(on_channel order by on_channel), false, false, lower(it), upper(it), upper(it) = 'infinity', null, null
      from denying cross join unnest(during) it where rule_basis not in ${OPT_IN}
      group by 1, 2, 3, it
      union all
      select root, purpose, regime, '{}', true, false, lower(it), upper(it), upper(it) = 'infinity', null, null
      from whole cross join unnest(during) it
      union all
      select root, '*', '*', '{}', true, false, at, lifted, lifted = 'infinity', null, null
      from (
        select n.root, n.at, coalesce(min(d.at), 'infinity') as lifted
        from decision n
        left join decision d on d.root = n.root and d.purpose = n.purpose and d.decision = 'restriction_lifted'
          and (d.at, d.received_at) > (n.at, n.received_at) and (n.ref = d.ref or d.at >= greatest(n.linked, d.linked))
        where n.purpose = '*' and n.decision = 'restricted'
        group by n.n, n.root, n.at
      ) it where at < lifted
    )
    select s.purpose, t.subject, t.key, s.regime, s.channels, s.every_channel, s.allows, s.from_at, s.until_at, s.open,
      case when s.of_age is not null then s.of_age_at end, s.of_age
    from span s join target t on t.root = s.root and t.purpose = s.purpose;
  end
  $$`,

  // What the company's tables say of subjects; made from the manifest by `probity apply`. Whoever it does not return is unknown.
  // birth: the latest day on which the subject can have been born. ends: purpose → when it ends.
  `create function probity.subject_facts(p_subject text, p_keys text[])
    returns table (key text, regime text, birth date, ends jsonb)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select l.key, null::text, null::date, '{}'::jsonb from probity.consent_link l where l.subject = p_subject and l.key = any (p_keys)
  $$`,

  // One row a key, in no order. `p_at`: null asks for now. One plan for one key and for a thousand: by index, then joined by hash.
  `create function probity.permissions(p_subject text, p_keys text[], p_purpose text, p_channel text default null, p_at timestamptz default null)
    returns table (key text, allowed boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_generic_plan set enable_nestloop = off set enable_mergejoin = off set enable_seqscan = off set jit = off as $$
  #variable_conflict use_column
  declare
    v_at timestamptz := coalesce(p_at, statement_timestamp());
  begin
    if not probity.serving_open() or not isfinite(v_at) then
      return query select k.key, false from unnest(p_keys) k (key);
      return;
    end if;
    return query
    with rule as materialized (
      select row_number() over () as n, r.regime, r.channel, r.basis, r.minimum_age, r.zone from probity.purpose_rule r
      where r.purpose = p_purpose and (p_channel is null or r.channel = p_channel)
    ), fact as materialized (
      select f.key, f.regime, f.birth, (f.ends ->> p_purpose)::timestamptz as ends_at from probity.subject_facts(p_subject, p_keys) f
    ), span as materialized (
      select s.key, s.regime, s.channels, s.allows, s.of_age_at, s.of_age from probity.permission_span s
      where s.purpose = p_purpose and s.subject = p_subject and s.key = any (p_keys) and not s.every_channel and ${HOLDS}
    ), restriction as (
      select s.key from probity.permission_span s
      where s.purpose = '*' and s.subject = p_subject and s.key = any (p_keys) and ${HOLDS}
      group by s.key
    ), said as (
      select f.key, r.n, bool_or(s.allows and (s.of_age is null or probity.of_age(f.birth, s.of_age, s.of_age_at, r.zone))) as allowed,
        bool_or(not s.allows) as denied
      from span s join fact f on f.key = s.key join rule r on s.regime = r.regime and r.channel = any (s.channels)
      group by f.key, r.n
    ), answer as (
      select f.key, r.regime, bool_or(
        (f.ends_at is null or f.ends_at > v_at)
        and (r.basis in ('legal_obligation', 'vital_interests') or x.key is null)
        and case
          when r.basis in ${OPT_IN} then coalesce(s.allowed, false)
          when r.basis = 'opt_out' then coalesce(s.allowed, false)
            or probity.of_age(f.birth, greatest(${CHILD}, r.minimum_age), v_at, r.zone) and not coalesce(s.denied, false)
          else (r.minimum_age is null or probity.of_age(f.birth, r.minimum_age, v_at, r.zone)) and not coalesce(s.denied, false)
        end) as allowed
      from fact f join rule r on r.regime = '*' or f.regime is null or r.regime = f.regime
      left join said s on s.key = f.key and s.n = r.n
      left join restriction x on x.key = f.key
      group by f.key, r.regime
    ), verdict as (
      select a.key, bool_and(a.allowed) as allowed from answer a group by a.key
    )
    select k.key, coalesce(v.allowed, false) from unnest(p_keys) k (key) left join verdict v on v.key = k.key;
  end
  $$`,

  // True only when it is known that the purpose may use the subject's data now (or could at `p_at`).
  `create function probity.permission(p_subject text, p_key text, p_purpose text, p_channel text default null, p_at timestamptz default null)
    returns boolean
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce((select p.allowed from probity.permissions(p_subject, array[p_key], p_purpose, p_channel, p_at) p), false)
  $$`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
