import { StoreError } from '../../errors.ts';
import type { Faults } from '../../faults.ts';
import { takeStep, type Step, type StepRequest } from '../../ledger.ts';
import { change, deleteDirectly, directTables, maySwallow, swallowed } from './change.ts';
import { lookAt } from './judge.ts';
import type { People } from './keys.ts';
import { enterAll, lookedAt, settleEntered } from './look.ts';
import { createRows } from './rows.ts';
import type { ErasureTarget } from './target.ts';

/** Instants inside a step at which tests stop it; nothing has committed at any of them. */
export const ERASURE_FAULT_POINTS = [
  'erasure after locks',
  'erasure after direct',
  'erasure after settling',
  'erasure after change',
] as const;
export type ErasureFaultPoint = (typeof ERASURE_FAULT_POINTS)[number];

export interface ChunkFaults {
  readonly step: Faults;
  readonly inside?: (point: ErasureFaultPoint) => void | Promise<void>;
}

/** Where the step stands in the ledger; the leases are of all tables in the erasure, the one that it is recorded under first. */
export type ChunkStep = Pick<
  StepRequest,
  'lane' | 'seq' | 'lease' | 'furtherLeases' | 'incarnation' | 'lockTimeoutMs' | 'statementTimeoutMs'
>;

// A row that was written between two looks at a cycle of tables breaks a foreign key; the next attempt finds it. Endless would hide a wrong plan.
const MOST_ATTEMPTS = 3;
const FOREIGN_KEY_VIOLATION = '23503';

/**
 * Erases one chunk of people in one store: one step of the ledger, all or nothing. Returns what was done by outcome and table, or what was
 * recorded when the step had been taken before. Throws a `StoreError`; then nothing was changed.
 */
export async function eraseChunk(
  target: ErasureTarget,
  people: People & { readonly chunk: number },
  step: ChunkStep,
  faults: ChunkFaults,
): Promise<Step> {
  const request: StepRequest = { ...step, runId: people.runId, kind: 'erase', pass: 0, cutOff: null };
  for (let attempt = 1; ; attempt++) {
    try {
      return await takeStep(target.store, request, (trx, holds) => act(trx, holds), faults.step);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== FOREIGN_KEY_VIOLATION) throw error;
      if (attempt < MOST_ATTEMPTS) continue;
      // A row that a trigger kept still references one that is gone: the constraint speaks before anybody can count.
      const left = target.tables.find((table) => table.name === error.relation);
      throw left !== undefined && maySwallow(left.live) ? swallowed(target.store.name, left.name) : error;
    }
  }

  async function act(...[trx, holds]: Parameters<Parameters<typeof takeStep>[2]>): ReturnType<Parameters<typeof takeStep>[2]> {
    const at = async (point: ErasureFaultPoint): Promise<void> => faults.inside?.(point);
    await createRows(trx);
    const look = await lookAt(trx, target, people, holds, true);
    const direct = directTables(look);
    await enterAll(look, direct);
    await at('erasure after locks');
    const gone: Record<string, number> = {};
    for (const index of direct) {
      const rows = await deleteDirectly(look, index);
      if (rows > 0) gone[`erased:${target.tables[index]!.name}`] = rows;
    }
    await at('erasure after direct');
    await settleEntered(look);
    await at('erasure after settling');
    const { counts } = await lookedAt(look);
    await change(look);
    await at('erasure after change');
    return { range: `chunk ${people.chunk}`, counts: { ...gone, ...counts }, cursor: null };
  }
}
