import { proxyActivities } from '@temporalio/workflow';
import type { NewsActivities } from '../activities/news.ts';
import { tellRecipients } from './notices.ts';

const { openNews } = proxyActivities<NewsActivities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '1 minute',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '10 minutes' },
});

/** Tells recipients of a restriction, of its end, or of a rectification. What is to be told stands in the home store: only the number comes in. */
export async function news(requestId: string): Promise<void> {
  const { waits } = await openNews(requestId);
  if (waits) await tellRecipients(requestId);
}
