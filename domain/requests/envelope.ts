import type { Envelope, Manifest } from '../../manifest/model.ts';
import { canonicalHash, SHOWN_HASH } from '../canonical.ts';
import type { Approval } from './decision.ts';
import { changedRows, planProblems, type ErasurePlan } from './plan.ts';

export const ENVELOPE_FORMAT = 'probity-envelope/1';

/** Why something is not carried out by the night. `own`: whoever pre-approved the envelope has opened it. */
export type ExceptionCode = 'held' | 'doubt' | 'problem' | 'shared' | 'own' | 'kind' | 'too_many_people' | 'too_many_rows';

/** Null: there is none. A manifest that an earlier version has put in force says nothing about it. */
export function envelopeOf(manifest: Pick<Manifest, 'requests'> | { readonly requests?: undefined }): Envelope | null {
  // An earlier version's manifest may have the rest of `requests`.
  return (manifest.requests as Partial<Manifest['requests']> | undefined)?.envelope ?? null;
}

/** What a pre-approval names: another envelope, however little it differs, needs another one. */
export function envelopeHash({ kinds, mostPeople, mostRows, at }: Envelope): string {
  return canonicalHash({ format: ENVELOPE_FORMAT, kinds: [...kinds].sort(), mostPeople, mostRows, at });
}

/** Why a plan is not within the envelope; null: it is. */
export function outsideEnvelope({ kinds, mostPeople, mostRows }: Envelope, plan: ErasurePlan): ExceptionCode | null {
  const tables = plan.stores.flatMap((it) => it.tables);
  if (plan.asks.some(({ kind }) => !(kinds as readonly string[]).includes(kind))) return 'kind';
  if (planProblems(plan).length > 0) return 'problem';
  if (plan.stores.some(({ heldPeople }) => heldPeople > 0) || tables.some(({ held }) => Object.keys(held).length > 0)) return 'held';
  if (tables.some(({ shared }) => shared > 0)) return 'shared';
  if (plan.people > mostPeople) return 'too_many_people';
  return changedRows(plan) > mostRows ? 'too_many_rows' : null;
}

/** A plan within the envelope is approved by whoever pre-approved it, unless people have already, or somebody has rejected this one. */
export function withPreapproval(approval: Approval, preapproved: Pick<Approval, 'approved' | 'by'>, hash: string): Approval {
  if (approval.approved || approval.rejectedBy.length > 0 || !preapproved.approved) return approval;
  return { ...approval, approved: true, by: preapproved.by.map((actor) => `${actor} (envelope ${hash.slice(0, SHOWN_HASH)})`) };
}
