import { randomUUID } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { EMAIL } from '../../domain/serving/replica.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { noLoopFaults, type LoopFaults } from '../faults.ts';
import { releaseLease, takeLease, type Lease } from '../lease.ts';
import { currentManifest } from '../runs.ts';
import { inTransaction, type Store } from '../store.ts';
import { forgetPseudonyms } from '../views/kept.ts';
import { lagWindow, type Lag } from './lag.ts';
import {
  addressPage,
  answersFor,
  byAddress,
  byKey,
  changesApplied,
  forgetAddresses,
  noteAddresses,
  pendingChanges,
  questionsOf,
  type Answers,
  type Questions,
} from './replica-home.ts';
import {
  addToRefresh,
  beginRefresh,
  closeServing,
  extendLease,
  finishRefresh,
  replicaState,
  writeSpans,
  type Origin,
} from './replica-store.ts';

/** Changes taken at a time: some hundred milliseconds of work, well within a lease. */
const CHANGES_AT_ONCE = 1_000;
/** People whose answers are read at a time in a full refresh; between two such chunks changes come first. */
const PEOPLE_AT_ONCE = 500;
/** Who replicates keeps the right for this long after its last sign of life: another takes over well within the replica's lease of 5 s. */
const LEADER_MS = 3_000;
const RENEW_MS = 1_000;
/** The replica's own lease is extended no more often than this. */
const EXTEND_MS = 500;
/** Closed accounts, moves and birthdays come without a word; what they change is noticed within this time. */
export const REFRESH_EVERY_MS = 10 * 60_000;
/** A process that is frozen between reading and writing holds rows of the home store: the server ends its session, and its successor goes on. */
const HOME_TRANSACTION = { settings: { idle_in_transaction_session_timeout: '5000' } };
const LEADER = 'probity replica';
const NO_REFRESH = '00000000-0000-0000-0000-000000000000';

export interface ReplicatorOptions {
  readonly home: Store;
  readonly store: Store;
  /** Names this process among all that might replicate. */
  readonly workerId: string;
  readonly refreshEveryMs?: number;
  readonly faults?: LoopFaults;
}

export interface Replicator {
  /** Does what there is to do now. `busy`: there is more. */
  readonly tick: () => Promise<{ readonly busy: boolean; readonly leader: boolean }>;
  readonly lag: () => Lag | null;
  /** Lets another process replicate at once. */
  readonly stop: () => Promise<void>;
}

interface Refresh {
  readonly id: string;
  readonly origin: Origin;
  /** Subjects whose people are still to be read, the current one first; then the addresses. */
  readonly subjects: readonly string[];
  readonly after: readonly string[] | null;
  /** The last address that was read; null before the first. */
  readonly address: string | null;
}

/**
 * Keeps one store's replica of the home store's answers. One process at a time does it: whoever has the lease in the store, by the fence of
 * which one that was thought dead is shut out. The order of things is what makes it safe: the store's clock is read first, then the home
 * store, then the store is written, then the changes are struck off; a kill in between repeats, and loses nothing.
 */
export function replicator(options: ReplicatorOptions): Replicator {
  const { home, store, workerId, refreshEveryMs = REFRESH_EVERY_MS, faults = noLoopFaults } = options;
  const lags = lagWindow();
  let lease: Lease | null = null;
  let leasedAt = 0;
  let extendedAt = 0;
  let manifest: { readonly hash: string; readonly manifest: Manifest; readonly questions: Questions } | null = null;
  let refresh: Refresh | null = null;
  let refreshAt = 0;

  return { tick, lag: lags.read, stop: letGo };

  async function tick(): Promise<{ busy: boolean; leader: boolean }> {
    try {
      if (!(await lead())) return { busy: false, leader: false };
      return { busy: await work(), leader: true };
    } catch (error) {
      // What we had sent may still be on its way into the store: only a new fence shuts it out.
      await letGo().catch(() => undefined);
      throw error;
    }
  }

  async function lead(): Promise<boolean> {
    const now = performance.now();
    if (lease !== null && now - leasedAt < RENEW_MS) return true;
    const before = lease?.fence;
    lease = await takeLease(store, LEADER, workerId, LEADER_MS);
    leasedAt = now;
    if (lease?.fence !== before) [refresh, refreshAt] = [null, 0];
    return lease !== null;
  }

  async function letGo(): Promise<void> {
    const held = lease;
    [lease, refresh] = [null, null];
    if (held !== null) await releaseLease(store, held);
  }

  async function work(): Promise<boolean> {
    const held = leader();
    const { questions, leaseMs, origin, open } = await ask();
    if (!open) {
      await closeServing(store, held);
      return false;
    }
    const { clock, whole } = await replicaState(store, origin);
    const { more, readAt } = await takeChanges(questions, held);
    const now = performance.now();
    if (whole && !more && now - extendedAt >= EXTEND_MS) {
      await extendLease(store, held, origin, clock, readAt, leaseMs);
      extendedAt = now;
      await tell(readAt);
    }
    const due = !whole || now >= refreshAt;
    if (refresh?.origin.home !== origin.home || refresh.origin.rulesHash !== origin.rulesHash) refresh = null;
    if (!due && refresh === null) return more;
    return (await goOnRefreshing(questions, origin, held)) || more;
  }

  /** The manifest in force, and what the home store is. */
  async function ask(): Promise<{ questions: Questions; leaseMs: number; origin: Origin; open: boolean }> {
    const { rows } = await sql<{ home: string; open: boolean; hash: string | null }>`
      select probity.incarnation() as home, probity.serving_open() as open,
        (select hash from probity.manifest_version order by version desc limit 1) as hash`.execute(home.db);
    const [state] = rows;
    if (state === undefined || state.hash === null) return { ...NOTHING, open: false };
    if (manifest?.hash !== state.hash) {
      const current = await currentManifest(home.db);
      if (current === null) return { ...NOTHING, open: false };
      manifest = {
        hash: current.hash,
        manifest: current.manifest,
        questions: questionsOf(current.manifest, await readCatalog(home), store.name),
      };
    }
    const { questions } = manifest;
    const sink = (manifest.manifest.sink ?? null) !== null;
    return {
      questions,
      leaseMs: manifest.manifest.replicas.leaseMs,
      origin: { home: state.home, rulesHash: questions.rulesHash, sink },
      open: state.open,
    };
  }

  async function takeChanges(questions: Questions, held: Lease): Promise<{ more: boolean; readAt: Date }> {
    return inTransaction(home, HOME_TRANSACTION, async (trx) => {
      const readAt = await now(trx);
      const changes = await pendingChanges(trx, store.name, CHANGES_AT_ONCE);
      if (changes.length === 0) return { more: false, readAt };
      const { targets, spans } = await answersFor(trx, questions, changes, refresh?.id ?? NO_REFRESH);
      await faults('replica after read');
      await writeSpans(store, held, questions.needs.purposes, targets, spans, refresh !== null);
      await faults('replica after write');
      const done = await changesApplied(trx, store.name, changes);
      for (const { createdAt } of changes) lags.add(done.getTime() - createdAt.getTime());
      return { more: changes.length === CHANGES_AT_ONCE, readAt };
    });
  }

  /** One chunk of a full refresh. Returns whether there is more of it. */
  async function goOnRefreshing(questions: Questions, origin: Origin, held: Lease): Promise<boolean> {
    if (refresh === null) {
      await beginRefresh(store, held);
      refresh = { id: randomUUID(), origin, subjects: [...questions.people.keys()], after: null, address: null };
      return true;
    }
    const current = refresh;
    const [subject, ...others] = current.subjects;
    const next = await inTransaction(home, HOME_TRANSACTION, async (trx): Promise<Refresh | null> => {
      if (subject !== undefined) {
        const { answers, last, full } = await people(trx, questions, subject, current);
        await addToRefresh(store, held, questions.needs.purposes, answers.targets, answers.spans);
        if (full) return { ...current, after: last };
        if (others.length === 0) await forgetAddresses(trx, store.name, current.id);
        return { ...current, subjects: others, after: null };
      }
      if (questions.needs.emails.length === 0) return null;
      const hashes = await addressPage(trx, store.name, current.address ?? '', PEOPLE_AT_ONCE);
      const answers = await byAddress(trx, questions, hashes);
      await addToRefresh(store, held, questions.needs.purposes, answers.targets, answers.spans);
      return hashes.length === PEOPLE_AT_ONCE ? { ...current, address: hashes.at(-1) ?? '' } : null;
    });
    await faults('refresh after chunk');
    if (next !== null) {
      refresh = next;
      return true;
    }
    refresh = null;
    if (!(await finishRefresh(store, held, origin))) return true;
    await forgetPseudonyms(store);
    await faults('refresh after swap');
    refreshAt = performance.now() + refreshEveryMs;
    extendedAt = 0;
    return true;
  }

  async function people(
    trx: Transaction<unknown>,
    questions: Questions,
    subject: string,
    { id, after }: Refresh,
  ): Promise<{ answers: Answers; last: readonly string[] | null; full: boolean }> {
    const page = (await questions.people.get(subject)?.page(trx, after, PEOPLE_AT_ONCE)) ?? [];
    const keys = page.map(({ key }) => key);
    if (questions.needs.emails.includes(subject)) await noteAddresses(trx, store.name, subject, keys, page, id);
    const wanted = questions.needs.keys.includes(subject) && subject !== EMAIL;
    const answers = wanted ? await byKey(trx, questions, subject, keys) : { targets: [], spans: [] };
    return { answers, last: page.at(-1)?.position ?? null, full: page.length === PEOPLE_AT_ONCE };
  }

  /** For whoever asks how far we are. */
  async function tell(readAt: Date): Promise<void> {
    await sql`update probity.replica set caught_up_at = ${readAt}, lag = ${JSON.stringify(lags.read())}::jsonb where store = ${store.name}`.execute(
      home.db,
    );
  }

  function leader(): Lease {
    if (lease === null) throw new Error('nobody works without the lease');
    return lease;
  }
}

const NOTHING = {
  questions: { store: '', needs: { purposes: [], keys: [], emails: [] }, people: new Map(), rulesHash: '' } satisfies Questions,
  leaseMs: 0,
  origin: { home: '', rulesHash: '', sink: false } satisfies Origin,
};

async function now(trx: Transaction<unknown>): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx);
  return rows[0]?.now ?? new Date(0);
}
