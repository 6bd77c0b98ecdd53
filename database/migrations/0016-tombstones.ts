import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** The names by which telephone numbers go, as `domain/requests/tokens.ts` reads them. */
const PHONES = '(^|_)(phone|tel|telephone|mobile|mobil|handy|fax|msisdn|cell)(_|$)';
/** As in 0005: a table of tombstones that nobody has analysed must not be read whole for each row that is asked for. */
const BY_INDEX = `set plan_cache_mode = force_generic_plan set jit = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off`;
const SNAKE = String.raw`lower(regexp_replace(p_identity, '([a-z0-9])([A-Z])', '\1_\2', 'g'))`;

/**
 * Who was erased, in every store, as keyed hashes: so that older rows of theirs do not come back by an import, and are erased again after a restore.
 * The home store's are the originals; the others keep copies, since an import asks where the data is.
 */
export const statements = [
  // HMAC-SHA256 with a key of the organisation, kept as its two padded blocks (RFC 2104), which is all that the computation needs. Made in the home
  // store. Whoever has key and hashes can try addresses; whoever has a backup of the tombstones alone cannot.
  `create table probity.tombstone_key (
    key_id text primary key,
    inner_pad bytea not null check (length(inner_pad) = 64),
    outer_pad bytea not null check (length(outer_pad) = 64),
    created_at timestamptz not null default clock_timestamp()
  )`,
  `create table probity.tombstone (
    -- The run that erased, and the person's ordinal in it.
    tombstone_id text primary key,
    key_id text not null references probity.tombstone_key (key_id),
    subject text not null,
    request_id text not null,
    plan_hash text not null,
    run_id text not null,
    manifest_hash text not null,
    erased_at timestamptz not null,
    -- Purposes that ended; null: all but the remaining ones, and what served none.
    ended text[],
    remaining text[] not null,
    -- The same with bases and articles, as it was planned.
    scope jsonb not null,
    ends_at timestamptz not null,
    -- The person came back: their older rows may come, too.
    lifted_at timestamptz,
    lifted_by text,
    lift_reason text,
    check ((lifted_at is null) = (lifted_by is null))
  )`,
  `create index tombstone_ends on probity.tombstone (ends_at)`,
  `create table probity.tombstone_hash (
    hash bytea not null check (length(hash) = 32),
    tombstone_id text not null references probity.tombstone (tombstone_id) on delete cascade,
    subject text not null,
    identity text not null,
    primary key (hash, tombstone_id)
  )`,
  `create index tombstone_hash_tombstone on probity.tombstone_hash (tombstone_id)`,
  // A restore brought them back: to be erased again. A row goes when it is done.
  `create table probity.tombstone_owed (
    tombstone_id text primary key references probity.tombstone (tombstone_id) on delete cascade,
    since timestamptz not null default clock_timestamp()
  )`,

  // One way to write what people write in several. Addresses as the consent ledger and the executor compare them; numbers as \`phones.ts\`.
  // Null: there is nothing to go by. A key is compared as it is written.
  `create function probity.tombstone_form(p_identity text, p_value text) returns text
    language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  declare
    v_value constant text := btrim(p_value, E' \\t\\n\\r\\f\\x0b');
    v_plain text;
    v_digits text;
  begin
    if p_identity = 'key' or p_value is null then
      return p_value;
    elsif v_value = '' then
      return null;
    elsif p_identity = 'email' or v_value ~ '^[^@[:space:]]+@[^@[:space:]]+$' then
      return lower(v_value);
    elsif ${SNAKE} ~ '${PHONES}' then
      v_plain := regexp_replace(p_value, '([0-9][^0-9+]*)\\(0\\)', '\\1');
      v_digits := regexp_replace(v_plain, '[^0-9]', '', 'g');
      if length(v_digits) between 7 and 17 then
        return case when v_plain ~ '^[^0-9A-Za-z_]*\\+' then '+' || v_digits when v_digits like '00%' then '+' || substr(v_digits, 3) else v_digits end;
      end if;
    end if;
    return v_value;
  end
  $$`,
  `create function probity.tombstone_hash_of(p_key probity.tombstone_key, p_subject text, p_identity text, p_form text) returns bytea
    language sql immutable parallel safe as $$
    select pg_catalog.sha256((p_key).outer_pad operator(pg_catalog.||) pg_catalog.sha256((p_key).inner_pad operator(pg_catalog.||) pg_catalog.convert_to(
      p_subject operator(pg_catalog.||) pg_catalog.chr(31) operator(pg_catalog.||) p_identity operator(pg_catalog.||) pg_catalog.chr(31)
        operator(pg_catalog.||) p_form, 'UTF8')))
  $$`,
  `create function probity.hmac_pad(p_secret bytea, p_pad integer) returns bytea language sql immutable strict as $$
    select string_agg(set_byte('\\x00'::bytea, 0, (case when i < length(p_secret) then get_byte(p_secret, i) else 0 end) # p_pad), ''::bytea order by i)
    from generate_series(0, 63) i
  $$`,

  // Whether these tombstones may be asked: a store that was restored has lost some until they were brought back.
  `create function probity.tombstones_whole() returns boolean
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select not exists (select from probity.serving where incarnation <> probity.incarnation() or replayed <> probity.incarnation())
  $$`,

  // For each value, in order: whether a row about it that was captured then must not come in. \`p_purposes\`: what the row would serve; what goes on for
  // the person lets it in. No time: it is as old as can be.
  `create function probity.erased_among(p_subject text, p_identity text, p_values text[], p_recorded timestamptz[], p_purposes text[] default '{}')
    returns table (n bigint, erased boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  begin
    if not probity.tombstones_whole() then
      raise exception 'probity: the store was restored, and does not know yet who was erased' using errcode = 'PB015';
    end if;
    return query
      select it.n, exists (
        select from probity.tombstone_key k
        cross join lateral (
          select h.tombstone_id from probity.tombstone_hash h
          where h.hash = probity.tombstone_hash_of(k, p_subject, p_identity, probity.tombstone_form(p_identity, it.value)) offset 0) h
        cross join lateral (
          select from probity.tombstone t where t.tombstone_id = h.tombstone_id
            and t.lifted_at is null and t.ends_at > clock_timestamp() and coalesce(it.at < t.erased_at, true)
            and case when t.ended is null then not (p_purposes && t.remaining) else p_purposes <> '{}' and p_purposes <@ t.ended end offset 0) t)
      from unnest(p_values, p_recorded) with ordinality it (value, at, n) order by it.n;
  end
  $$`,
  // The same for one value, for \`where not probity.is_erased(…)\`.
  `create function probity.is_erased(p_subject text, p_identity text, p_value text, p_recorded_at timestamptz, p_purposes text[] default '{}')
    returns boolean
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_erased boolean;
  begin
    select it.erased into v_erased
      from probity.erased_among(p_subject, p_identity, array[p_value], array[p_recorded_at], p_purposes) it;
    return v_erased;
  end
  $$`,
  // A tombstone as it is written to the sink and to other stores. Hashes only.
  `create function probity.tombstone_body(t probity.tombstone) returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object('kind', 'erasure') || to_jsonb(t) || jsonb_build_object('hashes', coalesce((
      select jsonb_agg(jsonb_build_object('subject', h.subject, 'identity', h.identity, 'hash', encode(h.hash, 'hex')) order by h.hash)
      from probity.tombstone_hash h where h.tombstone_id = t.tombstone_id), '[]'))
  $$`,
  `create function probity.tombstone_key_body(k probity.tombstone_key) returns jsonb language sql stable set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object('kind', 'tombstone_key', 'key_id', k.key_id, 'inner_pad', encode(k.inner_pad, 'hex'), 'outer_pad', encode(k.outer_pad, 'hex'),
      'created_at', k.created_at)
  $$`,
  // Takes keys and tombstones that are told, and that one was lifted. What is there stays. Returns those that were missing.
  `create function probity.take_tombstones(p_bodies jsonb) returns setof text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    insert into probity.tombstone_key (key_id, inner_pad, outer_pad, created_at)
      select distinct on (b ->> 'key_id') b ->> 'key_id', decode(b ->> 'inner_pad', 'hex'), decode(b ->> 'outer_pad', 'hex'), (b ->> 'created_at')::timestamptz
      from jsonb_array_elements(p_bodies) b where b ->> 'kind' = 'tombstone_key' order by b ->> 'key_id' on conflict do nothing;
    return query
      with told as (
        select distinct on (t.tombstone_id) t.*, b -> 'hashes' as hashes
        from jsonb_array_elements(p_bodies) b cross join lateral jsonb_populate_record(null::probity.tombstone, b) t
        where b ->> 'kind' = 'erasure' and t.ends_at > clock_timestamp() order by t.tombstone_id
      ), taken as (
        insert into probity.tombstone (tombstone_id, key_id, subject, request_id, plan_hash, run_id, manifest_hash, erased_at, ended, remaining, scope,
          ends_at, lifted_at, lifted_by, lift_reason)
        select t.tombstone_id, t.key_id, t.subject, t.request_id, t.plan_hash, t.run_id, t.manifest_hash, t.erased_at, t.ended, t.remaining, t.scope,
          t.ends_at, t.lifted_at, t.lifted_by, t.lift_reason from told t
        on conflict do nothing returning tombstone_id
      ), hashes as (
        insert into probity.tombstone_hash (hash, tombstone_id, subject, identity)
        select decode(h ->> 'hash', 'hex'), t.tombstone_id, h ->> 'subject', h ->> 'identity'
        from told t join taken using (tombstone_id) cross join lateral jsonb_array_elements(t.hashes) h on conflict do nothing
      )
      select n.tombstone_id from taken n order by 1;
    update probity.tombstone t set lifted_at = l.lifted_at, lifted_by = l.lifted_by, lift_reason = l.lift_reason
      from jsonb_array_elements(p_bodies) b cross join lateral jsonb_populate_record(null::probity.tombstone, b) l
      where l.lifted_at is not null and t.tombstone_id = l.tombstone_id and t.lifted_at is null;
  end
  $$`,
  `revoke execute on function probity.tombstone_form(text, text), probity.tombstone_hash_of(probity.tombstone_key, text, text, text),
    probity.hmac_pad(bytea, integer), probity.tombstones_whole(), probity.tombstone_body(probity.tombstone),
    probity.tombstone_key_body(probity.tombstone_key), probity.take_tombstones(jsonb), probity.erased_among(text, text, text[], timestamptz[], text[]),
    probity.is_erased(text, text, text, timestamptz, text[]) from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
