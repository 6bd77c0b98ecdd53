import { sql, type Transaction } from 'kysely';
import type { RequestKind } from '../../domain/requests/model.ts';
import type { RequestState } from '../../domain/requests/state.ts';
import { recordIn, type RecordedEntry } from '../permission/record.ts';
import { inTransaction, type Store } from '../store.ts';
import { addEvents } from './events.ts';

export interface Asked {
  readonly kind: RequestKind;
  readonly subject: string;
  readonly key: string;
  readonly purpose: string | null;
  readonly grounds: readonly string[];
  /** Under which the subject may live. */
  readonly regimes: readonly string[];
  readonly receivedAt: Date;
  readonly dueAt: Date;
  /** False: the ledger's own times are right, since it came just now and under the clock of a month. */
  readonly timed: boolean;
  readonly state: RequestState;
  readonly verified: { readonly method: string; readonly evidence: string } | null;
  readonly note: string | null;
  readonly reference: { readonly hash: Buffer; readonly fingerprint: Buffer } | null;
  /** What it says to the consent ledger: of a withdrawal, an objection or a restriction one thing, which makes the request. */
  readonly says: readonly { readonly purpose: string; readonly decision: string; readonly dueAt: Date }[];
  readonly ledger: boolean;
  readonly actor: string;
  readonly door: string;
}

export interface Opened {
  /** Null: the ledger took the word, but somebody has granted the same later, so that nothing is to be done. */
  readonly id: string | null;
  /** `taken`: under this reference something else was asked. */
  readonly outcome: 'opened' | 'joined' | 'known' | 'granted since' | 'taken';
  readonly state: RequestState;
  readonly dueAt: Date | null;
  /** Requests that followed in the ledger from what it says besides. */
  readonly also: readonly string[];
}

/** Somebody else asked under the same reference at the same time; the next look finds it. */
class Raced extends Error {}
/** Each race is lost to one that committed: more than a few mean that something else is wrong. */
const ATTEMPTS = 5;

/** Opens requests in one transaction: one result each, in order. A reference that is known changes nothing. */
export async function openRequests(home: Store, asks: readonly Asked[]): Promise<Opened[]> {
  if (asks.length === 0) return [];
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(home, { settings: { synchronous_commit: 'on' } }, (trx) => openIn(trx, asks, attempt > 1));
    } catch (error) {
      if (!(error instanceof Raced) || attempt === ATTEMPTS) throw error;
    }
  }
}

type Place = readonly [index: number, ask: Asked];

async function openIn(trx: Transaction<unknown>, asks: readonly Asked[], again: boolean): Promise<Opened[]> {
  const results: (Opened | undefined)[] = asks.map(() => undefined);
  const known = await referenced(trx, asks);
  const first = new Map<string, number>();
  const copies: (readonly [index: number, of: number])[] = [];
  const fresh: Place[] = [];
  for (const [index, ask] of asks.entries()) {
    const name = ask.reference?.hash.toString('hex') ?? null;
    const found = name === null ? undefined : known.get(name);
    const twin = name === null ? undefined : first.get(name);
    if (found !== undefined) results[index] = again_(found, ask);
    else if (twin !== undefined) copies.push([index, twin]);
    else fresh.push([index, ask]);
    if (name !== null && twin === undefined) first.set(name, index);
  }
  const said = await say(trx, fresh, again);
  const made = await insert(
    trx,
    fresh.filter(([, ask]) => !ask.ledger),
  );
  const linked: { readonly ask: Asked; readonly id: string }[] = [];
  for (const [index, ask] of fresh) {
    const words = said.get(index) ?? [];
    const one = ask.ledger ? fromLedger(words[0]!) : made.get(index)!;
    const also = ask.ledger ? [] : words.flatMap(({ requestId }) => requestId ?? []);
    results[index] = { ...one, also };
    if (one.id !== null && ask.reference !== null) linked.push({ ask, id: one.id });
  }
  await keepReferences(trx, linked);
  await addEvents(
    trx,
    fresh.flatMap(([index, ask]) => {
      const { id, outcome, state } = results[index]!;
      if (id === null) return [];
      const by = { id, actor: ask.actor, at: null };
      const opened = { ...by, verb: outcome === 'opened' ? 'open' : 'repeat', state, code: null, evidence: null, note: ask.note };
      if (ask.verified === null || outcome !== 'opened') return [opened];
      return [opened, { ...by, verb: 'verify', state, code: ask.verified.method, evidence: ask.verified.evidence, note: null }];
    }),
  );
  for (const [index, of] of copies) {
    const twin = results[of]!;
    const same = asks[index]!.reference!.fingerprint.equals(asks[of]!.reference!.fingerprint);
    results[index] = same ? { ...twin, outcome: twin.outcome === 'taken' ? 'taken' : 'known', also: [] } : TAKEN;
  }
  return results as Opened[];
}

const TAKEN: Opened = { id: null, outcome: 'taken', state: 'open', dueAt: null, also: [] };

interface Known {
  readonly name: string;
  readonly fingerprint: Buffer;
  readonly id: string;
  readonly state: RequestState;
  readonly dueAt: Date;
}

function again_({ id, state, dueAt, fingerprint }: Known, { reference }: Asked): Opened {
  return reference?.fingerprint.equals(fingerprint) === true ? { id, outcome: 'known', state, dueAt, also: [] } : TAKEN;
}

async function referenced(trx: Transaction<unknown>, asks: readonly Asked[]): Promise<ReadonlyMap<string, Known>> {
  const hashes = asks.flatMap(({ reference }) => reference?.hash ?? []);
  if (hashes.length === 0) return new Map();
  const { rows } = await sql<Known>`
    select encode(f.reference, 'hex') as name, f.fingerprint, r.request_id as id, r.state, r.due_at as "dueAt"
    from probity.request_reference f join probity.request r on r.request_id = f.request_id
    where f.reference = any (${hashes}::bytea[]) order by f.reference`.execute(trx);
  return new Map(rows.map((row) => [row.name, row]));
}

interface Word extends RecordedEntry {
  readonly state: RequestState;
  readonly opened: boolean;
}

/** One way in for what the ledger must know; then what only we know of the requests that follow. */
async function say(trx: Transaction<unknown>, fresh: readonly Place[], again: boolean): Promise<ReadonlyMap<number, Word[]>> {
  const entries = fresh.flatMap(([index, ask]) => ask.says.map((it) => ({ index, ask, ...it })));
  if (entries.length === 0) return new Map();
  const recorded = await recordIn(
    trx,
    entries.map(({ ask, purpose, decision }) => ({
      subject: ask.subject,
      key: ask.key,
      purpose,
      channel: null,
      decision,
      captured_at: ask.timed ? ask.receivedAt.toISOString() : null,
      touchpoint: 'request',
      notice: null,
      language: null,
      given_by: null,
      proof: null,
      actor: ask.actor,
      door: ask.door,
      id: ask.reference === null ? null : `request:${ask.reference.hash.toString('hex')}:${purpose}`,
    })),
  );
  if (!again && recorded.some(({ recordId }, n) => recordId === null && entries[n]!.ask.reference !== null)) throw new Raced();
  const timed = recorded.flatMap(({ requestId, recordId }, n) => {
    const { ask, dueAt } = entries[n]!;
    if (requestId === null || recordId === null) return [];
    return [{ id: requestId, record: recordId, regimes: ask.regimes, ...(ask.timed ? { received: ask.receivedAt, due: dueAt } : {}) }];
  });
  const { rows } = await sql<{ id: string; record: number; state: RequestState; dueAt: Date }>`
    update probity.request r set regimes = coalesce(r.regimes, a.regimes),
      received_at = case when r.record_id = a.record then coalesce(a.received, r.received_at) else r.received_at end,
      due_at = case when r.record_id = a.record then coalesce(a.due, r.due_at) else r.due_at end
    from (
      select distinct on (it.id) it.id, it.record, it.regimes, it.received, it.due
      from jsonb_to_recordset(${JSON.stringify(timed)}::jsonb) it (id text, record bigint, regimes text[], received timestamptz, due timestamptz)
      order by it.id, it.record
    ) a
    where r.request_id = a.id
    returning r.request_id as id, r.record_id as record, r.state, r.due_at as "dueAt"`.execute(trx);
  const now = new Map(rows.map((row) => [row.id, row]));
  const words = recorded.map((it, n): readonly [number, Word] => {
    const row = it.requestId === null ? undefined : now.get(it.requestId);
    return [
      entries[n]!.index,
      { ...it, dueAt: row?.dueAt ?? it.dueAt, state: row?.state ?? 'open', opened: row !== undefined && row.record === it.recordId },
    ];
  });
  const by = Map.groupBy(words, ([index]) => index);
  return new Map([...by].map(([index, list]) => [index, list.map(([, word]) => word)]));
}

function fromLedger({ requestId, dueAt, state, opened }: Word): Omit<Opened, 'also'> {
  if (requestId === null) return { id: null, outcome: 'granted since', state: 'closed', dueAt: null };
  return { id: requestId, outcome: opened ? 'opened' : 'joined', state, dueAt };
}

async function insert(trx: Transaction<unknown>, fresh: readonly Place[]): Promise<ReadonlyMap<number, Omit<Opened, 'also'>>> {
  if (fresh.length === 0) return new Map();
  const asks = JSON.stringify(
    fresh.map(([n, ask]) => ({
      n,
      subject: ask.subject,
      key: ask.key,
      kind: ask.kind,
      purpose: ask.purpose,
      grounds: ask.grounds,
      regimes: ask.regimes,
      received_at: ask.receivedAt,
      due_at: ask.dueAt,
      state: ask.state,
      verified_by: ask.verified?.method ?? null,
    })),
  );
  await sql`
    insert into probity.consent_link (subject, key)
    select a.subject, a.key from (
      select distinct it.subject, it.key from jsonb_to_recordset(${asks}::jsonb) it (subject text, key text)) a
    where not exists (select from probity.consent_link l where l.subject = a.subject and l.key = a.key)
    order by a.subject collate "C", a.key collate "C" on conflict do nothing`.execute(trx);
  const { rows } = await sql<OpenedRow>`
    with ask as materialized (
      select a.n, coalesce(x.person, l.ref) as ref, a.kind, a.purpose, a.grounds, a.regimes, a.received_at, a.due_at, a.state, a.verified_by
      from jsonb_to_recordset(${asks}::jsonb) a (n integer, subject text, key text, kind text, purpose text, grounds text[], regimes text[],
        received_at timestamptz, due_at timestamptz, state text, verified_by text)
      join probity.consent_link l on l.subject = a.subject and l.key = a.key
      left join probity.consent_alias x on x.ref = l.ref
    ), one as (
      select distinct on (a.ref, a.purpose, a.kind) a.n, a.ref, a.kind, a.purpose, a.regimes, a.received_at, a.due_at, a.state, a.verified_by,
        count(*) over same - 1 as more, jsonb_agg(a.grounds) over same as grounds
      from ask a window same as (partition by a.ref, a.purpose, a.kind)
      order by a.ref, a.purpose, a.kind, a.n
    ), asked as (
      insert into probity.request as r (request_id, kind, ref, purpose, received_at, due_at, state, repeats, grounds, regimes, verified_at, verified_by)
      select 'R-' || nextval('probity.request_number'), o.kind, o.ref, o.purpose, o.received_at, o.due_at, o.state, o.more,
        (select array_agg(distinct g order by g) from jsonb_array_elements(o.grounds) l cross join jsonb_array_elements_text(nullif(l, 'null')) g), o.regimes,
        case when o.verified_by is not null then clock_timestamp() end, o.verified_by
      from one o order by o.ref, o.purpose, o.kind
      on conflict (ref, purpose, kind) where closed_at is null do update set repeats = r.repeats + excluded.repeats + 1,
        -- What was planned stays as it was approved.
        grounds = case when r.state in ('received', 'verifying', 'open')
          then array(select distinct g from unnest(r.grounds || excluded.grounds) g order by g) else r.grounds end
      returning r.request_id, r.ref, r.purpose, r.kind, r.state, r.due_at, r.repeats, xmax = 0 as opened
    )
    select a.n, a.ref, a.purpose, a.kind, null as id, null as state, null::timestamptz as "dueAt", false as opened from ask a
    union all select null, q.ref, q.purpose, q.kind, q.request_id, q.state, q.due_at, q.opened from asked q
    order by n nulls last`.execute(trx);
  // Joined here: the planner knows nothing of how many there are, and would compare each with each.
  const same = ({ ref, purpose, kind }: Pick<OpenedRow, 'ref' | 'purpose' | 'kind'>): string => JSON.stringify([ref, purpose, kind]);
  const asked = new Map(rows.flatMap((row) => (row.n === null ? [[same(row), row] as const] : [])));
  const made = new Map<number, Omit<Opened, 'also'>>();
  const seen = new Set<string>();
  for (const row of rows) {
    const found = asked.get(same(row));
    if (row.n === null || found === undefined) continue;
    const { id, state, dueAt, opened } = found;
    made.set(row.n, { id, state: state!, dueAt, outcome: opened && !seen.has(same(row)) ? 'opened' : 'joined' });
    seen.add(same(row));
  }
  if (made.size !== fresh.length) throw new Error('the home store opened another number of requests');
  return made;
}

/** Without `id`: what was asked, by its place; without `n`: the request that it became. */
interface OpenedRow {
  readonly n: number | null;
  readonly ref: string;
  readonly purpose: string | null;
  readonly kind: string;
  readonly id: string | null;
  readonly state: RequestState | null;
  readonly dueAt: Date | null;
  readonly opened: boolean;
}

async function keepReferences(trx: Transaction<unknown>, linked: readonly { readonly ask: Asked; readonly id: string }[]): Promise<void> {
  if (linked.length === 0) return;
  const { rows } = await sql<{ reference: Buffer }>`
    insert into probity.request_reference (reference, request_id, fingerprint)
    select it.reference, it.request_id, it.fingerprint
    from unnest(${linked.map(({ ask }) => ask.reference!.hash)}::bytea[], ${linked.map(({ id }) => id)}::text[],
      ${linked.map(({ ask }) => ask.reference!.fingerprint)}::bytea[]) it (reference, request_id, fingerprint)
    order by it.reference on conflict do nothing returning reference`.execute(trx);
  if (rows.length !== linked.length) throw new Raced();
}
