import type { ShownPermission, ShownReason } from '../client/consent/show.ts';

/** Why, in a sentence's part that stands behind yes or no. */
const WHY: Readonly<Record<ShownReason, string>> = {
  granted: 'granted',
  offered: 'the chance to refuse was offered, and not taken',
  basis_holds: 'the basis holds without a consent',
  unknown_purpose: 'no such purpose',
  unknown_channel: 'no such channel',
  unknown_regime: 'no rule for this regime',
  unknown_subject: 'nobody knows this person',
  ended: 'the purpose has ended for this person',
  restricted: 'processing is restricted',
  refused: 'refused',
  withdrawn: 'withdrawn',
  objected: 'objected',
  objection_upheld: 'the objection was upheld',
  under_age: 'too young',
  unknown_age: 'the age is not known',
  expired: 'the consent has expired',
  unconfirmed: 'not confirmed (double opt-in)',
  not_asked: 'no chance to refuse was offered yet',
  no_consent: 'no consent was given',
  serving_closed: 'the store answers nothing until it is opened (probity restore)',
};

export function whyText({ reason, record }: Pick<ShownPermission, 'reason' | 'record'>): string {
  return `${WHY[reason]}${record === null ? '' : ` (record ${record})`}`;
}

export function useText({ purpose, channel }: Pick<ShownPermission, 'purpose' | 'channel'>): string {
  return channel === null ? purpose : `${purpose} · ${channel}`;
}

export const yesNo = (allowed: boolean): string => (allowed ? 'yes' : 'no');
