import { ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { ErasureActivities } from '../activities/erasures.ts';
import { tellRecipients } from './notices.ts';

const { openErasure, finishErasure } = proxyActivities<ErasureActivities>({
  startToCloseTimeout: '30 minutes',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});
/** A store may take hours for somebody with very many rows; every chunk of it is kept, whatever becomes of the call. */
const { eraseStore, scanStore } = proxyActivities<ErasureActivities>({
  startToCloseTimeout: '12 hours',
  heartbeatTimeout: '15 seconds',
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

export interface ErasureResult {
  readonly requestId: string;
  /** `waiting`, `drifted`, `held` and `hits` wait for a person, `recipients` for an answer; what they do starts it again. */
  readonly state: 'closed' | 'waiting' | 'drifted' | 'held' | 'hits' | 'recipients' | 'incomplete' | 'over' | 'unknown';
  readonly serial: number | null;
}

/**
 * Carries out a request that was approved: erases in each store, searches each for what is left, and certifies. The request's truth is its
 * row and the stores' ledgers, so the workflow carries its number only, and may be started again at any time.
 */
export async function erasure(requestId: string): Promise<ErasureResult> {
  const { state, stores } = await openErasure(requestId);
  if (state !== 'running') return { requestId, state, serial: null };
  const all = Array.from({ length: stores }, (_, index) => index);
  await Promise.all(all.map((index) => eraseStore({ requestId, index })));
  await Promise.all(all.map((index) => scanStore({ requestId, index })));
  let finished = await finishErasure(requestId);
  if (finished.state === 'recipients') {
    await tellRecipients(requestId);
    finished = await finishErasure(requestId);
  }
  if (finished.state === 'incomplete')
    throw ApplicationFailure.create({
      type: 'rows left',
      message: 'Rows come faster than they go: see what writes them',
      nonRetryable: true,
    });
  return { requestId, state: finished.state, serial: finished.serial };
}
