import { sql } from 'kysely';
import { inTransaction, type Store } from '../store.ts';

type Body = Readonly<Record<string, unknown>>;

/** All tombstones and their keys that these stores have, as the sink would tell them. */
export async function knownTombstones(stores: readonly Store[]): Promise<Body[]> {
  const bodies: Body[] = [];
  for (const store of stores) {
    const { rows } = await inTransaction(store, { readOnly: true }, (trx) =>
      sql<{ body: Body }>`
        select probity.tombstone_key_body(k) as body from probity.tombstone_key k
        where exists (select from probity.tombstone t where t.key_id = k.key_id)
        union all select probity.tombstone_body(t) from probity.tombstone t where t.ends_at > clock_timestamp()`.execute(trx),
    );
    bodies.push(...rows.map(({ body }) => body));
  }
  return bodies;
}

/**
 * Gives a home store back what it must know of requests whose erasure the sink tells: that they are closed, and that their numbers are taken. Whom they
 * were about it does not get back.
 */
export async function putBackErased(home: Store, told: readonly Body[]): Promise<number> {
  const asked = told.flatMap((body) => (body['kind'] === 'erasure' && body['request'] ? [body] : []));
  if (asked.length === 0) return 0;
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const json = JSON.stringify(asked);
    const { rows } = await sql<{ id: string }>`
      with told as (
        select distinct on (b ->> 'request_id') b ->> 'request_id' as id, (b ->> 'erased_at')::timestamptz as erased_at, r.kind, r.grounds, r.purpose,
          r.received_at, r.due_at
        from jsonb_array_elements(${json}::jsonb) b cross join lateral jsonb_to_record(b -> 'request')
          r (kind text, grounds text[], purpose text, received_at timestamptz, due_at timestamptz)
        order by b ->> 'request_id', b ->> 'erased_at' desc
      ), closed as (
        update probity.request r set state = 'closed', closed_at = t.erased_at, paused_at = null from told t
        where r.request_id = t.id and r.kind = t.kind and r.received_at = t.received_at and r.closed_at is null returning r.request_id
      ), back as (
        -- Whom it was about was lost with the store, and is to stay so: a reference of nobody.
        insert into probity.request (request_id, kind, ref, purpose, received_at, due_at, state, closed_at, grounds)
        select t.id, t.kind, gen_random_uuid(), t.purpose, t.received_at, t.due_at, 'closed', t.erased_at, t.grounds from told t
        on conflict do nothing returning request_id
      ), event as (
        insert into probity.request_event (request_id, verb, state, actor, at, code)
        select it.request_id, 'finish', 'closed', 'service', clock_timestamp(), 'replayed' from (
          select request_id from closed union all select request_id from back) it order by 1
      )
      select request_id as id from closed union all select request_id from back`.execute(trx);
    await sql`
      select setval('probity.request_number', it.most) from (
        select max(substr(b ->> 'request_id', 3)::bigint) as most from jsonb_array_elements(${json}::jsonb) b where b ->> 'request_id' ~ '^R-[0-9]{1,15}$') it
      where it.most > (select last_value from probity.request_number)`.execute(trx);
    return rows.length;
  });
}

/** Takes away the keys of runs that have ended: a backup that was made while they worked has them. */
export async function closeErased(store: Store): Promise<void> {
  await inTransaction(store, {}, (trx) =>
    sql`delete from probity.run_key k where exists (select from probity.tombstone t where t.run_id = k.run_id)`.execute(trx),
  );
}
