import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/*
 * The home store's answers as spans of time, for stores that cannot judge: they know neither ages nor regimes nor ends. What
 * `probity.permissions` answers at an instant is what these say of it; the tests hold the two together.
 */

const OPT_IN = `('consent', 'soft_opt_in')`;
const BEYOND_RESTRICTION = `('legal_obligation', 'vital_interests')`;
const CHILD = 16;

export const statements = [
  // How far a store's replica is: told by its replicator. \`lag\`: milliseconds from a change to its being in force, over the last changes.
  `alter table probity.replica add column caught_up_at timestamptz, add column lag jsonb`,

  // Which addresses (SHA-256) belong to whom, for a store that knows people by their address alone. Several people may share one.
  `create table probity.replica_email (
    store text not null references probity.replica (store) on delete cascade,
    subject text not null,
    key text not null,
    hash text not null,
    -- The full refresh that saw it last.
    refresh uuid not null,
    primary key (store, subject, key)
  )`,
  `create index replica_email_hash on probity.replica_email (store, hash collate "C")`,

  `create index consent_link_email on probity.consent_link (key collate "C") where subject = 'email'`,

  // A home store that was restored, and how it was opened again.
  `create table probity.restore (
    restore_id bigint generated always as identity primary key,
    incarnation text not null,
    opened_at timestamptz not null default clock_timestamp(),
    actor text not null,
    -- Why it was opened although something may be lost; null: the sink was read to its end.
    accepted_loss text,
    counts jsonb not null
  )`,

  // When a purpose may use the data of each key, on which channels. Facts are those of now; instants are judged as they were said to be then,
  // except that of what stretches into the future only what is open counts. Hash joins: the cost grows with the keys, not with their square.
  `create function probity.replica_spans(p_subject text, p_keys text[], p_purposes text[])
    returns table (purpose text, key text, channels text[], during tstzrange)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set enable_nestloop = off as $$
  #variable_conflict use_column
  declare
    v_now timestamptz := statement_timestamp();
  begin
    return query
    with fact as materialized (
      select f.key, f.regime, f.birth, f.ends from probity.subject_facts(p_subject, p_keys) f where (select probity.serving_open())
    ), rule as materialized (
      select r.* from probity.purpose_rule r where r.purpose = any (p_purposes)
    ), span as materialized (
      select p.purpose as asked, s.* from probity.permission_span s
      join (select distinct r.purpose from rule r) p on s.purpose in (p.purpose, '*')
      where s.subject = p_subject and s.key = any (p_keys) and s.purpose = any (p_purposes || '*'::text)
    ), instant as (
      select f.key, p.purpose, '-infinity'::timestamptz as at from fact f cross join (select distinct r.purpose from rule r) p
      union
      select s.key, s.asked, it.at from span s cross join lateral (values (s.from_at), (s.until_at)) it (at)
      union
      select f.key, p.purpose, (f.ends ->> p.purpose)::timestamptz from fact f cross join (select distinct r.purpose from rule r) p
      where f.ends ->> p.purpose is not null
      union
      select f.key, r.purpose, (date_trunc('month', f.birth::timestamp) + make_interval(years => it.years, days => extract(day from f.birth)::integer - 1))
        at time zone r.zone
      from fact f cross join rule r cross join lateral (
        values (r.minimum_age), (case when r.basis = 'opt_out' then greatest(${CHILD}, r.minimum_age) end)
      ) it (years)
      where f.birth is not null and it.years is not null
    ), segment as materialized (
      select i.key, i.purpose, i.at as from_at, lead(i.at, 1, 'infinity') over (partition by i.key, i.purpose order by i.at) as until_at
      from instant i where i.at < 'infinity'
    ), said as (
      select g.key, g.purpose, g.from_at, r.regime, r.channel,
        bool_or(s.purpose = '*') as restricted,
        bool_or(s.purpose <> '*' and s.allows and (s.of_age is null or probity.of_age(f.birth, s.of_age, s.of_age_at, r.zone))) as allowed,
        bool_or(s.purpose <> '*' and not s.allows) as denied
      from segment g join span s on s.key = g.key and s.asked = g.purpose
        and (s.from_at <= g.from_at and g.from_at < s.until_at and (s.open or not s.allows or g.until_at <= v_now)
          or not s.allows and s.open and g.until_at > v_now)
      join fact f on f.key = g.key
      join rule r on r.purpose = g.purpose and (s.purpose = '*' or s.regime = r.regime and r.channel = any (s.channels))
      group by g.key, g.purpose, g.from_at, r.regime, r.channel
    ), answer as (
      select g.key, g.purpose, g.from_at, g.until_at, r.channel, bool_and(
        coalesce((f.ends ->> g.purpose)::timestamptz > g.from_at, true)
        and (r.basis in ${BEYOND_RESTRICTION} or not coalesce(s.restricted, false))
        and case
          when r.basis in ${OPT_IN} then coalesce(s.allowed, false)
          when r.basis = 'opt_out' then coalesce(s.allowed, false)
            or probity.of_age(f.birth, greatest(${CHILD}, r.minimum_age), g.from_at, r.zone) and not coalesce(s.denied, false)
          else (r.minimum_age is null or probity.of_age(f.birth, r.minimum_age, g.from_at, r.zone)) and not coalesce(s.denied, false)
        end) as allowed
      from segment g join fact f on f.key = g.key
      join rule r on r.purpose = g.purpose and (r.regime = '*' or f.regime is null or r.regime = f.regime)
      left join said s on s.key = g.key and s.purpose = g.purpose and s.from_at = g.from_at and s.regime = r.regime and s.channel = r.channel
      group by g.key, g.purpose, g.from_at, g.until_at, r.channel
    ), whole as (
      select a.key, a.purpose, a.channel, range_agg(tstzrange(a.from_at, a.until_at)) as during
      from answer a where a.allowed group by a.key, a.purpose, a.channel
    )
    select w.purpose, w.key, array_agg(w.channel order by w.channel), it from whole w cross join lateral unnest(w.during) it
    group by w.purpose, w.key, it;
  end
  $$`,

  // The same for addresses: everybody who has the address must agree, and so must what was said under the address alone.
  `create function probity.replica_email_spans(p_store text, p_hashes text[], p_purposes text[])
    returns table (purpose text, key text, channels text[], during tstzrange)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off set enable_nestloop = off as $$
  #variable_conflict use_column
  begin
    return query
    with owner as materialized (
      select e.hash, e.subject, e.key from probity.replica_email e where e.store = p_store and e.hash = any (p_hashes)
    ), stranger as materialized (
      select l.key as hash, l.ref from probity.consent_link l where l.subject = 'email' and l.key = any (p_hashes)
    ), voice as materialized (
      select o.hash, o.subject, o.key, p.purpose from owner o cross join unnest(p_purposes) p (purpose)
      union
      select s.hash, 'email', s.hash, p.purpose from stranger s cross join unnest(p_purposes) p (purpose)
      where not exists (select from owner o where o.hash = s.hash)
        or exists (select from probity.consent_content c where c.ref = s.ref and c.purpose in (p.purpose, '*'))
    ), asked as (
      select v.subject, array_agg(distinct v.key) as keys from voice v group by v.subject
    ), answer as materialized (
      select a.subject, s.key, s.purpose, channel, range_agg(s.during) as during
      from asked a cross join lateral probity.replica_spans(a.subject, a.keys, p_purposes) s cross join lateral unnest(s.channels) channel
      group by a.subject, s.key, s.purpose, channel
    ), agreed as (
      select v.hash, v.purpose, a.channel, range_intersect_agg(a.during) as during
      from voice v join answer a on a.subject = v.subject and a.key = v.key and a.purpose = v.purpose
      join (select hash, purpose, count(*) as voices from voice group by hash, purpose) n on n.hash = v.hash and n.purpose = v.purpose
      group by v.hash, v.purpose, a.channel, n.voices
      having count(*) = n.voices
    )
    select g.purpose, g.hash, array_agg(g.channel order by g.channel), it from agreed g cross join lateral unnest(g.during) it
    group by g.purpose, g.hash, it;
  end
  $$`,

  // A person's request is suppressed in a store when nothing of theirs waits for it any more.
  `create function probity.suppressed_in(p_store text, p_subject text[], p_key text[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set jit = off set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
  begin
    insert into probity.request_suppression (request_id, store, suppressed_at)
      select r.request_id, p_store, clock_timestamp()
      from (
        select distinct coalesce(a.person, l.ref) as ref
        from unnest(p_subject, p_key) t (subject, key)
        join probity.consent_link l on l.subject = t.subject and l.key = t.key
        left join probity.consent_alias a on a.ref = l.ref
      ) person
      join probity.request r on r.ref = person.ref and r.closed_at is null and r.state = 'open' and r.record_id is not null
      where not exists (
          select from probity.consent_link l
          join probity.replica_change c on c.store = p_store and c.subject = l.subject and c.key = l.key where l.ref = r.ref)
        and not exists (
          select from probity.consent_alias a join probity.consent_link l on l.ref = a.ref
          join probity.replica_change c on c.store = p_store and c.subject = l.subject and c.key = l.key where a.person = r.ref)
      order by 1
      on conflict do nothing;
  end
  $$`,

  `revoke execute on all functions in schema probity from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
