import { sql, type Transaction } from 'kysely';
import { prunable } from '../../domain/permission/prunable.ts';
import type { ConsentRecord, Micros, PermissionRule } from '../../domain/permission/types.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import { ACTIVE, lockAndReadHolds } from '../holds.ts';
import { inTransaction, type Store } from '../store.ts';
import { forgetPseudonyms } from '../views/kept.ts';
import { pruneLinks } from './prune-links.ts';
import { keyTextOfParts } from '../subject-key.ts';

/*
 * Which contents may go is decided by `prunable`, people by people. It is not trusted: each batch derives the state anew, compares what still
 * stands, and commits only when nothing else came out.
 */

/** People of one transaction; their recorders wait for it. */
const PEOPLE_AT_ONCE = 200;
/** By index, whatever the planner thinks of how many people there are; durations as the manifest spells them. */
const BY_INDEX = { enable_hashjoin: 'off', enable_mergejoin: 'off', enable_seqscan: 'off', jit: 'off', intervalstyle: 'iso_8601' };

export interface PruneOptions {
  /** Records that stopped being in force before this have been kept long enough. */
  readonly cutOff: Date;
  /** False: count only. */
  readonly enforce: boolean;
  /** People looked through. */
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Pruned {
  /** Contents that went, or would. */
  readonly contents: number;
  readonly byDecision: Readonly<Record<string, number>>;
  /** People about whom nothing is left, and whose link to the records went; 0 when only counting. */
  readonly links: number;
  /** Contents whose time has come, but that still bear on an answer. */
  readonly kept: number;
  /** Contents whose time has come, of people under a legal hold. */
  readonly held: number;
  /** The same of people who wait for a copy of what is held, or have restricted its use. */
  readonly requested: number;
  /** False: recorders were busy, so links without contents are left for the next time. */
  readonly linksDone: boolean;
}

interface Target {
  /** Of the person. */
  readonly root: string;
  readonly purpose: string;
}

interface Candidate extends Target {
  readonly recordId: number;
  readonly decision: string;
}

/** Deletes contents past their keep, people by people. Safe to stop and to repeat. */
export async function pruneConsents(home: Store, { cutOff, enforce, onProgress = () => undefined }: PruneOptions): Promise<Pruned> {
  const byDecision: Record<string, number> = {};
  const { rows: counted } = await sql<{ people: number }>`
    select count(*) as people from probity.consent_link l
    where not exists (select from probity.consent_alias a where a.ref = l.ref)`.execute(home.db);
  const of = counted[0]?.people ?? 0;
  let contents = 0;
  let kept = 0;
  let held = 0;
  let requested = 0;
  let done = 0;
  const inOne: Transact = async (act) => {
    await inTransaction(home, { settings: { synchronous_commit: 'on' } }, act);
  };
  for (let after: string | null = null; ;) {
    const roots = await nextPeople(home, after, cutOff);
    if (roots.length === 0) break;
    const batch = await pruneBatch(home, roots, cutOff, enforce ? inOne : null);
    for (const { decision } of batch.pruned) byDecision[decision] = (byDecision[decision] ?? 0) + 1;
    contents += batch.pruned.length;
    kept += batch.kept;
    held += batch.held;
    requested += batch.requested;
    done += roots.length;
    onProgress(Math.min(done, of), of);
    after = roots.at(-1)!;
  }
  onProgress(of, of);
  if (enforce) await forgetPseudonyms(home);
  const links = enforce ? await pruneLinks(home) : { links: 0, linksDone: true };
  return { contents, byDecision, kept, held, requested, ...links };
}

/** People with a content that is old enough, by the random name of each. */
export async function nextPeople(home: Store, after: string | null, cutOff: Date): Promise<string[]> {
  const { rows } = await inTransaction(home, { readOnly: true, settings: BY_INDEX }, (trx) =>
    sql<{ ref: string }>`
      select l.ref::text as ref from probity.consent_link l
      where l.ref > coalesce(${after}::uuid, '00000000-0000-0000-0000-000000000000') and not exists (select from probity.consent_alias a where a.ref = l.ref)
        and (exists (select from probity.consent_content c where c.ref = l.ref and c.at < ${cutOff})
          or exists (
            select from probity.consent_alias a join probity.consent_content c on c.ref = a.ref where a.person = l.ref and c.at < ${cutOff}))
      order by l.ref limit ${PEOPLE_AT_ONCE}`.execute(trx),
  );
  return rows.map(({ ref }) => ref);
}

/** What a batch of people came to. */
export interface PrunedBatch {
  readonly pruned: readonly Candidate[];
  readonly kept: number;
  readonly held: number;
  readonly requested: number;
}

/** Runs `act` in one transaction of the home store, durable when it returns. An error of `act` rolls it back and comes out as it is. */
export type Transact = (act: (trx: Transaction<unknown>) => Promise<PrunedBatch>) => Promise<void>;

/** Looks first, without a lock, and takes a transaction only where something is to go; with null never. */
export async function pruneBatch(home: Store, roots: readonly string[], cutOff: Date, transact: Transact | null): Promise<PrunedBatch> {
  const looked = await inTransaction(home, { readOnly: true, settings: BY_INDEX }, (trx) => candidates(trx, roots, cutOff));
  if (transact === null || looked.pruned.length === 0) return { ...looked, kept: 0 };
  let excluded: readonly string[] = [];
  let kept = 0;
  for (;;) {
    const { changed, ...batch } = await attempt(transact, roots, cutOff, excluded, kept);
    if (changed.length === 0) return batch;
    kept += batch.pruned.filter((it) => changed.includes(target(it))).length;
    excluded = [...excluded, ...changed];
  }
}

class WouldChange extends Error {}

/** Deletes and compares; where an answer would be another one, nothing is deleted and those it concerns are named. */
async function attempt(transact: Transact, roots: readonly string[], cutOff: Date, excluded: readonly string[], kept: number) {
  let batch: PrunedBatch = { pruned: [], kept, held: 0, requested: 0 };
  let changed: string[] = [];
  try {
    await transact(async (trx) => {
      await sql`select ${sql.join(Object.entries(BY_INDEX).map(([key, value]) => sql`pg_catalog.set_config(${key}, ${value}, true)`))}`.execute(
        trx,
      );
      // Whoever is told that a hold is placed may rely on it: nothing of theirs goes after that.
      await lockAndReadHolds(trx);
      await sql`select probity.lock_consents(${roots}::uuid[])`.execute(trx);
      const found = await candidates(trx, roots, cutOff);
      const pruned = found.pruned.filter((it) => !excluded.includes(target(it)));
      batch = { ...found, pruned, kept };
      const targets = [...new Map(pruned.map(({ root, purpose }) => [`${root} ${purpose}`, { root, purpose }])).values()];
      const before = await standing(trx, targets, cutOff);
      await sql`delete from probity.consent_content where record_id = any (${pruned.map(({ recordId }) => recordId)}::bigint[])`.execute(
        trx,
      );
      await sql`
        with target as (
          select array_agg(row(g.subject, g.key, t.purpose)::probity.permission_target order by g.subject, g.key, t.purpose) as all_of_them
          from jsonb_to_recordset(${JSON.stringify(targets)}::jsonb) t (root uuid, purpose text) cross join lateral probity.consent_group(array[t.root]) g
        ), derived as (
          select probity.derive_spans(all_of_them) from target where all_of_them is not null
        ), told as (
          insert into probity.replica_change (store, subject, key, purpose)
          select r.store, t.subject, t.key, t.purpose from probity.replica r cross join target cross join unnest(target.all_of_them) t order by 1, 2, 3, 4
        )
        select count(*) from derived`.execute(trx);
      const after = await standing(trx, targets, cutOff);
      changed = targets.map(target).filter((name) => before.get(name) !== after.get(name));
      if (changed.length > 0) throw new WouldChange();
      return batch;
    });
  } catch (error) {
    if (!(error instanceof WouldChange)) throw error;
  }
  return { ...batch, changed };
}

function target({ root, purpose }: Target): string {
  return `${root} ${purpose}`;
}

/** People and everything that was linked to them. */
function sources(roots: readonly string[]) {
  return sql`
    select it.root, it.root as ref, null::timestamptz as linked_at from unnest(${roots}::uuid[]) it (root)
    union all
    select a.person, a.ref, a.linked_at from probity.consent_alias a where a.person = any (${roots}::uuid[])`;
}

/** The same for purposes `t` of people: each source is `s`. */
function sourcesOf(targets: readonly Target[]) {
  return sql`jsonb_to_recordset(${JSON.stringify(targets)}::jsonb) t (root uuid, purpose text)
      cross join lateral (select t.root as ref union all select a.ref from probity.consent_alias a where a.person = t.root) s`;
}

/** Kept apart from the joins around it, so that one key is looked up at a time. */
const SPANS = sql`cross join lateral (
        select * from probity.permission_span it where it.purpose = t.purpose and it.subject = l.subject and it.key = l.key offset 0) p`;

/** By person and purpose, what still stands at the cut-off or later, each span back to where it began without a break. */
async function standing(trx: Transaction<unknown>, targets: readonly Target[], cutOff: Date): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; state: string }>`
    with piece as (
      select t.root, t.purpose, l.subject, l.key, p.regime, channel, p.every_channel, p.allows, p.open, p.of_age,
        case when p.of_age is not null then p.of_age_at end as of_age_at, unnest(range_agg(tstzrange(p.from_at, p.until_at))) as during
      from ${sourcesOf(targets)}
      join probity.consent_link l on l.ref = s.ref
      ${SPANS}
      cross join unnest(case when p.every_channel then array['*'] else p.channels end) channel
      group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    )
    select p.root || ' ' || p.purpose as name, md5(jsonb_agg(
      jsonb_build_array(p.subject, p.key, p.regime, p.channel, p.every_channel, p.allows, p.open, p.of_age, p.of_age_at, lower(p.during), upper(p.during))
      order by p.subject, p.key, p.regime, p.channel, p.every_channel, p.allows, p.open, p.of_age, p.of_age_at, p.during)::text) as state
    from piece p where upper(p.during) > ${cutOff} group by p.root, p.purpose`.execute(trx);
  return new Map(rows.map(({ name, state }) => [name, state]));
}

interface Said extends ConsentRecord {
  readonly root: string;
}

/** Contents of these people that bear on nothing any more, and how many such stay for the people's sake. */
async function candidates(trx: Transaction<unknown>, roots: readonly string[], cutOff: Date): Promise<Omit<PrunedBatch, 'kept'>> {
  const { rows: said } = await sql<Omit<Said, 'linkedAt'> & { readonly linkedAt: Micros | null }>`
    select s.root::text as root, c.record_id as id, c.ref::text as source, ${micros('s.linked_at')} as "linkedAt", c.purpose, c.channel, c.decision,
      ${micros('c.captured_at')} as "capturedAt", ${micros('c.received_at')} as "receivedAt", c.given_by as "givenBy", c.basis,
      ${micros('c.expires_at')} as "expiresAt"
    from (${sources(roots)}) s join probity.consent_content c on c.ref = s.ref
    order by c.record_id`.execute(trx);
  const byTarget = Map.groupBy(
    said.map((it): Said => ({ ...it, linkedAt: it.linkedAt ?? -Infinity })),
    target,
  );
  const targets = [...byTarget.values()].map(([first]) => ({ root: first!.root, purpose: first!.purpose }));
  const rules = Map.groupBy(await readRules(trx), ({ purpose }) => purpose);
  const alive = await aliveSpans(trx, targets, cutOff);
  const going = [...byTarget].flatMap(([name, history]) => {
    const ids = new Set(
      prunable({ history, rules: rules.get(history[0]!.purpose) ?? [], alive: alive.get(name) ?? [], cutOff: cutOff.getTime() * 1000 }),
    );
    return history.flatMap((it) =>
      ids.has(it.id) ? [{ recordId: it.id, root: it.root, purpose: it.purpose, decision: it.decision }] : [],
    );
  });
  const staying = going.length === 0 ? new Map<string, Staying>() : await stayingPeople(trx, roots);
  const why = (wanted: Staying | undefined): Candidate[] => going.filter(({ root }) => staying.get(root) === wanted);
  return { pruned: why(undefined), held: why('hold').length, requested: why('request').length };
}

type Staying = 'hold' | 'request';

/** Of these people those under a legal hold, whichever of their keys it names, and those whose open request needs what is held. */
async function stayingPeople(trx: Transaction<unknown>, roots: readonly string[]): Promise<ReadonlyMap<string, Staying>> {
  const { rows } = await sql<{ root: string; why: Staying }>`
    with known as materialized (
      select s.root::text as root, l.subject, l.key from (${sources(roots)}) s join probity.consent_link l on l.ref = s.ref
    ), staying as (
      select k.root, 'hold' as why from known k
      join probity.hold h on h.subject = k.subject
        and k.key = ${keyTextOfParts(sql`h.subject_key`)}
      where ${ACTIVE}
      union
      select k.root, 'request' from known k
      join probity.protected_subject p on p.subject = k.subject and p.identity = ${KEY_IDENTITY} and p.value = k.key
    )
    select root, min(why) as why from staying group by root order by root`.execute(trx);
  return new Map(rows.map(({ root, why }) => [root, why]));
}

async function aliveSpans(
  trx: Transaction<unknown>,
  targets: readonly Target[],
  cutOff: Date,
): Promise<Map<string, { from: Micros; to: Micros }[]>> {
  const { rows } = await sql<{ name: string; from: Micros | null; to: Micros | null }>`
    with piece as (
      select t.root, t.purpose, l.ref, p.allows, unnest(range_agg(tstzrange(p.from_at, p.until_at, '[]'))) as during
      from ${sourcesOf(targets)}
      join probity.consent_link l on l.ref = s.ref
      ${SPANS}
      group by 1, 2, 3, 4
    )
    select p.root || ' ' || p.purpose as name, case when isfinite(lower(p.during)) then ${micros('lower(p.during)')} end as "from",
      case when isfinite(upper(p.during)) then ${micros('upper(p.during)')} end as "to"
    from piece p where upper(p.during) > ${cutOff}`.execute(trx);
  const spans = rows.map(({ name, from, to }) => ({ name, from: from ?? -Infinity, to: to ?? Infinity }));
  return Map.groupBy(spans, ({ name }) => name);
}

async function readRules(trx: Transaction<unknown>): Promise<PermissionRule[]> {
  const { rows } = await sql<PermissionRule>`
    select purpose, regime, channel, basis, objection, expires::text as expires, double_opt_in as "doubleOptIn", minimum_age as "minimumAge", zone
    from probity.purpose_rule order by purpose, regime, channel`.execute(trx);
  return rows;
}

function micros(expression: string) {
  return sql`(extract(epoch from ${sql.raw(expression)}) * 1000000)::bigint`;
}
