import type { KeyObject } from 'node:crypto';
import { signNotice } from '../domain/requests/notice-signature.ts';

/** Somebody who answers later has let us wait for nothing: the next attempt comes. */
const ANSWER_LIMIT_MS = 30_000;
/** Nobody needs more to say `{"acknowledged": true}`. */
const MOST_ANSWER_BYTES = 64 * 1024;
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

export type Delivery =
  | { readonly delivered: true; readonly acknowledged: boolean }
  /** A word of ours: neither the address nor what the other side said. */
  | { readonly delivered: false; readonly problem: string };

/**
 * Posts one page of a notice: signed, with an id by which a repetition is known. Any 2xx means that it has arrived; `{"acknowledged": true}`
 * that it was acted on. Follows no redirect: the people would go where nobody declared. Never throws, and its answer never quotes.
 */
export async function postNotice(address: string, id: string, body: string, at: Date, key: KeyObject): Promise<Delivery> {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null) return { delivered: false, problem: 'no_url' };
  // Only a program on this machine, such as a test's or a sidecar's, may hear it in the clear.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.includes(url.hostname)))
    return { delivered: false, problem: 'not_https' };
  try {
    const authorization = url.username === '' ? {} : { Authorization: basic(url) };
    [url.username, url.password] = ['', ''];
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: {
        'Content-Type': 'application/json',
        'Probity-Notice': id,
        'Probity-Signature': signNotice(body, at, key),
        ...authorization,
      },
      body,
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (!response.ok) {
      await response.body?.cancel();
      return { delivered: false, problem: response.status >= 300 && response.status < 400 ? 'redirected' : `http_${response.status}` };
    }
    return { delivered: true, acknowledged: isAcknowledged(await limited(response)) };
  } catch (error) {
    return { delivered: false, problem: error instanceof Error && error.name === 'TimeoutError' ? 'timeout' : 'out_of_reach' };
  }
}

function basic({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`;
}

/** It has arrived whatever the answer is, so a long or broken one is no answer. */
async function limited(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      if (bytes > MOST_ANSWER_BYTES) return '';
      parts.push(part);
    }
  } catch {
    return '';
  }
  return Buffer.concat(parts).toString('utf8');
}

function isAcknowledged(text: string): boolean {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null && 'acknowledged' in answer && answer.acknowledged === true;
  } catch {
    return false;
  }
}
