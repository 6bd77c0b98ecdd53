import { basisOf, channelsOf, regimesOf } from '../../manifest/basis.ts';
import type { Manifest, Purpose } from '../../manifest/model.ts';
import type { PermissionRule } from './types.ts';

/** Stands for every regime. */
export const ANY_REGIME = '*';
/** Stands for the one channel of a purpose that knows none. */
export const NO_CHANNEL = '';

/** A row for each purpose, channel and (where they differ) regime, in the manifest's order. */
export function permissionRules(manifest: Pick<Manifest, 'purposes' | 'regimes' | 'timezone'>): PermissionRule[] {
  const regimes = regimesOf(manifest);
  return Object.entries(manifest.purposes).flatMap(([name, purpose]) => {
    const [first = [], ...others] = regimes.map((regime) => rulesOf(name, purpose, regime, manifest.timezone));
    const agree = others.every((rules) => rules.every((rule, index) => rule.basis === first[index]?.basis));
    return agree ? first.map((rule) => ({ ...rule, regime: ANY_REGIME })) : [first, ...others].flat();
  });
}

function rulesOf(name: string, purpose: Purpose, regime: string, zone: string): PermissionRule[] {
  return channelsOf(purpose).map((channel) => ({
    purpose: name,
    regime,
    channel: channel ?? NO_CHANNEL,
    // A missing row would let the other regimes decide for somebody whose regime is unknown: so the strictest.
    basis: basisOf(purpose, channel, regime) ?? 'consent',
    objection: purpose.objection,
    expires: purpose.expires,
    doubleOptIn: purpose.doubleOptIn,
    minimumAge: purpose.minimumAge,
    zone,
  }));
}
