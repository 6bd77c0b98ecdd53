import { z } from 'zod';
import type { RecordEntry } from '../../database/permission/record.ts';
import type { Decision, Manifest } from '../../manifest/model.ts';
import { nearest } from '../../manifest/nearest.ts';
import { DECISIONS, EVERY_PURPOSE, RESTRICTIONS } from '../../manifest/decisions.ts';
import { Refused } from '../refused.ts';

/** Who decided: a subject by its key, or by one of its identities. `device` and `email` are somebody who is not known yet. */
export type ConsentIdentity =
  | { readonly subject: string; readonly key: readonly (string | number | bigint)[] }
  | { readonly subject: string; readonly identity: string; readonly value: string };

/** One decision. Everything that is not given is recorded as not given. */
export type ConsentEntry = ConsentIdentity & {
  readonly purpose?: string | null;
  /** Without: the decision is about the purpose as a whole. */
  readonly channel?: string | null;
  readonly decision: Decision;
  /** Without: now. */
  readonly capturedAt?: Date | string | null;
  /** Where it was captured: `onboarding`, `preference_centre`, `service_update`, `trial`, `signal`, `import` … */
  readonly touchpoint?: string | null;
  /** Version of the notice that was shown. */
  readonly notice?: string | null;
  /** In which it was shown, such as `de`. */
  readonly language?: string | null;
  readonly givenBy?: 'self' | 'parent' | null;
  /** Reference of a proof that is kept elsewhere, such as a form's number. */
  readonly proof?: string | null;
  /** Of the caller's, one for each decision of a subject: it is recorded once, however often it is sent. Another decision needs another id. */
  readonly id?: string | null;
};

export const DOORS = ['command', 'library', 'import', 'table', 'signal', 'replay'] as const;
export type Door = (typeof DOORS)[number];

/** Somebody who is not a subject of the manifest. */
export const STRANGERS = ['device', 'email'] as const;

/** A key or an address is shorter; a page of text in a wrong field is not worth a row of the ledger. Characters. */
const LONGEST_KEY = 1_000;
const LONGEST_TEXT = 500;
/** So far may a caller's clock be ahead of ours. Milliseconds. */
const CLOCK_AHEAD_MS = 5 * 60_000;

const text = z.string().trim().min(1).max(LONGEST_TEXT).nullish();
const key = z.array(z.union([z.string().min(1).max(LONGEST_KEY), z.int(), z.bigint()])).min(1);
const decided = {
  purpose: text,
  channel: text,
  decision: z.string(),
  capturedAt: z.union([z.date(), z.iso.datetime({ offset: true })]).nullish(),
  touchpoint: text,
  notice: text,
  language: text,
  givenBy: z.enum(['self', 'parent']).nullish(),
  proof: text,
  id: text,
};
const name = z.string().min(1).max(LONGEST_TEXT);
const entryShape = z.union([
  z.strictObject({ subject: name, key, ...decided }),
  z.strictObject({ subject: name, identity: name, value: z.string().trim().min(1).max(LONGEST_KEY), ...decided }),
]);
export const identityShape = z.union([
  z.strictObject({ subject: name, key }),
  z.strictObject({ subject: name, identity: name, value: z.string().trim().min(1).max(LONGEST_KEY) }),
]);

export type CheckedEntry = Omit<RecordEntry, 'subject' | 'key' | 'actor' | 'door'>;

/**
 * What an entry says, checked against the manifest; who it is about is resolved elsewhere. Throws `Refused` with names that the manifest
 * declares and never with what was given, since a wrong field may hold anything.
 */
export function checkEntry(
  manifest: Manifest,
  given: unknown,
  place: string,
): { readonly who: ConsentIdentity; readonly said: CheckedEntry } {
  const entry = shaped(entryShape, given, place);
  const who: ConsentIdentity =
    'key' in entry ? { subject: entry.subject, key: entry.key } : { subject: entry.subject, identity: entry.identity, value: entry.value };
  const decision = known(entry.decision, DECISIONS, `${place}decision`, 'decision');
  const restriction = RESTRICTIONS.includes(decision);
  const purpose = restriction ? EVERY_PURPOSE : checkPurpose(manifest, entry.purpose ?? null, place);
  if (restriction && ((entry.purpose ?? EVERY_PURPOSE) !== EVERY_PURPOSE || (entry.channel ?? null) !== null))
    throw new Refused(`${place}a restriction is of all purposes: leave purpose and channel out`);
  const channel = restriction ? null : checkChannel(manifest, purpose, entry.channel ?? null, place);
  const saidAt = entry.capturedAt ?? null;
  const captured = saidAt === null ? null : new Date(saidAt);
  if (captured !== null && Number.isNaN(captured.getTime())) throw new Refused(`${place}capturedAt is not a time`);
  if (captured !== null && captured.getTime() > Date.now() + CLOCK_AHEAD_MS) throw new Refused(`${place}capturedAt is in the future`);
  return {
    who,
    said: {
      purpose,
      channel,
      decision,
      captured_at: typeof entry.capturedAt === 'string' ? entry.capturedAt : (captured?.toISOString() ?? null),
      touchpoint: entry.touchpoint ?? null,
      notice: entry.notice ?? null,
      language: entry.language ?? null,
      given_by: entry.givenBy ?? null,
      proof: entry.proof ?? null,
      id: entry.id ?? null,
    },
  };
}

export function checkPurpose(manifest: Manifest, purpose: string | null, place = ''): string {
  if (purpose === null) throw new Refused(`${place}name a purpose: ${Object.keys(manifest.purposes).join(', ')}`);
  return known(purpose, Object.keys(manifest.purposes), `${place}purpose`, 'purpose');
}

export function checkChannel(manifest: Manifest, purpose: string, channel: string | null, place = ''): string | null {
  if (channel === null) return null;
  const channels = manifest.purposes[purpose]?.channels ?? [];
  if (channels.length === 0) throw new Refused(`${place}channel: the purpose ${purpose} knows no channels; leave it out`);
  return known(channel, channels, `${place}channel`, `channel of ${purpose}`);
}

/** A subject of the manifest, or a kind of somebody who is not known yet. */
export function checkSubject(manifest: Manifest, subject: string, place = ''): string {
  return known(subject, [...Object.keys(manifest.subjects), ...STRANGERS], `${place}subject`, 'subject');
}

export function known<T extends string>(given: string, names: readonly T[], place: string, what: string): T {
  const found = names.find((it) => it === given);
  if (found !== undefined) return found;
  const near = nearest(given, names);
  throw new Refused(
    `${place}: there is no such ${what}${near === null ? '.' : `; did you mean ${near}?`} Known: ${names.join(', ') || 'none'}`,
  );
}

/** Names the fields that are wrong, never their values nor fields that we do not know. */
export function shaped<T>(shape: z.ZodType<T>, given: unknown, place: string): T {
  const parsed = shape.safeParse(given);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap((issue) => (issue.code === 'invalid_union' ? closest(issue.errors) : [issue]));
  const wrong = issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? 'a field that is not known'
      : `${issue.path.map(String).join('.') || 'entry'} is not what it must be`,
  );
  throw new Refused(`${place}${[...new Set(wrong)].join(', ')}`);
}

/** Of several forms the one that was probably meant: with the fewest faults. */
function closest(errors: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  return [...errors].sort((one, other) => one.length - other.length)[0] ?? [];
}
