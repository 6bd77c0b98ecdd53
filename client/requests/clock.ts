import type { RequestRow } from '../../database/requests/model.ts';
import { settleRegimes } from '../../database/requests/settle.ts';
import { lawOf, requestClock, type Clock, type ClockFacts } from '../../domain/requests/clock.ts';
import { regimesOf } from '../../manifest/basis.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Project } from '../project.ts';

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

/** What the row says to be due: as long as a question is open its end moves, so the row keeps what it was when the question was asked. */
export function dueOf(manifest: Manifest, row: RequestRow, asOf: Date): Date {
  return clockOf(manifest, row, asOf).target;
}

/**
 * Sets the clock of requests that came in without one, by the regime of who asked; does nothing where all regimes have the same clock. To be
 * called before requests are read by their time.
 */
export async function settleClocks({ home, manifest }: Pick<Project, 'home' | 'manifest'>, asOf: Date): Promise<number> {
  if (new Set(regimesOf(manifest).map(lawOf)).size < 2 && lawOf(manifest.regimes.default) === 'gdpr') return 0;
  return settleRegimes(home, (row, regime) => {
    const regimes = regimesFor(manifest, regime);
    return { regimes, dueAt: clockOf(manifest, { ...row, regimes }, asOf).target };
  });
}
