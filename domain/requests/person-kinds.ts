import type { Manifest } from '../../manifest/model.ts';
import { joinsPeople } from './identities.ts';
import { identityNames, referencedIdentities, type ResolvedPerson } from './resolve.ts';

/** What one person is as one kind of subject: by this their rows are found. */
export interface PersonKind {
  readonly subject: string;
  /** Empty where they are none, and only rows that name their address lead to them. */
  readonly keys: readonly string[];
  readonly identities: readonly { readonly identity: string; readonly value: string }[];
}

/**
 * As which kinds of subject somebody has data: those of which they have a key, with all that is known of them, and those of which rows may
 * name an address of theirs without it. A number alone leads to no rows, for it may be another's. `asked`: as who they asked.
 */
export function kindsOf(manifest: Manifest, asked: string | null, { keys, identities }: ResolvedPerson): PersonKind[] {
  const referenced = referencedIdentities(manifest);
  const keyed = Map.groupBy(keys, ({ subject }) => subject);
  return Object.keys(manifest.subjects)
    .sort()
    .flatMap((subject): PersonKind[] => {
      const own = keyed.get(subject)?.map(({ key }) => key) ?? [];
      const names = identityNames(manifest, subject).filter((name) => (identities[name] ?? []).length > 0);
      const sure = own.length > 0 ? names : names.filter(joinsPeople);
      const values = sure.flatMap((identity) => identities[identity]!.map((value) => ({ identity, value })));
      if (own.length > 0) return [{ subject, keys: own, identities: values }];
      const named =
        sure.some((name) => referenced.has(`${subject}.${name}`)) || (keys.length === 0 && subject === asked && sure.length > 0);
      return named ? [{ subject, keys: [], identities: values }] : [];
    });
}

/** Identities of which no value is among what a person's rows are found by, and so is not searched for either. */
export function undeclared({ identities }: ResolvedPerson, kinds: readonly PersonKind[]): string[] {
  const known = new Set(kinds.flatMap((it) => it.identities.map(({ identity }) => identity)));
  return Object.keys(identities).filter((identity) => !known.has(identity));
}
