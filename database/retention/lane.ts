import type { Transaction } from 'kysely';
import type { Unit } from '../../domain/retention/plan.ts';
import { StoreError } from '../errors.ts';
import type { Faults } from '../faults.ts';
import type { ActiveHolds } from '../holds.ts';
import { changedInUnit, lastStep, restored, takeStep, type Step, type StepEffect } from '../ledger.ts';
import { changeRange, type Change } from './change.ts';
import { nextKeysetRange, type KeysetPosition } from './keyset.ts';
import { FIRST_BLOCKS, Pace } from './pace.ts';
import { nextPlace } from './probe.ts';
import { between, halfWay, OFFSETS, placeInStripe, tid, type Position } from './position.ts';
import { targetChange, type Target } from './target.ts';
import type { Condition } from './times.ts';
import { changeTree, needsTree } from './tree.ts';
import { blockCount } from './units.ts';
import { stepRequest, type LaneWork } from './work.ts';

/** What a lane needs from whoever drives it. */
export interface LaneControl {
  /** Asked between batches; true ends the call, not the work. */
  readonly stop: () => boolean;
  /** Called after each batch. */
  readonly beat: (progress: { readonly steps: number; readonly changed: number }) => void | Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly now: () => number;
  readonly faults: Faults;
}

export interface LaneResult {
  readonly done: boolean;
  /** Last step of the lane. */
  readonly seq: number;
  /** By this call alone. */
  readonly changed: number;
  readonly steps: number;
}

/** Where a lane stands: recorded with each step, and the only truth about it. */
interface LaneCursor {
  readonly table: number;
  readonly pass: number;
  /** Index into the units. */
  readonly unit: number;
  readonly at: Position | KeysetPosition | null;
  readonly blocks: number;
  /** Rows given up so far in this pass. */
  readonly failed: number;
}

// Long enough for a batch of the target's length on a struggling server; beyond it the batch is halved.
const STATEMENT_TIMEOUT_MS = 10_000;
// We wait for others at most this long, since what we have changed waits with us.
const LOCK_TIMEOUT_MS = 100;
// Rests after lock waits: 100, 200, 400 milliseconds; then the range is halved around whoever is in the way.
const BUSY_REST_MS = 50;
const BUSY_ATTEMPTS = 4;
// A table on which this many single rows fail has a cause that a person should find first.
export const MAX_FAILED_ROWS = 1_000;
const FIRST_KEYSET_ROWS = 1_000;
const MAX_KEYSET_ROWS = 50_000;

/** Works until the lane's share is done or `stop` says so. Everything that happened is in the ledger when it returns. */
export async function runLane(work: LaneWork, control: LaneControl): Promise<LaneResult> {
  const last = await lastStep(work.target.store.db, work.runId, work.lane);
  const seq = last?.body.seq ?? 0;
  if (seq < work.knownSteps) throw restored(work.target.store.name, work.target.plan.table);
  return new Lane(work, control, seq, cursorOf(last, work)).run();
}

function cursorOf(last: Step | null, work: LaneWork): LaneCursor {
  const cursor = (last?.cursor ?? null) as LaneCursor | null;
  if (cursor !== null && cursor.table === work.tableIndex && cursor.pass === work.pass) return cursor;
  return { table: work.tableIndex, pass: work.pass, unit: 0, at: null, blocks: FIRST_BLOCKS, failed: 0 };
}

type Act = (
  change: Change,
  trx: Transaction<unknown>,
) => Promise<{ readonly range: string; readonly counts: Record<string, number>; readonly at: LaneCursor['at'] }>;

class Lane {
  #seq: number;
  #cursor: LaneCursor;
  #changed = 0;
  #steps = 0;
  #busy = 0;
  readonly #work: LaneWork;
  readonly #control: LaneControl;
  readonly #pace: Pace;

  constructor(work: LaneWork, control: LaneControl, seq: number, cursor: LaneCursor) {
    this.#work = work;
    this.#control = control;
    this.#seq = seq;
    this.#cursor = cursor;
    this.#pace = new Pace(work.pacing, cursor.blocks);
  }

  async run(): Promise<LaneResult> {
    const { units, lane } = this.#work;
    for (let index = this.#cursor.unit; index < units.length; index++) {
      const unit = units[index];
      if (unit === undefined) break;
      if (index !== this.#cursor.unit) this.#cursor = { ...this.#cursor, unit: index, at: null };
      const finished = await this.#walk(unit, lane);
      if (!finished) return this.#result(false);
    }
    return this.#result(true);
  }

  #result(done: boolean): LaneResult {
    return { done, seq: this.#seq, changed: this.#changed, steps: this.#steps };
  }

  async #walk(unit: Unit, lane: number): Promise<boolean> {
    if (unit.strategy.kind === 'blocks') return this.#blocks(unit);
    // Few rows: one lane is enough, and two would meet on the same index pages.
    if (unit.strategy.kind === 'keyset' && lane === 0) return this.#keyset(unit, unit.strategy.column);
    return true;
  }

  /** Walks a heap by ranges of blocks; a range that fails is halved until the row that fails stands alone. */
  async #blocks(unit: Unit): Promise<boolean> {
    const { lane, lanes, target } = this.#work;
    const blocks = await blockCount(target.store.db, unit.oid);
    // The end of a range that is known to hold a row that fails.
    let suspect: Position | null = null;
    // Rows that fail often stand together: behind one the lane feels its way in strides that double, so that each costs a statement or two.
    let stride = Infinity;
    // The last batch found nothing: what follows is looked through before anything is locked.
    let empty = false;
    for (;;) {
      const place = placeInStripe({ blocks, lane, lanes }, typeof this.#cursor.at === 'number' ? this.#cursor.at : 0);
      if (place === null) return true;
      if (this.#control.stop()) return false;
      const { from, stripeEnd } = place;
      if (empty && suspect === null) {
        if (await this.#allGone(unit)) return true;
        const { at, found } = await nextPlace(target, unit, from, stripeEnd);
        this.#cursor = { ...this.#cursor, at };
        empty = !found;
        continue;
      }
      const end: Position =
        suspect === null
          ? Math.min(from + Math.min(this.#pace.blocks * OFFSETS, stride), stripeEnd)
          : Math.max(from + 1, halfWay(from, suspect));
      const range = `${unit.table} ${tid(from)}–${tid(end)}`;
      const started = this.#control.now();
      const failure = await this.#attempt(unit, 'blocks', async (change, trx) => ({
        range,
        counts: await changeUnit(trx, change, between(from, end)),
        at: end,
      }));
      if (failure === null) {
        empty = this.#lastChanged === 0;
        if (suspect === null && stride >= this.#pace.blocks * OFFSETS) {
          stride = Infinity;
          this.#pace.learn(this.#lastChanged, (end - from) / OFFSETS, this.#control.now() - started);
        } else if (suspect === null) stride *= 2;
        else if (end >= suspect) suspect = null;
        await this.#control.sleep(this.#pace.rest(this.#control.now() - started));
      } else if (await this.#worthWaiting(failure)) {
        this.#pace.shrink();
      } else if (end - from > 1) {
        suspect = end;
      } else {
        await this.#giveUp(unit, failure, range, end);
        suspect = null;
        stride = 1;
      }
    }
  }

  /**
   * Every row that the plan counted here has gone, by whichever lane: the rest need not be walked, since the recheck looks at it anyway and
   * sends another pass should rows have come meanwhile.
   */
  async #allGone(unit: Unit): Promise<boolean> {
    const { target, runId, pass } = this.#work;
    return pass === 0 && (await changedInUnit(target.store.db, runId, unit.table)) >= unit.rows;
  }

  /** Walks the index over the rule's time column. After a failure the rest is left to the next pass, which goes by blocks. */
  async #keyset(unit: Unit, column: string): Promise<boolean> {
    let limit = FIRST_KEYSET_ROWS;
    for (;;) {
      if (this.#control.stop()) return false;
      const at = this.#cursor.at as KeysetPosition | null;
      const started = this.#control.now();
      let finished = false;
      const failure = await this.#attempt(unit, 'keyset', async (change, trx) => {
        const next = await nextKeysetRange(trx, change, column, at, limit);
        finished = next === null;
        if (next === null) return { range: `${unit.table} end of ${column}`, counts: {}, at };
        return { range: `${unit.table} along ${column}`, counts: await changeUnit(trx, change, next.range), at: next.next };
      });
      if (finished) return true;
      if (failure === null) {
        const took = Math.max(1, this.#control.now() - started);
        limit = Math.min(MAX_KEYSET_ROWS, limit * 2, Math.max(1, Math.floor((limit * this.#work.pacing.batchMs) / took)));
        await this.#control.sleep(this.#pace.rest(took));
      } else if (await this.#worthWaiting(failure)) limit = Math.max(1, Math.floor(limit / 2));
      else return true;
    }
  }

  #lastChanged = 0;

  /** Takes the lane's next step. Returns what stood in its way when that was a row or a lock; everything else is thrown. */
  async #attempt(unit: Unit, kind: string, act: Act): Promise<StoreError | null> {
    const { target } = this.#work;
    const limits = { lockTimeoutMs: LOCK_TIMEOUT_MS, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
    const request = stepRequest(this.#work, this.#work.lane, this.#seq + 1, kind, limits);
    const perform = async (trx: Transaction<unknown>, holds: ActiveHolds): Promise<StepEffect> => {
      const { range, counts, at } = await act(targetChange(target, holds, unit), trx);
      return { range, counts, cursor: { ...this.#cursor, at, blocks: this.#pace.blocks } satisfies LaneCursor };
    };
    try {
      await this.#taken(await takeStep(target.store, request, perform, this.#control.faults));
      this.#busy = 0;
      return null;
    } catch (error) {
      if (error instanceof StoreError && ['busy', 'constraint', 'raised'].includes(error.kind)) return error;
      throw error;
    }
  }

  /** The record decides where the lane stands, also when another worker has written it. */
  async #taken(step: Step): Promise<void> {
    this.#seq = step.body.seq;
    this.#cursor = step.cursor as LaneCursor;
    this.#lastChanged = (step.body.counts['erased'] ?? 0) + (step.body.counts['masked'] ?? 0);
    this.#changed += this.#lastChanged;
    this.#steps += 1;
    await this.#control.faults('before heartbeat');
    await this.#control.beat({ steps: this.#steps, changed: this.#changed });
  }

  async #worthWaiting(failure: StoreError): Promise<boolean> {
    if (failure.kind !== 'busy' || this.#busy >= BUSY_ATTEMPTS) return false;
    this.#busy += 1;
    await this.#control.sleep(BUSY_REST_MS * 2 ** this.#busy);
    return true;
  }

  /** Records one row that cannot be changed, and passes it. */
  async #giveUp(unit: Unit, failure: StoreError, range: string, at: Position): Promise<void> {
    if (this.#cursor.failed >= MAX_FAILED_ROWS) throw tooManyFailures(this.#work.target, failure);
    this.#cursor = { ...this.#cursor, failed: this.#cursor.failed + 1 };
    const problem = await this.#attempt(unit, 'failed', () => Promise.resolve({ range, counts: { [`failed:${failure.code}`]: 1 }, at }));
    if (problem !== null) throw problem;
  }
}

/** Changes the rows of a range in the way that the table needs. Returns counts by outcome. */
async function changeUnit(trx: Transaction<unknown>, change: Change, range: Condition): Promise<Record<string, number>> {
  const outcome = change.action.kind === 'mask' ? 'masked' : 'erased';
  const table = change.scope.catalog.tables[change.unit];
  if (table !== undefined && needsTree(table, change.predicates.tree, change.action.kind)) {
    const { changed, along } = await changeTree(trx, change, range);
    return { [outcome]: changed, ...along };
  }
  return { [outcome]: await changeRange(trx, change, range) };
}

function tooManyFailures({ store, plan }: Target, failure: StoreError): StoreError {
  const sentence = `more than ${MAX_FAILED_ROWS} rows could not be changed; the last failed with ${failure.code}`;
  return new StoreError({ store: store.name, table: plan.table, code: 'PB005', kind: 'other', retryable: false, sentence });
}
