import { basesOf } from '../manifest/basis.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ConsentEntry, ConsentIdentity } from './consent/entries.ts';

/** Headers of a request: of `node:http` (names in lower case), of the Fetch API, or anything with `get`. */
export type RequestHeaders =
  Readonly<Record<string, string | readonly string[] | undefined>> | { readonly get: (name: string) => string | null };

const HEADER = 'Sec-GPC';
/** One signal is said on each request; under this id it is recorded once. */
const SIGNAL_ID = 'sec-gpc';

/**
 * Whether a request carries Global Privacy Control: the header `Sec-GPC` with exactly the value `1`. Anything else (`0`, `true`, the header
 * twice) says nothing, as https://www.w3.org/TR/gpc/ asks.
 */
export function gpcSignal(headers: RequestHeaders): boolean {
  const value =
    typeof headers.get === 'function' ? headers.get(HEADER) : (headers as Readonly<Record<string, unknown>>)[HEADER.toLowerCase()];
  return value === '1';
}

/**
 * The purposes that a Global Privacy Control signal objects to: those that some regime lets run until somebody opts out (`opt_out`, such as
 * sale or sharing in California), and direct marketing (`objection: absolute`) that runs without a consent. A purpose that runs on consent
 * alone is off anyway unless the person chose it, and stays as it was chosen.
 */
export function gpcPurposes(manifest: Manifest): string[] {
  return Object.entries(manifest.purposes).flatMap(([name, purpose]) => {
    const bases = basesOf(purpose, manifest);
    const runsByItself = bases.some((basis) => basis !== 'consent');
    return bases.includes('opt_out') || (purpose.objection === 'absolute' && runsByItself) ? [name] : [];
  });
}

/**
 * What a request's `Sec-GPC: 1` says about a device or person, ready for `recordConsents` or a recorder with door `signal`; empty without the
 * signal. It is recorded once: a choice that the person makes later stands, however often the browser repeats the signal.
 *
 * @example
 * const entries = gpcOptOut(project.manifest, request.headers, { subject: 'device', key: [deviceId] });
 * if (entries.length > 0) await recordConsents(project, entries, { actor: 'shop', door: 'signal' });
 */
export function gpcOptOut(manifest: Manifest, headers: RequestHeaders, who: ConsentIdentity): ConsentEntry[] {
  if (!gpcSignal(headers)) return [];
  return gpcPurposes(manifest).map((purpose) => ({
    ...who,
    purpose,
    decision: 'objected',
    touchpoint: 'signal',
    id: `${SIGNAL_ID}:${purpose}`,
  }));
}
