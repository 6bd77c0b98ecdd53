import { sql, type Transaction } from 'kysely';

export interface NewEvent {
  readonly id: string;
  readonly verb: string;
  /** After it. */
  readonly state: string;
  readonly actor: string;
  /** Null: now, by the home store. */
  readonly at: Date | null;
  /** A word of ours or an article: no free text. */
  readonly code: string | null;
  /** Where the evidence is kept, and what somebody wrote: rows of their own, which can be deleted. */
  readonly evidence: string | null;
  readonly note: string | null;
}

/** Writes down what was done to requests, in the transaction that does it. */
export async function addEvents(trx: Transaction<unknown>, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await sql`
    with given as materialized (
      select nextval(pg_get_serial_sequence('probity.request_event', 'event_id')) as event_id, it.*
      from jsonb_to_recordset(${JSON.stringify(events)}::jsonb)
        it (id text, verb text, state text, actor text, at timestamptz, code text, evidence text, note text)
    ), event as (
      insert into probity.request_event (event_id, request_id, verb, state, actor, at, code) overriding system value
      select g.event_id, g.id, g.verb, g.state, g.actor, coalesce(g.at, clock_timestamp()), g.code from given g order by g.event_id
    )
    insert into probity.request_note (event_id, evidence, note)
    select g.event_id, g.evidence, g.note from given g where g.evidence is not null or g.note is not null order by g.event_id`.execute(trx);
}
