import { sql, type Kysely, type Transaction } from 'kysely';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { mayRestrict } from '../../domain/requests/obliged.ts';
import type { ErasurePlan, StorePlan } from '../../domain/requests/plan.ts';
import type { Manifest } from '../../manifest/model.ts';
import { SERVICE } from '../../domain/requests/actor.ts';
import { translating } from '../errors.ts';
import { ACTIVE } from '../holds.ts';
import { recordIn, type RecordEntry } from '../permission/record.ts';
import { inTransaction, type Store } from '../store.ts';
import { floorsOf, type Floors, type FloorRows } from './erasure/floors.ts';
import { openErasure } from './erasure/target.ts';
import type { HeldElsewhere } from './erasure/keys.ts';
import { requestPeople } from './plans.ts';
import { runPeople } from './run-people.ts';

const DURABLE = { settings: { synchronous_commit: 'on' } } as const;

/** Rows of one store that a law keeps after an erasure. Says nothing of whose they are. */
export interface Obligation {
  /** `O-17` */
  readonly id: string;
  /** Of the plan that left them: a request's number, or a batch's. */
  readonly request: string;
  /** Of the requests whose people have such rows. */
  readonly requests: readonly string[];
  /** Of the erasure. */
  readonly runId: string;
  readonly store: string;
  readonly class: number;
  readonly tables: readonly ObligedTable[];
  /** When the first of them may go; null: nobody can tell. */
  readonly dueAt: Date | null;
  /** Why nothing was done on the day: a hold, or a manifest that only observes. */
  readonly waits: string | null;
  readonly state: 'open' | 'discharged';
  readonly openedAt: Date;
  readonly dischargedAt: Date | null;
}

export interface ObligedTable {
  /** `schema.table` */
  readonly table: string;
  readonly rule: string;
  readonly rows: number;
  /** Of the last row, ISO 8601; null: nobody can tell. */
  readonly until: string | null;
}

const COLUMNS = sql`
  o.obligation_id as id, o.request_id as request, o.requests, o.run_id as "runId", o.store, o.class, o.tables, o.due_at as "dueAt", o.waits, o.state,
  o.opened_at as "openedAt", o.discharged_at as "dischargedAt"`;

/**
 * Takes on what an erasure leaves under floors, store by store and class by class, with the keys that find it again; and stops all processing but
 * what the law demands, where nothing else goes on for these people. Before the run's keys go. Safe to repeat.
 */
export async function oblige(
  home: Store,
  { plan, manifest, store: storeOf }: { readonly plan: ErasurePlan; readonly manifest: Manifest; readonly store: (name: string) => Store },
): Promise<void> {
  const waiting = plan.stores.filter(({ erasure }) => erasure.tables.some(({ floor }) => floor !== null));
  if (waiting.length === 0) return;
  const requestOf = new Map((await runPeople(home.db, plan.run)).map(({ person, request }) => [person, request]));
  for (const { class: of, erasure } of waiting) {
    const store = storeOf(erasure.store);
    const floors = await floorsOf(await openErasure(store, manifest, erasure), { runId: plan.run, chunk: null, class: of });
    if (floors.tables.length === 0) continue;
    const requests = [...new Set(floors.people.flatMap((person) => requestOf.get(person) ?? []))].sort();
    const id = await write(home, plan, { class: of, erasure }, floors, requests.length === 0 ? [plan.request] : requests);
    await keepKeys(store, id, plan.run, of, floors.people);
  }
}

async function write(
  home: Store,
  plan: ErasurePlan,
  { class: of, erasure }: Pick<StorePlan, 'class' | 'erasure'>,
  floors: Floors,
  requests: readonly string[],
): Promise<string> {
  const people = mayRestrict(plan.classes[of]!.scope) ? [...(await requestPeople(home, requests)).values()].flat() : [];
  return inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql<{ id: string }>`
      insert into probity.obligation (obligation_id, request_id, requests, run_id, store, class, tables, due_at)
      select 'O-' || nextval('probity.obligation_number'), ${plan.request}, ${requests}::text[], ${plan.run}, ${erasure.store}, ${of},
        ${JSON.stringify(tablesOf(floors))}::jsonb, ${dueOf(floors)}
      where not exists (
        select from probity.obligation o where o.run_id = ${plan.run} and o.store = ${erasure.store} and o.class = ${of})
      on conflict (run_id, store, class) do nothing returning obligation_id as id`.execute(trx);
    const [made] = rows;
    if (made !== undefined) {
      await restrict(trx, people, plan);
      return made.id;
    }
    const known = await sql<{ id: string }>`
      select o.obligation_id as id from probity.obligation o
      where o.run_id = ${plan.run} and o.store = ${erasure.store} and o.class = ${of}`.execute(trx);
    return known.rows[0]!.id;
  });
}

/** Art. 18: only the law's purposes see what the law keeps. The record asks for nothing else, so the request that it would open is not. */
async function restrict(
  trx: Transaction<unknown>,
  people: readonly { readonly subject: string; readonly key: string }[],
  plan: ErasurePlan,
): Promise<void> {
  const entries = people.map(({ subject, key }): RecordEntry => ({
    subject,
    key,
    purpose: '*',
    channel: null,
    decision: 'restricted',
    captured_at: null,
    touchpoint: 'erasure',
    notice: null,
    language: null,
    given_by: null,
    proof: plan.request,
    actor: SERVICE.name,
    door: 'library',
    // Once a run, in however many stores it leaves something.
    id: plan.run,
  }));
  const records = (await recordIn(trx, entries)).flatMap(({ recordId }) => recordId ?? []);
  const { rows } = await sql<{ id: string }>`
    select r.request_id as id from probity.request r where r.record_id = any (${records}::bigint[]) and r.kind = 'restriction'
    order by 1`.execute(trx);
  const opened = rows.map(({ id }) => id);
  await sql`delete from probity.outbox where request_id = any (${opened}::text[])`.execute(trx);
  await sql`delete from probity.request where request_id = any (${opened}::text[])`.execute(trx);
}

function tablesOf({ tables }: Pick<Floors, 'tables'>): ObligedTable[] {
  return tables.map(({ table, rule, rows, until }) => ({ table, rule, rows, until: until?.toISOString() ?? null }));
}

function dueOf({ tables }: { readonly tables: readonly Pick<FloorRows, 'next'>[] }): Date | null {
  const ends = tables.flatMap(({ next }) => (next === null ? [] : [next.getTime()]));
  return ends.length === 0 ? null : new Date(Math.min(...ends));
}

async function keepKeys(store: Store, id: string, run: string, of: number, people: readonly number[]): Promise<void> {
  await translating(store, () =>
    sql`
      insert into probity.obligation_key (obligation_id, chunk, person, class, subject, identity, parts)
      select ${id}, k.chunk, k.person, k.class, k.subject, k.identity,
        case k.identity when 'email' then array[lower(btrim(k.parts[1]))] else k.parts end
      from probity.run_key k where k.run_id = ${run} and k.class = ${of} and k.person = any (${people}::integer[])
      on conflict do nothing`.execute(store.db),
  );
}

/** Whose rows they are, as keys of a run. Repeating it changes nothing. Identities in `without` are left out. */
export async function keysForRun(
  store: Store,
  id: string,
  run: string,
  without: readonly { readonly identity: string; readonly value: string }[],
): Promise<void> {
  await translating(store, () =>
    sql`
      insert into probity.run_key (run_id, chunk, person, subject, identity, parts, class)
      select ${run}, k.chunk, k.person, k.subject, k.identity, k.parts, k.class from probity.obligation_key k
      where k.obligation_id = ${id} and not exists (
        select from unnest(${without.map((it) => it.identity)}::text[], ${without.map((it) => it.value)}::text[]) w (identity, value)
        where w.identity = k.identity and w.value = k.parts[1])
      on conflict do nothing`.execute(store.db),
  );
}

/** What a store keeps of whose rows they are. Stays in the process. */
export async function obligationKeys(
  store: Store,
  id: string,
): Promise<{ readonly person: number; readonly subject: string; readonly identity: string; readonly parts: readonly string[] }[]> {
  const { rows } = await translating(store, () =>
    sql<{ person: number; subject: string; identity: string; parts: string[] }>`
      select k.person, k.subject, k.identity, k.parts from probity.obligation_key k where k.obligation_id = ${id}
      order by k.identity, k.parts, k.person`.execute(store.db),
  );
  return rows;
}

/** People of an obligation who are under a hold in another store: what one store holds, all of them do. */
export async function heldInOthers(store: Store, others: readonly Store[], id: string): Promise<HeldElsewhere[]> {
  const keys = (await obligationKeys(store, id)).filter(({ identity }) => identity === KEY_IDENTITY);
  const found: HeldElsewhere[] = [];
  for (const other of others) {
    const { rows } = await translating(other, () =>
      sql<HeldElsewhere>`
        select k.person, min(h.hold_id) as hold
        from jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) k (person integer, subject text, parts text[])
        join probity.hold h on h.subject = k.subject and h.subject_key = k.parts and ${ACTIVE}
        group by k.person order by k.person`.execute(other.db),
    );
    found.push(...rows);
  }
  return found;
}

export async function forgetObliged(store: Store, id: string): Promise<void> {
  await translating(store, () => sql`delete from probity.obligation_key where obligation_id = ${id}`.execute(store.db));
}

export async function readObligation(home: Kysely<unknown>, id: string): Promise<Obligation | null> {
  const { rows } = await sql<Obligation>`select ${COLUMNS} from probity.obligation o where o.obligation_id = ${id}`.execute(home);
  return rows[0] ?? null;
}

/** Of one request, or of all, by day; those of which nobody can tell the day last. `open`: not those that are discharged. */
export async function readObligations(
  home: Store,
  { request, open, limit }: { readonly request: string | null; readonly open: boolean; readonly limit: number },
): Promise<Obligation[]> {
  const { rows } = await translating(home, () =>
    sql<Obligation>`
      select ${COLUMNS} from probity.obligation o
      where (${request}::text is null or o.request_id = ${request} or o.requests @> array[${request}::text])
        and (o.state = 'open' or not ${open}::boolean)
      order by o.state desc, o.due_at nulls last, o.opened_at, o.obligation_id limit ${limit}`.execute(home.db),
  );
  return rows;
}

/** How many are worked on at a time: thousands may have one New Year. */
const AT_ONCE = 20;
/** A workflow that has said nothing for so long is started again, which does nothing while it runs. */
const STARTED_AGAIN = '1 hour';

/** Obligations whose day has come, marked as begun; no more at a time than can be worked on. */
export async function beginDueObligations(home: Store, now: Date): Promise<string[]> {
  return inTransaction(home, DURABLE, async (trx) => {
    const { rows } = await sql<{ id: string }>`
      with due as (
        select o.obligation_id, o.due_at, o.started_at > ${now}::timestamptz - ${STARTED_AGAIN}::interval as busy from probity.obligation o
        where o.state = 'open' and o.due_at <= ${now} and coalesce(o.look_at, '-infinity') <= ${now} for update
      )
      update probity.obligation o set started_at = ${now}
      where o.obligation_id in (
        select d.obligation_id from due d where d.busy is not true order by d.due_at, d.obligation_id
        limit greatest(0, ${AT_ONCE} - (select count(*) from due b where b.busy)))
      returning o.obligation_id as id`.execute(trx);
    return rows.map(({ id }) => id).sort();
  });
}

/** When the next day comes, or when one that waits is to be looked at again; null: nothing is open. */
export async function nextObligation(home: Store, now: Date): Promise<Date | null> {
  const { rows } = await translating(home, () =>
    sql<{ next: Date | null }>`
      select min(greatest(o.due_at, o.look_at, case when o.due_at <= ${now} then o.started_at + ${STARTED_AGAIN}::interval end)) as next
      from probity.obligation o where o.state = 'open'`.execute(home.db),
  );
  return rows[0]?.next ?? null;
}

/** Nothing can be done now: it is looked at again on another day. */
export async function postponeObligation(home: Store, id: string, until: Date, why: string): Promise<void> {
  await translating(home, () =>
    sql`
      update probity.obligation set look_at = ${until}, waits = ${why}, started_at = null
      where obligation_id = ${id} and state = 'open'`.execute(home.db),
  );
}

/** What is left by now: nothing discharges it. */
export async function updateObligation(home: Kysely<unknown>, id: string, floors: Pick<Floors, 'tables'>): Promise<Obligation['state']> {
  const { rows } = await sql<{ state: Obligation['state'] }>`
    update probity.obligation set
      tables = case when ${floors.tables.length === 0}::boolean then tables else ${JSON.stringify(tablesOf(floors))}::jsonb end,
      due_at = ${dueOf(floors)}, look_at = null, waits = null, started_at = null,
      state = case when ${floors.tables.length === 0}::boolean then 'discharged' else 'open' end,
      discharged_at = case when ${floors.tables.length === 0}::boolean then clock_timestamp() end
    where obligation_id = ${id} and state = 'open' returning state`.execute(home);
  return rows[0]?.state ?? 'discharged';
}

/** The run that discharges what is due, or goes on doing so: one at a time, numbered. */
export async function obligationRun(home: Store, id: string): Promise<string> {
  return inTransaction(home, DURABLE, async (trx) => {
    await sql`select from probity.obligation where obligation_id = ${id} for update`.execute(trx);
    const { rows } = await sql<{ run: string }>`
      select r.run_id as run from probity.obligation_run r where r.obligation_id = ${id} and r.closed_at is null`.execute(trx);
    if (rows[0] !== undefined) return rows[0].run;
    const made = await sql<{ run: string }>`
      insert into probity.obligation_run (obligation_id, number, run_id)
      select ${id}, n.number, 'obligation-' || ${id}::text || '-' || n.number
      from (select coalesce(max(r.number), 0) + 1 as number from probity.obligation_run r where r.obligation_id = ${id}) n
      returning run_id as run`.execute(trx);
    return made.rows[0]!.run;
  });
}

/** Closes the run together with what is left; null: it was closed before. */
export async function closeObligationRun(
  home: Store,
  id: string,
  run: string,
  serial: number,
  floors: Pick<Floors, 'tables'>,
): Promise<void> {
  await inTransaction(home, DURABLE, async (trx) => {
    const { numAffectedRows } = await sql`
      update probity.obligation_run set serial = ${serial}, closed_at = clock_timestamp() where run_id = ${run} and closed_at is null`.execute(
      trx,
    );
    if (Number(numAffectedRows ?? 0n) > 0) await updateObligation(trx, id, floors);
  });
}

/** The serial of a run's certificate, once it is closed. */
export async function closedRun(home: Kysely<unknown>, run: string): Promise<number | null> {
  const { rows } = await sql<{ serial: number }>`
    select r.serial from probity.obligation_run r where r.run_id = ${run} and r.closed_at is not null`.execute(home);
  return rows[0]?.serial ?? null;
}
