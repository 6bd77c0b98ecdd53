import { sql, type Kysely } from 'kysely';
import type { ConsentRecord, SubjectFacts } from '../../domain/permission/types.ts';

/** A record of the ledger about one person, or about a device or address that was linked to it. */
export interface HistoryRecord extends ConsentRecord {
  /** `customer`, `device`, `email`: who said it. */
  readonly kind: string;
  readonly touchpoint: string;
  readonly notice: string | null;
  readonly language: string | null;
  readonly proof: string | null;
  readonly actor: string;
  readonly door: string;
  readonly sealId: number | null;
  readonly receivedDate: Date;
  readonly capturedDate: Date;
  readonly expiresDate: Date | null;
}

/** Every record of the same person, oldest first. Empty when nothing was ever recorded. */
export async function readHistory(home: Kysely<unknown>, subject: string, key: string): Promise<HistoryRecord[]> {
  return (await readHistories(home, subject, [key])).get(key) ?? [];
}

/** The same for many people of one kind, by key; nobody of whom nothing was recorded. One statement, however many they are. */
export async function readHistories(
  home: Kysely<unknown>,
  subject: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, HistoryRecord[]>> {
  const { rows } = await sql<HistoryRecord & { readonly key: string }>`
    with self as materialized (
      select l.key, coalesce(a.person, l.ref) as root from probity.consent_link l left join probity.consent_alias a on a.ref = l.ref
      where l.subject = ${subject} and l.key = any (${keys}::text[])
    ), source as materialized (
      select key, root as ref, null::timestamptz as linked_at from self
      union all
      select self.key, a.ref, a.linked_at from probity.consent_alias a join self on a.person = self.root
    )
    select s.key, c.record_id as id, c.ref::text as source, l.subject as kind, ${micros('s.linked_at')} as "linkedAt", c.purpose, c.channel, c.decision,
      ${micros('c.captured_at')} as "capturedAt", ${micros('c.received_at')} as "receivedAt", c.given_by as "givenBy", c.basis,
      ${micros('c.expires_at')} as "expiresAt", c.touchpoint, c.notice, c.language, c.proof, c.actor, c.door, r.seal_id as "sealId",
      c.received_at as "receivedDate", c.captured_at as "capturedDate", c.expires_at as "expiresDate"
    from source s join probity.consent_content c on c.ref = s.ref
    join probity.consent_record r on r.record_id = c.record_id
    join probity.consent_link l on l.ref = c.ref
    order by c.at, c.received_at, c.record_id`.execute(home);
  const histories = new Map<string, HistoryRecord[]>();
  for (const { key, ...row } of rows) {
    const record = { ...row, linkedAt: row.linkedAt ?? -Infinity };
    const known = histories.get(key);
    if (known === undefined) histories.set(key, [record]);
    else known.push(record);
  }
  return histories;
}

const UNKNOWN: SubjectFacts = { known: false, regime: null, birth: null, ends: {} };

/** What the company's tables say of a subject, as the home store's own judgement reads them. */
export async function readFacts(home: Kysely<unknown>, subject: string, key: string): Promise<SubjectFacts> {
  return (await readManyFacts(home, subject, [key]))(key);
}

/** The same for many subjects of one kind, in one statement: asked by key. */
export async function readManyFacts(
  home: Kysely<unknown>,
  subject: string,
  keys: readonly string[],
): Promise<(key: string) => SubjectFacts> {
  const { rows } = await sql<{
    key: string;
    regime: string | null;
    birth: string | null;
    ends: Readonly<Record<string, number | 'infinity' | '-infinity'>>;
  }>`
    select f.key, f.regime, f.birth::text as birth, (
      select coalesce(jsonb_object_agg(e.key, case
        when e.value::timestamptz = 'infinity' then '"infinity"'::jsonb when e.value::timestamptz = '-infinity' then '"-infinity"'::jsonb
        else to_jsonb((extract(epoch from e.value::timestamptz) * 1000000)::bigint) end) filter (where e.value is not null), '{}')
      from jsonb_each_text(f.ends) e
    ) as ends
    from probity.subject_facts(${subject}, ${keys}::text[]) f`.execute(home);
  const facts = new Map(
    rows.map(({ key, regime, birth, ends }) => {
      const times = Object.entries(ends).map(([purpose, at]) => [
        purpose,
        typeof at === 'number' ? at : at === 'infinity' ? Infinity : -Infinity,
      ]);
      return [key, { known: true, regime, birth, ends: Object.fromEntries(times) as Record<string, number> }];
    }),
  );
  return (key) => facts.get(key) ?? UNKNOWN;
}

export interface ServingState {
  /** False: the store answers nothing, to nobody. */
  readonly open: boolean;
  /** By the store's clock, in microseconds. */
  readonly now: number;
  /** Other stores that follow this one. */
  readonly replicas: readonly string[];
}

export async function readServing(home: Kysely<unknown>): Promise<ServingState> {
  const { rows } = await sql<ServingState>`
    select probity.serving_open() as open, ${micros('clock_timestamp()')} as now,
      array(select r.store from probity.replica r order by r.store) as replicas`.execute(home);
  return rows[0]!;
}

/** Segments that a person is in now. */
export async function liveMemberships(home: Kysely<unknown>, subject: string, key: string): Promise<string[]> {
  const { rows } = await sql<{ segment: string }>`
    select distinct m.segment from probity.membership m
    where m.subject = ${subject} and m.key = ${key} and m.ended_at is null order by m.segment`.execute(home);
  return rows.map(({ segment }) => segment);
}

function micros(expression: string) {
  return sql`(extract(epoch from ${sql.raw(expression)}) * 1000000)::bigint`;
}
