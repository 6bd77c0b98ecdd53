import { regimesOf } from '../../manifest/basis.ts';
import type { Manifest } from '../../manifest/model.ts';
import { requestClock, type Clock, type ClockFacts } from './clock.ts';

/** The regimes whose clocks may count for somebody: one when it is known, otherwise every one of the manifest's. */
export function regimesFor(manifest: Manifest, regime: string | null): readonly string[] {
  if (regime !== null) return [regime];
  return regimesOf(manifest);
}

/** The clock of a request as the manifest's zone and country count it. */
export function clockOf(manifest: Manifest, facts: ClockFacts & { readonly regimes: readonly string[] | null }, asOf: Date): Clock {
  const { timezone: zone, controller } = manifest;
  const regimes = facts.regimes === null || facts.regimes.length === 0 ? regimesOf(manifest) : facts.regimes;
  return requestClock(facts, { zone, country: controller?.country ?? null, regimes }, asOf);
}
