import { proxyActivities } from '@temporalio/workflow';
import type { ObligationActivities } from '../activities/obligations.ts';

const { openObligation, closeObligation } = proxyActivities<ObligationActivities>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});
const { eraseObliged } = proxyActivities<ObligationActivities>({
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

export interface ObligationResult {
  readonly obligation: string;
  /** `open`: further rows wait for a later day. `waiting`: a hold, or a manifest that only observes; it is looked at again each day. */
  readonly state: 'discharged' | 'open' | 'waiting' | 'over' | 'unknown';
  readonly serial: number | null;
}

/**
 * Erases the rows of an obligation whose day has come, reads them again, and certifies. Its truth is its row and the store's ledger, so it carries its
 * number only, and may be started again at any time.
 */
export async function obligation(id: string): Promise<ObligationResult> {
  const { state, runId } = await openObligation(id);
  if (state !== 'running') return { obligation: id, state, serial: null };
  await eraseObliged({ id, runId });
  return { obligation: id, ...(await closeObligation({ id, runId })) };
}
