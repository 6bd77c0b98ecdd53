import { CLOSING, isHeld } from '../../domain/requests/outcome.ts';
import { noFaults, type Faults } from '../faults.ts';
import { runRecords, takeStep, type StepRequest } from '../ledger.ts';
import { releaseLease, takeLease, whileLeased, type Lease } from '../lease.ts';
import type { Store } from '../store.ts';
import { eraseChunk } from './erasure/chunk.ts';
import { verifyErasure } from './erasure/count.ts';
import { countKeys, type HeldElsewhere, type People } from './erasure/keys.ts';
import type { ErasureTarget } from './erasure/target.ts';

/** All chunks of a run go through one lane of each store: one chain of evidence. */
const LANE = 0;
/** An application that keeps a row locked for longer is asked again later. Milliseconds. */
const LOCK_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 600_000;
/** Rows that come while it works are taken by another pass; an application that writes them faster must be told, not raced. */
const MOST_PASSES = 5;

export interface Carried {
  /** Steps of the store's chain that are known to be committed. */
  readonly seq: number;
  /** Rows that would still be deleted or masked; more than none when rows came faster than they went. */
  readonly remaining: number;
}

/** How the rows of one class of a run's people go in a store. */
export interface ClassTarget {
  readonly class: number;
  readonly target: ErasureTarget;
}

/**
 * Takes every table that the erasure changes for the run, all or none. Returns null, without waiting, while another run has one. In the tables' order by
 * name, so that two runs cannot each hold what the other waits for.
 */
export async function takeTables(store: Store, targets: readonly ClassTarget[], runId: string): Promise<Lease[] | null> {
  const taken: Lease[] = [];
  for (const table of [...new Set(targets.flatMap(({ target }) => target.tables.map(({ name }) => name)))].sort()) {
    const lease = await takeLease(store, table, runId);
    if (lease === null) {
      await releaseTables(store, taken);
      return null;
    }
    taken.push(lease);
  }
  return taken;
}

export async function releaseTables(store: Store, leases: readonly Lease[]): Promise<void> {
  for (const lease of leases) await releaseLease(store, lease);
}

export interface CarryingRun {
  readonly runId: string;
  readonly incarnation: string;
  readonly leases: readonly Lease[];
  /** Asks, before each chunk, who is held by what other stores say; see `heldAnywhere`. Left out: nobody. */
  readonly heldElsewhere?: () => Promise<readonly HeldElsewhere[]>;
}

/** Of whom the rows are read again. */
type Whose = Required<Pick<CarryingRun, 'runId' | 'heldElsewhere'>>;

export interface CarryOptions {
  /** Called after each transaction with how many chunks were taken, and of how many. */
  readonly beat: (done: number, of: number) => void;
  readonly faults?: Faults;
  /** Also behind a closing statement that leaves nothing, since rows are known to have come. */
  readonly again?: boolean;
}

/**
 * Carries out an erasure in one store, of all classes: each chunk of people is a step of the ledger, then every planned row is read again, and
 * what is found is taken by another pass. The last step is the closing statement. Repeating it goes on behind the last step that was committed.
 */
export async function carryOut(
  store: Store,
  targets: readonly ClassTarget[],
  { runId, incarnation, leases, heldElsewhere = () => Promise.resolve([]) }: CarryingRun,
  { beat, faults = noFaults, again = false }: CarryOptions,
): Promise<Carried> {
  const [lease, ...furtherLeases] = leases;
  if (lease === undefined) return { seq: 0, remaining: 0 };
  // A lost lease is noticed by the next step.
  return whileLeased(store, leases, async () => {
    const chunks = await chunksOf(store, targets, runId);
    const steps = (await runRecords(store.db, runId)).map(({ body }) => body).filter(({ lane }) => lane === LANE);
    const last = steps.at(-1);
    let seq = last?.seq ?? 0;
    // Nothing is left of this call but its answer. What is held may have been released meanwhile.
    if (!again && last?.kind === CLOSING && !isHeld(last) && last.counts['remaining'] === 0) return { seq, remaining: 0 };
    let taken = steps.length - 1 - steps.findLastIndex(({ kind }) => kind === CLOSING);
    const step = (): Omit<StepRequest, 'runId' | 'kind' | 'pass' | 'cutOff'> => ({
      lane: LANE,
      seq: seq + 1,
      lease,
      furtherLeases,
      incarnation,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    });
    for (let pass = Math.floor(taken / chunks.length); ; pass++) {
      for (const { target, people } of chunks.slice(taken % chunks.length)) {
        await eraseChunk(target, { ...people, heldElsewhere: await heldElsewhere() }, step(), { step: faults });
        seq += 1;
        taken += 1;
        beat(taken, chunks.length);
      }
      const found = await verify(targets, { runId, heldElsewhere }, () => beat(taken, chunks.length));
      if (found.remaining > 0 && pass + 1 < MOST_PASSES) continue;
      const body = { range: `at ${found.snapshot}`, counts: { ...found.counts, remaining: found.remaining }, cursor: null };
      await takeStep(store, { ...step(), runId, kind: CLOSING, pass, cutOff: null }, () => Promise.resolve(body), faults);
      return { seq: seq + 1, remaining: found.remaining };
    }
  });
}

/**
 * Rows that would be deleted or masked by now: those that came behind the closing statement. They stand where the plan's rows stood, so a search
 * takes them for what is kept.
 */
export async function cameMeanwhile(targets: readonly ClassTarget[], run: Whose, beat: () => void): Promise<number> {
  if (targets.every(({ target }) => target.tables.length === 0)) return 0;
  return (await verify(targets, run, beat)).remaining;
}

interface Chunk {
  readonly target: ErasureTarget;
  readonly people: People & { readonly chunk: number };
}

async function chunksOf(store: Store, targets: readonly ClassTarget[], runId: string): Promise<Chunk[]> {
  return (await countKeys(store, runId)).chunks.flatMap(({ chunk, class: of }): Chunk[] => {
    const found = targets.find((it) => it.class === of);
    return found === undefined ? [] : [{ target: found.target, people: { runId, chunk, class: of } }];
  });
}

/** After all chunks, a class at once: what one person's rows pin may go with somebody else's. */
async function verify(
  targets: readonly ClassTarget[],
  { runId, heldElsewhere }: Whose,
  beat: () => void,
): Promise<{ remaining: number; counts: Record<string, number>; snapshot: string }> {
  const counts: Record<string, number> = {};
  let remaining = 0;
  let snapshot = '';
  const held = await heldElsewhere();
  for (const { class: of, target } of targets) {
    const found = await verifyErasure(target, { runId, chunk: null, class: of, heldElsewhere: held });
    remaining += found.remaining;
    snapshot = found.snapshot;
    for (const [name, rows] of Object.entries(found.counts)) counts[name] = (counts[name] ?? 0) + rows;
    beat();
  }
  return { remaining, counts, snapshot };
}

/** Whether the last closing statement says that rows are held: a search would find what cannot go yet, and is made once it has gone. */
export async function closedHeld(store: Store, runId: string): Promise<boolean> {
  const last = (await runRecords(store.db, runId)).map(({ body }) => body).findLast(({ kind }) => kind === CLOSING);
  return last !== undefined && isHeld(last);
}
