import { sql } from 'kysely';
import { translating } from '../database/errors.ts';
import { checkChannel, checkPurpose, identityShape, shaped, type ConsentIdentity } from './consent/entries.ts';
import { resolveIdentities } from './consent/identity.ts';
import type { Project } from './project.ts';

export interface PermissionQuestion {
  readonly purpose: string;
  /** Without: on any channel? */
  readonly channel?: string | null;
  /** Without: now, by the store's clock. */
  readonly at?: Date | null;
}

/**
 * May the purpose use this person's data on the channel now? True only when the home store knows that it may. Somebody who is not known, a
 * store that serves nothing (after a restore, say) and a person whose age or regime matters and is not known are answered with false.
 *
 * Throws `Refused` for a purpose or channel that the manifest does not declare, and `StoreError` when the store is out of reach: treat that
 * as no.
 *
 * @example
 * if (await permission(project, { subject: 'customer', key: [42] }, { purpose: 'newsletter', channel: 'email' })) send();
 */
export async function permission(project: Project, who: ConsentIdentity, question: PermissionQuestion): Promise<boolean> {
  return (await permissions(project, [who], question))[0] === true;
}

/** The same for many people in one query: one answer each, in order. */
export async function permissions(
  project: Project,
  people: readonly ConsentIdentity[],
  { purpose, channel = null, at = null }: PermissionQuestion,
): Promise<boolean[]> {
  const { manifest, home } = project;
  checkPurpose(manifest, purpose);
  checkChannel(manifest, purpose, channel);
  const places = people.map((_, index) => (people.length === 1 ? '' : `Person ${index + 1}: `));
  const resolved = await resolveIdentities(
    project,
    people.map((who, index) => shaped(identityShape, who, places[index]!)),
    places,
  );
  const answers = resolved.map(() => false);
  for (const [subject, asked] of Map.groupBy(resolved.entries(), ([, who]) => who.subject)) {
    const keys = [...new Set(asked.map(([, { key }]) => key))];
    const { rows } = await translating(home, () =>
      sql<{ key: string; allowed: boolean }>`
        select p.key, p.allowed from probity.permissions(${subject}, ${keys}::text[], ${purpose}, ${channel}, ${at}::timestamptz) p`.execute(
        home.db,
      ),
    );
    const allowed = new Set(rows.flatMap((row) => (row.allowed === true ? [row.key] : [])));
    for (const [index, { key }] of asked) answers[index] = allowed.has(key);
  }
  return answers;
}
