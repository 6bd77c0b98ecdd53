import { ActivityFailure, isCancellation, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Analysed, ConsentActivities } from '../activities/consents.ts';
import type { ConsentsInput, ConsentsResult, SyncedSource } from './consents.types.ts';

/** Every activity beats once a second; a worker that has not for this long is replaced. */
const SIGN_OF_LIFE = '15 seconds';

const { consentSources, syncConsents } = proxyActivities<ConsentActivities>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: SIGN_OF_LIFE,
  retry: { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '30 seconds' },
});

/** Reads the company's own tables of consent into the ledger, one after the other. One that cannot be read does not keep the others. */
export async function consents(input: ConsentsInput): Promise<ConsentsResult> {
  const { runId } = workflowInfo();
  const sources: SyncedSource[] = [];
  for (const source of await consentSources(input.only)) sources.push(await synced(source, runId, input.full));
  return { outcome: sources.every(({ failure }) => failure === null) ? 'complete' : 'incomplete', sources };
}

async function synced(source: string, runId: string, full: boolean): Promise<SyncedSource> {
  const sum = { read: 0, recorded: 0, known: 0, rejected: 0 };
  let analysed: Analysed = 'not needed';
  try {
    for (let done = false; !done;) {
      const step = await syncConsents({ runId, source, full });
      sum.read += step.read;
      sum.recorded += step.recorded;
      sum.known += step.known;
      sum.rejected += step.rejected;
      ({ done, analysed } = step);
    }
    return { source, ...sum, analysed, failure: null };
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    return { source, ...sum, analysed, failure: error.cause?.message ?? 'It could not be read' };
  }
}
