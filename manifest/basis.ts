import type { Basis, Manifest, Purpose } from './model.ts';

/** Every basis that a purpose may have. */
export const BASES = [
  'consent',
  'soft_opt_in',
  'opt_out',
  'contract',
  'legal_obligation',
  'vital_interests',
  'public_task',
  'legitimate_interests',
] as const satisfies readonly Basis[];

/** Bases under which nothing is allowed until somebody was asked. */
const OPT_IN: readonly Basis[] = ['consent', 'soft_opt_in'];
/** Bases that what a subject grants or refuses decides. */
const CHOSEN: readonly Basis[] = [...OPT_IN, 'opt_out'];

export function isOptIn(basis: Basis): boolean {
  return OPT_IN.includes(basis);
}

export function isChosen(basis: Basis): boolean {
  return CHOSEN.includes(basis);
}

/** Every regime that a subject may live under, the default first. */
export function regimesOf({ regimes }: Pick<Manifest, 'regimes'>): string[] {
  return [...new Set([regimes.default, ...Object.values(regimes.map)])];
}

/** The channels that a purpose is judged by; null stands for a purpose without channels. */
export function channelsOf({ channels }: Pick<Purpose, 'channels'>): readonly (string | null)[] {
  return channels.length === 0 ? [null] : channels;
}

/** The legal basis on a channel under a regime: the regime's word comes before the channel's, and both before `default`. Null: none is named. */
export function basisOf({ basis }: Pick<Purpose, 'basis'>, channel: string | null, regime: string): Basis | null {
  if (typeof basis === 'string') return basis;
  const named = (key: string): Basis | null => (Object.hasOwn(basis, key) ? (basis[key] ?? null) : null);
  return named(regime) ?? (channel === null ? null : named(channel)) ?? named('default');
}

/** All bases that a purpose has on some channel under some regime. */
export function basesOf(purpose: Purpose, manifest: Pick<Manifest, 'regimes'>): Basis[] {
  const all = regimesOf(manifest).flatMap((regime) => channelsOf(purpose).map((channel) => basisOf(purpose, channel, regime)));
  return [...new Set(all.filter((it) => it !== null))];
}
