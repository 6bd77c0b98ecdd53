import { sql, type Transaction } from 'kysely';
import { inTransaction, type Store } from '../store.ts';

/*
 * A record's content goes `own.consent_proof` after the record stopped being in force. What decides anything now, or has decided without a
 * break until now, stays: a refusal until the person has taken it back, a grant for as long as the permission that it began lasts. So the
 * answers of every instant since the cut-off are the same before and after, and so is every permission that still stands, back to its
 * beginning. This is not left to the rules below: each batch derives the state anew and compares before it commits.
 */

const NEGATIVE = sql`('refused', 'withdrawn', 'objected', 'objection_upheld')`;
/** People of one transaction; their recorders wait for it. */
const PEOPLE_AT_ONCE = 500;
/** Deleting links keeps recorders out for a moment; rather leave them for the next time than queue behind a long import. */
const LINK_LOCK_MS = 1_000;

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
  /** False: recorders were busy, so links without contents are left for the next time. */
  readonly linksDone: boolean;
}

interface Candidate {
  readonly recordId: number;
  readonly root: string;
  readonly purpose: string;
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
  let done = 0;
  for (let after: string | null = null; ;) {
    const roots = await nextPeople(home, after, cutOff);
    if (roots.length === 0) break;
    const batch = await pruneBatch(home, roots, cutOff, enforce);
    for (const { decision } of batch.pruned) byDecision[decision] = (byDecision[decision] ?? 0) + 1;
    contents += batch.pruned.length;
    kept += batch.kept;
    done += roots.length;
    onProgress(Math.min(done, of), of);
    after = roots.at(-1)!;
  }
  onProgress(of, of);
  const links = enforce ? await pruneLinks(home) : { links: 0, linksDone: true };
  return { contents, byDecision, kept, ...links };
}

/** People with a content that is old enough, by the random name of each. */
async function nextPeople(home: Store, after: string | null, cutOff: Date): Promise<string[]> {
  const { rows } = await sql<{ ref: string }>`
    select l.ref::text as ref from probity.consent_link l
    where (${after}::uuid is null or l.ref > ${after}::uuid) and not exists (select from probity.consent_alias a where a.ref = l.ref)
      and exists (
        select from probity.consent_content c
        where c.at < ${cutOff} and (c.ref = l.ref or c.ref in (select a.ref from probity.consent_alias a where a.person = l.ref)))
    order by l.ref limit ${PEOPLE_AT_ONCE}`.execute(home.db);
  return rows.map(({ ref }) => ref);
}

async function pruneBatch(
  home: Store,
  roots: readonly string[],
  cutOff: Date,
  enforce: boolean,
): Promise<{ readonly pruned: readonly Candidate[]; readonly kept: number }> {
  if (!enforce) return inTransaction(home, { readOnly: true }, async (trx) => ({ pruned: await candidates(trx, roots, cutOff), kept: 0 }));
  let excluded: readonly string[] = [];
  let kept = 0;
  for (;;) {
    const { pruned, changed } = await attempt(home, roots, cutOff, excluded);
    if (changed.length === 0) return { pruned, kept };
    kept += pruned.filter((it) => changed.includes(target(it))).length;
    excluded = [...excluded, ...changed];
  }
}

class WouldChange extends Error {}

/** Deletes and compares; where an answer would be another one, nothing is deleted and those it concerns are named. */
async function attempt(home: Store, roots: readonly string[], cutOff: Date, excluded: readonly string[]) {
  let pruned: readonly Candidate[] = [];
  let changed: string[] = [];
  try {
    await inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
      await sql`select probity.lock_consents(${roots}::uuid[])`.execute(trx);
      pruned = (await candidates(trx, roots, cutOff)).filter((it) => !excluded.includes(target(it)));
      const targets = JSON.stringify([...new Map(pruned.map(({ root, purpose }) => [`${root} ${purpose}`, { root, purpose }])).values()]);
      const before = await standing(trx, targets, cutOff);
      await sql`delete from probity.consent_content where record_id = any (${pruned.map(({ recordId }) => recordId)}::bigint[])`.execute(
        trx,
      );
      await sql`
        with target as (
          select array_agg(row(g.subject, g.key, t.purpose)::probity.permission_target order by g.subject, g.key, t.purpose) as all_of_them
          from jsonb_to_recordset(${targets}::jsonb) t (root uuid, purpose text) cross join lateral probity.consent_group(array[t.root]) g
        ), derived as (
          select probity.derive_spans(all_of_them) from target where all_of_them is not null
        ), told as (
          insert into probity.replica_change (store, subject, key, purpose)
          select r.store, t.subject, t.key, t.purpose from probity.replica r cross join target cross join unnest(target.all_of_them) t order by 1, 2, 3, 4
        )
        select count(*) from derived`.execute(trx);
      const after = await standing(trx, targets, cutOff);
      changed = [...before].flatMap(([name, state]) => (after.get(name) === state ? [] : [name]));
      if (changed.length > 0) throw new WouldChange();
    });
  } catch (error) {
    if (!(error instanceof WouldChange)) throw error;
  }
  return { pruned, changed };
}

function target({ root, purpose }: Pick<Candidate, 'root' | 'purpose'>): string {
  return `${root} ${purpose}`;
}

/** By person and purpose, what still stands at the cut-off or later, each span back to where it began without a break. */
async function standing(trx: Transaction<unknown>, targets: string, cutOff: Date): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; state: string }>`
    with target as (
      select t.root, t.purpose, g.subject, g.key
      from jsonb_to_recordset(${targets}::jsonb) t (root uuid, purpose text) cross join lateral probity.consent_group(array[t.root]) g
    ), piece as (
      select t.root, t.purpose, s.subject, s.key, s.regime, channel, s.every_channel, s.allows, s.open, s.of_age, case when s.of_age is not null then s.of_age_at end as of_age_at,
        unnest(range_agg(tstzrange(s.from_at, s.until_at))) as during
      from target t join probity.permission_span s on s.subject = t.subject and s.key = t.key and s.purpose = t.purpose
      cross join unnest(case when s.every_channel then array['*'] else s.channels end) channel
      group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    )
    select t.root || ' ' || t.purpose as name, md5(coalesce((
      select jsonb_agg(jsonb_build_array(p.subject, p.key, p.regime, p.channel, p.every_channel, p.allows, p.open, p.of_age, p.of_age_at, lower(p.during), upper(p.during))
        order by p.subject, p.key, p.regime, p.channel, p.every_channel, p.allows, p.open, p.of_age, p.of_age_at, p.during)
      from piece p where p.root = t.root and p.purpose = t.purpose and upper(p.during) > ${cutOff}), '[]')::text) as state
    from (select distinct root, purpose from target) t`.execute(trx);
  return new Map(rows.map(({ name, state }) => [name, state]));
}

/** Contents of these people that bear on nothing any more. */
async function candidates(trx: Transaction<unknown>, roots: readonly string[], cutOff: Date): Promise<Candidate[]> {
  const { rows } = await sql<Candidate>`
    with source as (
      select it.root, it.root as ref, '-infinity'::timestamptz as linked from unnest(${roots}::uuid[]) it (root)
      union all
      select a.person, a.ref, a.linked_at from probity.consent_alias a where a.person = any (${roots}::uuid[])
    ), said as materialized (
      select s.root, s.linked, c.record_id, c.ref, c.purpose, c.channel, c.decision, c.at, c.received_at, c.given_by, c.expires_at,
        c.decision in ${NEGATIVE} as negative
      from source s join probity.consent_content c on c.ref = s.ref
    ), alive as materialized (
      select distinct s.root, p.purpose, p.during
      from (
        select sp.subject, sp.key, sp.purpose, unnest(range_agg(tstzrange(sp.from_at, sp.until_at, '[]'))) as during
        from source so join probity.consent_link l on l.ref = so.ref
        join probity.permission_span sp on sp.subject = l.subject and sp.key = l.key
        group by 1, 2, 3
      ) p
      join probity.consent_link l on l.subject = p.subject and l.key = p.key join source s on s.ref = l.ref
      where upper(p.during) > ${cutOff}
    ), effective as (
      select g.* from said g where g.decision = 'granted' and (
        not exists (select from probity.purpose_rule r where r.purpose = g.purpose and r.double_opt_in)
        or exists (
          select from said p where p.ref = g.ref and p.purpose = g.purpose and p.decision = 'pending' and p.channel is not distinct from g.channel
            and (p.at, p.received_at) <= (g.at, g.received_at)
            and not exists (
              select from said n where n.ref = g.ref and n.purpose = g.purpose and n.negative and (n.channel is null or n.channel is not distinct from g.channel)
                and (n.at, n.received_at) >= (p.at, p.received_at) and (n.at, n.received_at) <= (g.at, g.received_at))))
    ), old as materialized (
      select s.* from said s where s.at < ${cutOff}
        and not exists (select from alive a where a.root = s.root and a.purpose = s.purpose and a.during @> s.at)
    ), refusal as materialized (
      -- Taken back, in the same words: of the whole purpose, or of the same channel.
      select n.* from old n where n.negative and exists (
        select from effective g where g.root = n.root and g.purpose = n.purpose and g.channel is not distinct from n.channel and g.at < ${cutOff}
          and (g.at, g.received_at) > (n.at, n.received_at) and (g.ref = n.ref or g.at >= greatest(g.linked, n.linked)))
    ), restriction as materialized (
      select n.* from old n where n.decision = 'restricted' and exists (
        select from said d where d.root = n.root and d.purpose = n.purpose and d.decision = 'restriction_lifted' and d.at < ${cutOff}
          and (d.at, d.received_at) > (n.at, n.received_at) and (d.ref = n.ref or d.at >= greatest(d.linked, n.linked)))
    ), grant_over as materialized (
      select g.* from old g where g.decision = 'granted'
        and (
          g.expires_at < ${cutOff}
          or exists (select from probity.purpose_rule r where r.purpose = g.purpose
            having bool_and(r.expires is not null and probity.add_duration(g.at, r.expires, r.zone) < ${cutOff}))
          or exists (
            select from said n where n.root = g.root and n.purpose = g.purpose and n.negative and (n.channel is null or n.channel = g.channel) and n.at < ${cutOff}
              and not ((g.at, g.received_at) > (n.at, n.received_at) and (n.ref = g.ref or g.at >= greatest(n.linked, g.linked))
                and (n.channel is null or g.channel is not null)))
          or exists (
            select from effective l where l.ref = g.ref and l.purpose = g.purpose and l.channel is not distinct from g.channel and l.at < ${cutOff}
              and (l.at, l.received_at) > (g.at, g.received_at) and (l.given_by = 'parent' or g.given_by = 'self')))
        -- A refusal that stays must not lose its answer.
        and not exists (
          select from said n where n.root = g.root and n.purpose = g.purpose and n.negative and (n.channel is null or n.channel is not distinct from g.channel)
            and (g.at, g.received_at) > (n.at, n.received_at) and not exists (select from refusal it where it.record_id = n.record_id))
    ), offer as (
      select p.* from old p where p.decision in ('asked', 'pending')
        and exists (
          select from said l where l.ref = p.ref and l.purpose = p.purpose and (l.channel is null or l.channel is not distinct from p.channel)
            and l.at < ${cutOff} and (l.at, l.received_at) > (p.at, p.received_at))
        and not exists (
          select from said g where g.ref = p.ref and g.purpose = p.purpose and g.channel is not distinct from p.channel and g.decision = 'granted'
            and (g.at, g.received_at) >= (p.at, p.received_at) and not exists (select from grant_over it where it.record_id = g.record_id))
    ), verdict as (
      select d.* from old d where d.decision = 'objection_rejected' and not exists (
        select from said n where n.root = d.root and n.purpose = d.purpose and n.decision = 'objected' and (n.at, n.received_at) <= (d.at, d.received_at)
          and not exists (select from refusal it where it.record_id = n.record_id))
    ), lift as (
      select d.* from old d where d.decision = 'restriction_lifted' and not exists (
        select from said n where n.root = d.root and n.purpose = d.purpose and n.decision = 'restricted' and (n.at, n.received_at) <= (d.at, d.received_at)
          and not exists (select from restriction it where it.record_id = n.record_id))
    )
    select it.record_id as "recordId", it.root::text as root, it.purpose, it.decision
    from (
      select record_id, root, purpose, decision from refusal
      union all select record_id, root, purpose, decision from restriction
      union all select record_id, root, purpose, decision from grant_over
      union all select record_id, root, purpose, decision from offer
      union all select record_id, root, purpose, decision from verdict
      union all select record_id, root, purpose, decision from lift
    ) it order by it.record_id`.execute(trx);
  return rows;
}

/**
 * Deletes the links of people about whom nothing is left. A recorder that found a link just before must not lose its record: so recorders,
 * who all begin by writing to this table, wait meanwhile. Links of an open request stay.
 */
async function pruneLinks(home: Store): Promise<{ readonly links: number; readonly linksDone: boolean }> {
  const empty = sql`
    select l.ref from probity.consent_link l
    where not exists (select from probity.consent_content c where c.ref = l.ref)
      and not exists (select from probity.request r where r.ref = l.ref and r.closed_at is null)
      and not exists (
        select from probity.consent_alias a
        join probity.consent_alias o on o.person = a.person
        where l.ref in (a.ref, a.person)
          and (exists (select from probity.consent_content c where c.ref in (o.ref, o.person))
            or exists (select from probity.request r where r.ref in (o.ref, o.person) and r.closed_at is null)))`;
  try {
    const links = await inTransaction(home, { lockTimeoutMs: LINK_LOCK_MS }, async (trx) => {
      const { rows: found } = await sql<{ ref: string }>`${empty}`.execute(trx);
      if (found.length === 0) return 0;
      await sql`lock table probity.consent_link in share row exclusive mode`.execute(trx);
      const { rows } = await sql<{ ref: string }>`
        delete from probity.consent_link d where d.ref = any (${found.map(({ ref }) => ref)}::uuid[]) and d.ref in (${empty}) returning d.ref`.execute(
        trx,
      );
      return rows.length;
    });
    return { links, linksDone: true };
  } catch (error) {
    if ((error as { kind?: unknown }).kind === 'busy') return { links: 0, linksDone: false };
    throw error;
  }
}
