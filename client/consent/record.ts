import { StoreError } from '../../database/errors.ts';
import { IdReused, LINKED_ELSEWHERE, linkEntries, recordEntries, UNKNOWN_PURPOSE } from '../../database/permission/record.ts';
import { checkEntry, identityShape, shaped, STRANGERS, type ConsentEntry, type ConsentIdentity, type Door } from './entries.ts';
import { emailKey, resolveIdentities, resolveIdentity } from './identity.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { durable } from '../serving.ts';

export interface RecordOptions {
  /** Who records it, for the record; a name of a person or a service. */
  readonly actor: string;
  readonly door?: Door;
}

export interface RecordedConsent {
  /** Null: the same had been said before, and nothing changed. */
  readonly recordId: number | null;
  /** The request that a withdrawal, objection or restriction opened or joined. */
  readonly requestId: string | null;
  readonly dueAt: Date | null;
  /** True: its id stands for another decision of the same person. It refuses something, so it was recorded all the same, without the id. */
  readonly idReused: boolean;
  /** True: it would survive the loss of the home store, because it is in the sink outside it. */
  readonly durable: boolean;
}

/**
 * Records decisions in one transaction of the home store. When it returns they are in force: permission, memberships and requests have
 * followed, and whatever starts later sees it. One result an entry, in order. An entry that was recorded before (same `id`, or the same
 * words at the same captured time) changes nothing.
 *
 * Throws `Refused`, and nothing is recorded, when an entry names an unknown purpose, channel, decision or subject (with the nearest name), an
 * identity that several people have, or an `id` that stands for another decision of the same person (see `idReused` for what refuses); `StoreError` when the store is out of reach. No message quotes what was given.
 *
 * @example
 * await recordConsents(project, [{ subject: 'customer', key: [42], purpose: 'newsletter', decision: 'withdrawn',
 *   touchpoint: 'preference_centre', notice: '2026-03', language: 'de' }], { actor: 'shop' });
 */
export async function recordConsents(
  project: Project,
  entries: readonly ConsentEntry[],
  { actor, door = 'library' }: RecordOptions,
): Promise<RecordedConsent[]> {
  const places = entries.map((_, index) => (entries.length === 1 ? '' : `Entry ${index + 1}: `));
  const checked = entries.map((entry, index) => checkEntry(project.manifest, entry, places[index]!));
  const who = await resolveIdentities(
    project,
    checked.map((it) => it.who),
    places,
  );
  const rows = checked.map(({ said }, index) => ({ ...said, subject: who[index]!.subject, key: who[index]!.key, actor, door }));
  const recorded = await recordEntries(project.home, rows).catch((error: unknown) => {
    if (!(error instanceof IdReused)) return toRefused(error);
    throw new Refused(
      `${places[error.entry]}id: it stands for another decision of the same person already (another ${error.differs}); give each decision an id of its own`,
    );
  });
  // It is committed: whatever the sink does now, the caller must not take it for refused.
  const isDurable = recorded.length > 0 && (await durable(project).catch(() => false));
  return recorded.map(({ differs, ...it }) => ({ ...it, idReused: differs !== null, durable: isDurable }));
}

/**
 * Says that a device or an address (`device`, `email`) is a person. What each has said before holds for both from now on: of two answers the
 * stricter. Returns false when that was known already. Throws `Refused` when it was linked to somebody else.
 */
export async function linkIdentity(
  project: Project,
  from: { readonly subject: 'device' | 'email'; readonly key: string } | { readonly email: string },
  to: ConsentIdentity,
): Promise<boolean> {
  const person = await resolveIdentity(project, shaped(identityShape, to, ''));
  if (STRANGERS.some((kind) => kind === person.subject) || !person.found)
    throw new Refused('A device or an address is linked to a subject of the manifest; there is none with this identity');
  const stranger =
    'email' in from
      ? { subject: 'email', key: emailKey(from.email) }
      : await resolveIdentity(project, shaped(identityShape, { subject: from.subject, key: [from.key] }, ''));
  if (!STRANGERS.some((kind) => kind === stranger.subject)) throw new Refused('Only a device or an address can be linked to somebody');
  return linkEntries(project.home, stranger.subject, stranger.key, person.subject, person.key).catch(toRefused);
}

function toRefused(error: unknown): never {
  if (error instanceof StoreError && error.code === UNKNOWN_PURPOSE)
    throw new Refused('The manifest in force does not know this purpose or channel: put yours in force with `probity apply`');
  if (error instanceof StoreError && error.code === LINKED_ELSEWHERE)
    throw new Refused('It is linked to somebody else already: one device or address is one person');
  throw error;
}
