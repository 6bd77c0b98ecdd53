import { ApplicationFailure } from '@temporalio/common';

/** Whoever listens only has to take it: what it makes of it is its own affair. Milliseconds. */
const TIME_LIMIT_MS = 10_000;
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Posts a body as JSON. Delivery is at least once: `id` is the same in every repeat, and stands in the header `Idempotency-Key`. Throws a
 * retryable failure of type `webhook` without the address, which may hold a secret, when it is not taken.
 */
export async function postJson(url: string, id: string, body: unknown): Promise<void> {
  if (!mayBeTold(url))
    throw ApplicationFailure.create({
      type: 'webhook',
      message: 'The webhook is neither https nor on this machine: nothing is sent',
      nonRetryable: true,
    });
  let status: number;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': id },
      body: JSON.stringify(body),
      // An answer that leads elsewhere would take the body where nobody agreed to.
      redirect: 'error',
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    });
    status = response.status;
    await response.body?.cancel();
  } catch {
    throw ApplicationFailure.create({ type: 'webhook', message: 'The webhook does not answer' });
  }
  if (status < 200 || status > 299) throw ApplicationFailure.create({ type: 'webhook', message: `The webhook answers with ${status}` });
}

function mayBeTold(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.includes(url.hostname)));
}
