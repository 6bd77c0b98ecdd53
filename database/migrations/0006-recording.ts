import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/*
 * One way in for every door: records, state, memberships, requests and what is to be told of them, in the caller's transaction. It takes
 * many records at a time, since 200 callers at once are served by a few transactions better than by 200.
 */

const OPT_IN = `('consent', 'soft_opt_in')`;
const STRICTEST_FIRST = `array['consent', 'soft_opt_in', 'opt_out', 'legitimate_interests', 'public_task', 'contract', 'vital_interests', 'legal_obligation']`;
/** What must not be lost: with the store, or under an id that stands for something else. */
const NEGATIVE = `('refused', 'withdrawn', 'objected', 'objection_upheld', 'restricted')`;

/** As in 0005: planned once, for calls of one record and of ten thousand. */
const BY_INDEX = `set plan_cache_mode = force_generic_plan set jit = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off`;

/** The columns of an entry, as \`unnest\` gives them. */
const FIELDS = 'subject, key, purpose, channel, decision, captured_at, touchpoint, notice, language, given_by, proof, actor, door, id';
/** The fingerprint of whatever is said under an id: one decision of one person. */
const BY_ID = `sha256(convert_to(jsonb_build_array(e.subject, e.key, e.id)::text, 'UTF8'))`;
/** In which an entry may differ from what its id stands for; what is not given differs from nothing. */
const DIFFERENCES = [
  ...['purpose', 'channel', 'decision', 'notice', 'language', 'proof'].map((field) => [field, `c.${field} is distinct from e.${field}`]),
  ['captured_at', 'c.captured_at <> e.captured_at'],
  ['touchpoint', `c.touchpoint <> coalesce(e.touchpoint, 'unknown')`],
  ['given_by', `c.given_by <> coalesce(e.given_by, 'self')`],
]
  .map(([field, differs]) => `case when ${differs} then '${field}' end`)
  .join(', ');
/** With one of these another the refusal itself is another. Otherwise it is in force already, and only what is said of it differs. */
const OF_WEIGHT = `'{purpose,channel,decision,captured_at}'::text[]`;

export const statements = [
  `create type probity.consent_entry as (
    subject text, key text, purpose text, channel text, decision text, captured_at timestamptz, touchpoint text, notice text, language text,
    given_by text, proof text, actor text, door text, id text
  )`,

  `create function probity.iso(p_at timestamptz) returns text
    language sql stable as $$
    select pg_catalog.to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
  $$`,

  // What a commitment binds, byte for byte: a JSON array as jsonb writes it.
  `create function probity.consent_payload(c probity.consent_content) returns text
    language sql stable as $$
    select pg_catalog.jsonb_build_array(c.record_id, c.purpose, c.channel, c.decision, probity.iso(c.captured_at), probity.iso(c.received_at), c.touchpoint, c.notice,
      c.language, c.given_by, c.proof, c.actor, c.door, c.basis, probity.iso(c.expires_at), c.manifest_hash)::text
  $$`,

  // Every (subject, key) of the same person: itself, what it is linked to, and what is linked to that.
  `create function probity.consent_group(p_refs uuid[]) returns table (root uuid, ref uuid, subject text, key text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with roots as (
      select distinct coalesce(a.person, it.ref) as root from unnest(p_refs) it (ref) left join probity.consent_alias a on a.ref = it.ref
    )
    select r.root, l.ref, l.subject, l.key from roots r join probity.consent_link l on l.ref = r.root
    union all
    select r.root, l.ref, l.subject, l.key from roots r join probity.consent_alias a on a.person = r.root join probity.consent_link l on l.ref = a.ref
  $$`,

  // Whoever derives a person's state waits for whoever is about to change it. The second round sees a link that was made meanwhile.
  // Returns whether somebody has more than one source.
  `create function probity.lock_consents(p_refs uuid[]) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  declare
    v_refs uuid[];
    v_locked uuid[];
  begin
    -- What a stale snapshot does not show would be derived as if it had not been said.
    if current_setting('transaction_isolation') <> 'read committed' then
      raise exception 'probity: consents are recorded in transactions that are read committed' using errcode = 'PB014';
    end if;
    -- Whoever puts other rules in force derives everybody anew meanwhile.
    lock table probity.purpose_rule in row share mode;
    loop
      v_refs := array(
        with roots as materialized (
          select coalesce(a.person, it.ref) as root from unnest(p_refs) it (ref) left join probity.consent_alias a on a.ref = it.ref
        )
        select r.root from roots r
        union
        select a.ref from roots r join probity.consent_alias a on a.person = r.root
        order by 1);
      exit when v_refs = v_locked;
      perform from unnest(v_refs) it (ref) join probity.consent_link l on l.ref = it.ref order by l.ref for no key update of l;
      v_locked := v_refs;
    end loop;
    return exists (select from unnest(v_locked) it (ref) join probity.consent_alias a on a.ref = it.ref);
  end
  $$`,

  // Those whom the ledger no longer allows a purpose to use on any channel now, whatever the company's tables say. Judged per regime.
  // Its callers have set how to plan.
  `create function probity.ledger_refuses(p_targets probity.permission_target[]) returns probity.permission_target[]
    language plpgsql stable as $$
  begin
    return array(
      with regime as materialized (
        select r.purpose, r.regime, bool_or(r.basis in ${OPT_IN}) as opt_in from probity.purpose_rule r
        where r.purpose in (select it.purpose from unnest(p_targets) it) group by r.purpose, r.regime
      )
      select row(t.subject, t.key, t.purpose)::probity.permission_target from unnest(p_targets) t
      where exists (
          select from probity.permission_span s
          where s.purpose = '*' and s.subject = t.subject and s.key = t.key and s.open)
        or exists (
          select from regime r where r.purpose = t.purpose and case
            when r.opt_in then not exists (
              select from probity.permission_span s
              where s.purpose = t.purpose and s.subject = t.subject and s.key = t.key and s.regime = r.regime
                and s.allows and s.open and s.until_at > clock_timestamp())
            else exists (
              select from probity.permission_span s
              where s.purpose = t.purpose and s.subject = t.subject and s.key = t.key and s.regime = r.regime
                and not s.allows and s.every_channel and s.open)
          end));
  end
  $$`,

  // What follows from changed records in the same transaction: the state, the end of memberships, and word to the replicas.
  `create function probity.consents_changed(p_targets probity.permission_target[]) returns void
    language plpgsql set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  declare
    v_members probity.permission_target[];
  begin
    perform probity.derive_spans(p_targets);
    -- Judged once a person and purpose, however many segments there are.
    v_members := array(
      select distinct row(m.subject, m.key, m.purpose)::probity.permission_target from unnest(p_targets) t
      cross join lateral (
        select it.subject, it.key, it.purpose from probity.membership it
        where it.ended_at is null and it.subject = t.subject and it.key = t.key and t.purpose in (it.purpose, '*') offset 0) m);
    if cardinality(v_members) > 0 then
      update probity.membership m set ended_at = clock_timestamp(), ended_because = 'permission ended'
        from unnest(probity.ledger_refuses(v_members)) over
        where m.ended_at is null and m.subject = over.subject and m.key = over.key and m.purpose = over.purpose;
    end if;
    insert into probity.replica_change (store, subject, key, purpose)
      select r.store, t.subject, t.key, t.purpose from probity.replica r cross join unnest(p_targets) t order by 1, 2, 3, 4;
  end
  $$`,

  `create function probity.request_kind(p_decision text) returns text language sql immutable as $$
    select case p_decision when 'withdrawn' then 'withdrawal' when 'objected' then 'objection' when 'restricted' then 'restriction' end
  $$`,

  `create type probity.request_ask as (ref uuid, purpose text, kind text, record_id bigint, received_at timestamptz, subject text, key text, whole boolean)`,
  `create type probity.opened_request as (request_id text, due_at timestamptz)`,

  // The requests that these records make, or repeat; null for a record that makes none. In the order of p_records.
  // Ending one channel of several asks for no clean-up; ending the last does.
  `create function probity.open_requests(p_records bigint[]) returns probity.opened_request[]
    language plpgsql set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  declare
    v_asks probity.request_ask[];
    v_refused probity.permission_target[];
  begin
    v_asks := array(
      select row(l.ref, c.purpose, probity.request_kind(c.decision), c.record_id, c.received_at, l.subject, l.key,
        c.channel is null and not exists (
          select from probity.consent_content later
          where later.ref = c.ref and later.purpose = c.purpose and later.decision = 'granted' and later.at > c.at))::probity.request_ask
      from unnest(p_records) with ordinality it (record_id, n)
      left join probity.consent_content c on c.record_id = it.record_id and probity.request_kind(c.decision) is not null
      left join probity.consent_alias a on a.ref = c.ref
      left join probity.consent_link l on l.ref = coalesce(a.person, c.ref)
      order by it.n);
    v_refused := probity.ledger_refuses(array(
      select distinct row(w.subject, w.key, w.purpose)::probity.permission_target from unnest(v_asks) w where w.kind is not null and not w.whole));
    with wish as (
      select distinct on (w.ref, w.purpose, w.kind) w.ref, w.purpose, w.kind, w.record_id, w.received_at from unnest(v_asks) w
      where w.kind is not null and (w.whole or row(w.subject, w.key, w.purpose)::probity.permission_target = any (v_refused))
      order by w.ref, w.purpose, w.kind, w.record_id
    ), asked as (
      insert into probity.request as r (request_id, kind, ref, purpose, record_id, received_at, due_at, state)
      select 'R-' || nextval('probity.request_number'), w.kind, w.ref, w.purpose, w.record_id, since.at,
        probity.add_duration(since.at, interval '1 month', zone.name), 'open'
      from wish w cross join (select coalesce(min(it.zone), 'UTC') as name from probity.purpose_rule it) zone
      -- A record may stand after what a faster clock has left; a deadline may not.
      cross join lateral (select least(w.received_at, clock_timestamp()) as at) since
      order by w.ref, w.purpose, w.kind
      on conflict (ref, purpose, kind) where closed_at is null do update set repeats = r.repeats + 1
      returning r.request_id, r.repeats
    )
    insert into probity.outbox (request_id) select asked.request_id from asked where asked.repeats = 0 order by 1;
    return array(
      -- Not as a join: planned while there were no requests, it would walk through all of them for each record.
      select (
        select row(r.request_id, r.due_at)::probity.opened_request from probity.request r
        where r.ref = w.ref and r.purpose = w.purpose and r.kind = w.kind and r.closed_at is null)
      from unnest(v_asks) with ordinality w (ref, purpose, kind, record_id, received_at, subject, key, whole, n)
      order by w.n);
  end
  $$`,

  // Whom each entry is about, in order; null: nobody has spoken of them yet.
  `create function probity.consent_refs(p_entries probity.consent_entry[]) returns uuid[]
    language plpgsql volatile as $$
  begin
    return array(
      select (select l.ref from probity.consent_link l where l.subject = e.subject and l.key = e.key)
      from unnest(p_entries) with ordinality
        e (subject, key, purpose, channel, decision, captured_at, touchpoint, notice, language, given_by, proof, actor, door, id, n)
      order by e.n);
  end
  $$`,

  // Returns a row for each entry, in order; record_id is null where nothing was recorded, request_id where it asks for nothing. Without `differs` the
  // same had been said before. `differs` names the fields in which an entry says something else under an id that stands for a decision of that
  // person: a refusal of any kind is recorded all the same, without the id; anything else raises, or with p_refuse = false is the caller's to tell.
  // The caller may be a client, an import or an application's own transaction. What holds for every entry is found once, in arrays beside
  // p_entries; what few entries need is done only where there are such.
  `create function probity.record_consents(p_entries probity.consent_entry[], p_refuse boolean default true)
    returns table (n bigint, record_id bigint, request_id text, due_at timestamptz, differs text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  #variable_conflict use_column
  declare
    v_refs uuid[];
    v_several boolean;
    v_now timestamptz;
    v_records bigint[];
    v_targets probity.permission_target[];
    v_requests probity.opened_request[];
    v_differs text[];
    v_own record;
  begin
    -- One set of rules judges all of it: new ones wait for us, or we for them.
    lock table probity.purpose_rule in row share mode;
    if exists (select from (select distinct it.purpose, it.channel from unnest(p_entries) it where it.purpose <> '*') e where not exists (
      select from probity.purpose_rule r where r.purpose = e.purpose and (e.channel is null or r.channel = e.channel))) then
      raise exception 'probity: no such purpose, or it does not use this channel' using errcode = 'PB010';
    end if;
    if exists (select from unnest(p_entries) e
      where (e.purpose = '*') <> (e.decision in ('restricted', 'restriction_lifted')) or e.purpose = '*' and e.channel is not null) then
      raise exception 'probity: a restriction is of all purposes (*), any other decision of one' using errcode = 'PB012';
    end if;

    -- Whoever deletes links that nothing is said of any more (prune-links.ts) waits for us, and we for them: a link that is found stays.
    lock table probity.consent_link in row exclusive mode;
    v_refs := probity.consent_refs(p_entries);
    if array_position(v_refs, null) is not null then
      insert into probity.consent_link (subject, key)
        select e.subject, e.key from (select distinct it.subject, it.key from unnest(p_entries) it) e
        where not exists (select from probity.consent_link l where l.subject = e.subject and l.key = e.key)
        order by e.subject collate "C", e.key collate "C"
        on conflict do nothing;
      v_refs := probity.consent_refs(p_entries);
    end if;
    v_several := probity.lock_consents(v_refs);
    -- After the locks: records of one person are received in the order in which they commit.
    v_now := clock_timestamp();
    -- Also when the clock was set back meanwhile: or a grant that came by the faster clock would outlive the withdrawal that follows it.
    select greatest(v_now, max(c.received_at) + interval '1 microsecond') into v_now from probity.consent_content c
      where c.ref = any (case when v_several then array(select g.ref from probity.consent_group(v_refs) g) else v_refs end) and c.received_at >= v_now;

    with rule as materialized (
      select e.purpose, e.channel, min(r.manifest_hash) as manifest_hash,
        (array_agg(r.basis order by array_position(${STRICTEST_FIRST}, r.basis)))[1] as basis,
        -- As an interval a month equals thirty days.
        array_agg(distinct array[r.expires::text, r.zone]) filter (where r.expires is not null) as ends
      from (select distinct it.purpose, it.channel from unnest(p_entries) it) e
      join probity.purpose_rule r on r.purpose = e.purpose and (e.channel is null or r.channel = e.channel)
      group by e.purpose, e.channel
    ), entry as materialized (
      select e.n, e.ref, e.purpose, e.channel, e.decision, coalesce(e.captured_at, v_now) as captured_at,
        coalesce(e.touchpoint, 'unknown') as touchpoint, e.notice, e.language, coalesce(e.given_by, 'self') as given_by, e.proof,
        coalesce(e.actor, 'unknown') as actor, coalesce(e.door, 'library') as door, rule.basis, rule.manifest_hash,
        case when e.decision = 'granted' and rule.ends is not null then (
          select min(probity.add_duration(least(e.captured_at, v_now), rule.ends[it][1]::interval, rule.ends[it][2]))
          from generate_subscripts(rule.ends, 1) it) end as expires_at,
        case when e.id is not null then ${BY_ID}
          when e.captured_at is not null then sha256(convert_to(jsonb_build_array(e.subject, e.key, e.purpose, e.channel, e.decision, probity.iso(e.captured_at), e.touchpoint, e.notice, e.language,
            coalesce(e.given_by, 'self'), e.proof)::text, 'UTF8')) end as fingerprint
      from rows from (unnest(p_entries), unnest(v_refs)) with ordinality e
        (subject, key, purpose, channel, decision, captured_at, touchpoint, notice, language, given_by, proof, actor, door, id, ref, n)
      left join rule on rule.purpose = e.purpose and rule.channel is not distinct from e.channel
    ), fresh as materialized (
      select e.*, case when e.first and (not e.known
        -- A company's row that was overwritten, and overwritten back: its refusal is in force only if nothing at its time was said after it.
        or e.door = 'table' and e.decision in ${NEGATIVE} and (
          select c.decision not in ${NEGATIVE} from probity.consent_content c
          where c.ref = e.ref and c.purpose = e.purpose and c.channel is not distinct from e.channel and c.at = e.captured_at
          order by c.received_at desc, c.decision in ${NEGATIVE} desc limit 1)) then nextval('probity.consent_record_number') end as record_id
      from (
        select entry.*, entry.fingerprint is null or row_number() over (partition by entry.fingerprint order by entry.n) = 1 as first,
          exists (select from probity.consent_content c where c.fingerprint = entry.fingerprint) as known from entry) e order by e.n
    ), content as (
      insert into probity.consent_content
      select record_id, ref, uuid_send(gen_random_uuid()), purpose, channel, decision, least(captured_at, v_now), captured_at, v_now, touchpoint, notice,
        language, given_by, proof, actor, door, coalesce(basis, 'none'), expires_at, coalesce(manifest_hash, ''), case when not known then fingerprint end
      from fresh where record_id is not null order by record_id
      returning *
    ), record as (
      insert into probity.consent_record (record_id, ref, received_at, commitment)
      select c.record_id, c.ref, c.received_at, sha256(c.salt || convert_to(probity.consent_payload(c), 'UTF8')) from content c
    )
    select array_agg(f.record_id order by f.n) into v_records from fresh f;

    -- An id stands for what was first said under it. In the table is by now also what came first in this call.
    if exists (select from rows from (unnest(p_entries), unnest(v_records)) it (${FIELDS}, record_id) where it.id is not null and it.record_id is null) then
      v_differs := array(
        select case when e.id is not null and e.record_id is null then (
          select nullif(concat_ws(', ', ${DIFFERENCES}), '') from probity.consent_content c where c.fingerprint = ${BY_ID}) end
        from rows from (unnest(p_entries), unnest(v_records)) with ordinality e (${FIELDS}, record_id, n) order by e.n);
    end if;

    v_targets := array(
      select distinct row(e.subject, e.key, e.purpose)::probity.permission_target
      from rows from (unnest(p_entries), unnest(v_records)) e
        (subject, key, purpose, channel, decision, captured_at, touchpoint, notice, language, given_by, proof, actor, door, id, record_id)
      where e.record_id is not null);
    if v_several then
      v_targets := array(
        select distinct row(g.subject, g.key, t.purpose)::probity.permission_target
        from unnest(v_targets) t join probity.consent_link own on own.subject = t.subject and own.key = t.key
        cross join lateral probity.consent_group(array[own.ref]) g);
    end if;
    if cardinality(v_targets) > 0 then
      perform probity.consents_changed(v_targets);
    end if;

    if exists (select from unnest(p_entries) e where e.decision in ${NEGATIVE}) then
      v_requests := probity.open_requests(v_records);
      insert into probity.sink_queue (body)
        select jsonb_build_object('kind', 'consent', 'record', c.record_id, 'subject', l.subject, 'key', l.key, 'purpose', c.purpose, 'channel', c.channel,
          'decision', c.decision, 'captured_at', probity.iso(c.at), 'touchpoint', c.touchpoint, 'notice', c.notice, 'language', c.language,
          'given_by', c.given_by, 'proof', c.proof, 'actor', c.actor)
        from unnest(v_records) it (record_id) join probity.consent_content c on c.record_id = it.record_id
        join probity.consent_link l on l.ref = c.ref
        where c.decision in ${NEGATIVE} and c.door <> 'replay' and (select sink from probity.serving)
        order by c.record_id;
    end if;

    -- What refuses is not lost with its id. By what it says it is known where it comes again.
    if exists (select from unnest(v_differs) it (fields) where it.fields is not null) then
      for v_own in
        with lost as materialized (
          select row_number() over (order by e.n) as place, e.* from rows from (unnest(p_entries), unnest(v_differs)) with ordinality e (${FIELDS}, fields, n)
          where e.decision in ${NEGATIVE} and string_to_array(e.fields, ', ') && ${OF_WEIGHT}
        )
        select l.n, it.record_id, it.request_id, it.due_at
        from (select array_agg(row(${FIELDS.replaceAll(', id', ', null')})::probity.consent_entry order by place) as entries from lost) all_of
        cross join lateral probity.record_consents(all_of.entries) it join lost l on l.place = it.n
        where all_of.entries is not null
      loop
        v_records[v_own.n] := v_own.record_id;
        v_requests[v_own.n] := row(v_own.request_id, v_own.due_at);
        if v_own.record_id is null then v_differs[v_own.n] := null; end if;
      end loop;
      if p_refuse and exists (select from unnest(v_records, v_differs) it (record_id, fields) where it.record_id is null and it.fields is not null) then
        raise exception 'probity: an id stands for another decision of this person already' using errcode = 'PB019';
      end if;
    end if;

    return query
      select it.n, it.record_id, it.request_id, it.due_at, it.differs
      from rows from (unnest(v_records), unnest(v_requests), unnest(v_differs)) with ordinality it (record_id, request_id, due_at, differs, n)
      order by it.n;
  end
  $$`,

  // A device or an address turns out to be somebody: from now on they are one, and the stricter answer wins. False: it was known already.
  `create function probity.link_consents(p_kind text, p_key text, p_subject text, p_subject_key text) returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_ref uuid;
    v_person uuid;
    v_targets probity.permission_target[];
  begin
    insert into probity.consent_link (subject, key) values (p_kind, p_key), (p_subject, p_subject_key) on conflict do nothing;
    select l.ref into v_ref from probity.consent_link l where l.subject = p_kind and l.key = p_key;
    select l.ref into v_person from probity.consent_link l where l.subject = p_subject and l.key = p_subject_key;
    perform probity.lock_consents(array[v_ref, v_person]);
    if exists (select from probity.consent_alias a where a.ref = v_ref and a.person = v_person) then
      return false;
    end if;
    if exists (select from probity.consent_alias a where a.ref in (v_ref, v_person) or a.person = v_ref) then
      raise exception 'probity: linked to somebody else already' using errcode = 'PB013';
    end if;
    insert into probity.consent_alias (ref, person, linked_at) values (v_ref, v_person, clock_timestamp());
    -- What a device refused is refused by its owner: a restore must not part them.
    insert into probity.sink_queue (body)
      select jsonb_build_object('kind', 'link', 'subject', p_kind, 'key', p_key, 'person', p_subject, 'person_key', p_subject_key)
      from probity.serving where sink;
    select array_agg(distinct row(g.subject, g.key, c.purpose)::probity.permission_target) into v_targets
      from probity.consent_group(array[v_person]) g join probity.consent_group(array[v_person]) other on true
      join probity.consent_content c on c.ref = other.ref;
    if v_targets is not null then
      perform probity.consents_changed(v_targets);
    end if;
    return true;
  end
  $$`,

  `revoke execute on all functions in schema probity from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
