import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** As in 0005. */
const BY_INDEX = `set plan_cache_mode = force_generic_plan set jit = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off`;

/** The originals: their key, which stores keep copies, what these do not have yet, and how a tombstone is lifted. */
export const statements = [
  `with made as (select uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) as secret)
    insert into probity.tombstone_key (key_id, inner_pad, outer_pad)
    select substr(encode(sha256(convert_to('probity tombstone key', 'UTF8') || m.secret), 'hex'), 1, 16), probity.hmac_pad(m.secret, 54),
      probity.hmac_pad(m.secret, 92)
    from made m`,

  `create table probity.tombstone_store (store text primary key)`,
  `create table probity.tombstone_change (
    store text not null references probity.tombstone_store (store) on delete cascade,
    tombstone_id text not null references probity.tombstone (tombstone_id) on delete cascade,
    primary key (store, tombstone_id)
  )`,
  `create function probity.tombstones_changed() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    insert into probity.tombstone_change (store, tombstone_id)
      select s.store, c.tombstone_id from probity.tombstone_store s cross join changed c order by 1, 2 on conflict do nothing;
    return null;
  end
  $$`,
  `create trigger changed_insert after insert on probity.tombstone referencing new table as changed
    for each statement execute function probity.tombstones_changed()`,
  `create trigger changed_update after update on probity.tombstone referencing new table as changed
    for each statement execute function probity.tombstones_changed()`,

  // Returns how many were lifted now. A restore must not forget it.
  `create function probity.lift_tombstones(p_ids text[], p_by text, p_reason text) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
  declare
    v_lifted integer;
  begin
    with lifted as (
      update probity.tombstone t set lifted_at = clock_timestamp(), lifted_by = p_by, lift_reason = p_reason
      where t.tombstone_id = any (p_ids) and t.lifted_at is null returning t.*
    ), queued as (
      insert into probity.sink_queue (body)
        select jsonb_build_object('kind', 'erasure_lifted', 'tombstone_id', l.tombstone_id, 'lifted_at', l.lifted_at, 'lifted_by', l.lifted_by,
          'lift_reason', l.lift_reason)
        from lifted l where (select sink from probity.serving) order by l.tombstone_id
    )
    select count(*) into v_lifted from lifted;
    return v_lifted;
  end
  $$`,

  // Whoever grants something after the erasure is somebody again: by their key, or by the hash of their address where nobody knows them yet.
  `create function probity.lift_by_grant() returns trigger
    language plpgsql security definer set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  begin
    -- Most of the time there is nothing to lift, and recording must not become slower for it.
    if not exists (select from probity.tombstone) then
      return null;
    end if;
    perform probity.lift_tombstones(array_agg(distinct t.tombstone_id), 'consent', 'granted again')
      from added a
      join probity.consent_link l on l.ref = a.ref
      cross join probity.tombstone_key k
      cross join lateral (
        select h.tombstone_id from probity.tombstone_hash h where h.hash = probity.tombstone_hash_of(k, l.subject, 'key', l.key) offset 0) h
      join probity.tombstone t on t.tombstone_id = h.tombstone_id
      where a.decision = 'granted' and a.at > t.erased_at and t.lifted_at is null
      having count(*) > 0;
    return null;
  end
  $$`,
  `create trigger lift_tombstones after insert on probity.consent_content referencing new table as added
    for each statement execute function probity.lift_by_grant()`,

  `revoke execute on function probity.tombstones_changed(), probity.lift_tombstones(text[], text, text), probity.lift_by_grant() from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
