import { z } from 'zod';
import { ERASURE_GROUNDS, VERIFICATION_METHODS, type VerificationMethod } from '../../domain/requests/kinds.ts';
import type { ErasureGround, RequestKind } from '../../domain/requests/model.ts';
import { LEDGER_KINDS, needsVerification, REQUEST_KINDS } from '../../domain/requests/state.ts';
import { EVERY_PURPOSE } from '../../manifest/decisions.ts';
import type { Manifest } from '../../manifest/model.ts';
import { checkPurpose, known, shaped, type ConsentIdentity } from '../consent/entries.ts';
import { Refused } from '../refused.ts';

/** What somebody asks for. */
export type RequestAsk = ConsentIdentity & {
  readonly kind: RequestKind;
  /** Of an erasure, at least one. */
  readonly grounds?: readonly ErasureGround[] | null;
  /** Of a withdrawal or an objection; of an erasure that follows from one, where `*` is every purpose that was once consented to. */
  readonly purpose?: string | null;
  /** Without: now. The clock runs from it. */
  readonly receivedAt?: Date | string | null;
  /** The caller's number of it: asked twice under the same reference, it is opened once. Kept as a keyed hash only. */
  readonly reference?: string | null;
  /** Where the requester was verified before. The evidence is a reference, such as the number of a session or a letter. */
  readonly verified?: { readonly method: VerificationMethod; readonly evidence: string } | null;
  /** Free text, in a row of its own that can be deleted. */
  readonly note?: string | null;
};

export interface CheckedAsk {
  readonly who: ConsentIdentity;
  readonly kind: RequestKind;
  readonly grounds: readonly ErasureGround[];
  readonly purpose: string | null;
  readonly receivedAt: Date | null;
  readonly reference: string | null;
  readonly verified: { readonly method: VerificationMethod; readonly evidence: string } | null;
  readonly note: string | null;
}

/** Characters; what is longer is not a key, a reference or a remark. */
const LONGEST_KEY = 1_000;
const LONGEST_TEXT = 500;
const LONGEST_NOTE = 4_000;
/** So far may a caller's clock be ahead of ours. Milliseconds. */
const CLOCK_AHEAD_MS = 5 * 60_000;

const text = z.string().trim().min(1).max(LONGEST_TEXT);
const asked = {
  kind: z.string(),
  grounds: z.array(z.string()).nullish(),
  purpose: text.nullish(),
  receivedAt: z.union([z.date(), z.iso.datetime({ offset: true })]).nullish(),
  reference: text.nullish(),
  verified: z.strictObject({ method: z.string(), evidence: text }).nullish(),
  note: z.string().trim().min(1).max(LONGEST_NOTE).nullish(),
};
const askShape = z.union([
  z.strictObject({ subject: text, key: z.array(z.union([z.string().min(1).max(LONGEST_KEY), z.int(), z.bigint()])).min(1), ...asked }),
  z.strictObject({ subject: text, identity: text, value: z.string().trim().min(1).max(LONGEST_KEY), ...asked }),
]);

/** What is asked, checked against the manifest. Throws `Refused` with names that are known and never with what was given. */
export function checkAsk(manifest: Manifest, given: unknown, place: string, now: Date): CheckedAsk {
  const ask = shaped(askShape, given, place);
  const kind = known(ask.kind, REQUEST_KINDS, `${place}kind`, 'kind of request');
  const grounds = [...new Set((ask.grounds ?? []).map((it) => known(it, ERASURE_GROUNDS, `${place}ground`, 'ground')))].sort();
  if (grounds.length > 0 !== (kind === 'erasure'))
    throw new Refused(
      kind === 'erasure'
        ? `${place}an erasure needs a ground: ${ERASURE_GROUNDS.join(', ')}`
        : `${place}grounds are of an erasure: leave them out of a request for ${kind}`,
    );
  const receivedAt = ask.receivedAt === undefined || ask.receivedAt === null ? null : new Date(ask.receivedAt);
  if (receivedAt !== null && Number.isNaN(receivedAt.getTime())) throw new Refused(`${place}receivedAt is not a time`);
  if (receivedAt !== null && receivedAt.getTime() > now.getTime() + CLOCK_AHEAD_MS)
    throw new Refused(`${place}it would have been received in the future`);
  if ((ask.verified ?? null) !== null && !needsVerification(kind))
    throw new Refused(`${place}a request for ${kind} needs no verification: it is in force whoever says it`);
  return {
    who: 'key' in ask ? { subject: ask.subject, key: ask.key } : { subject: ask.subject, identity: ask.identity, value: ask.value },
    kind,
    grounds,
    purpose: purposeOf(manifest, kind, grounds, ask.purpose ?? null, place),
    receivedAt: receivedAt === null || receivedAt < now ? receivedAt : now,
    reference: ask.reference ?? null,
    verified:
      ask.verified === undefined || ask.verified === null
        ? null
        : {
            method: known(ask.verified.method, VERIFICATION_METHODS, `${place}verified.method`, 'method'),
            evidence: ask.verified.evidence,
          },
    note: ask.note ?? null,
  };
}

function purposeOf(
  manifest: Manifest,
  kind: RequestKind,
  grounds: readonly ErasureGround[],
  purpose: string | null,
  place: string,
): string | null {
  if (kind === 'restriction') {
    if (purpose !== null && purpose !== EVERY_PURPOSE) throw new Refused(`${place}a restriction is of all purposes: leave the purpose out`);
    return EVERY_PURPOSE;
  }
  if (LEDGER_KINDS.includes(kind)) return checkPurpose(manifest, purpose, place);
  const follows = grounds.includes('consent_withdrawn') || grounds.includes('objected');
  if (follows && purpose === null)
    throw new Refused(`${place}an erasure because consent was withdrawn, or after an objection, names the purpose it ends`);
  if (!follows && purpose !== null)
    throw new Refused(`${place}a purpose belongs to a withdrawal, an objection, or an erasure that follows from one: leave it out`);
  if (purpose === EVERY_PURPOSE && !grounds.includes('objected')) return EVERY_PURPOSE;
  return purpose === null ? null : checkPurpose(manifest, purpose, place);
}
