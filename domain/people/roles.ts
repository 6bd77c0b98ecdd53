import type { ReferenceRole } from '../../manifest/model.ts';
import { soundsLikeMention } from './mention-names.ts';

/** A reference that may lead from rows to people: to a subject's own table, in whichever store, or to a table whose rows somebody owns. */
export interface Reference {
  /** `schema.table` of the store. */
  readonly from: string;
  readonly columns: readonly string[];
  /** `schema.table` of the store; null: a subject's table in another store. */
  readonly to: string | null;
  /** It holds only where another column says so: of a polymorphic pair one holds at a time. */
  readonly polymorphic: boolean;
  /** What the manifest says; null: nothing. */
  readonly declared: ReferenceRole | null;
}

/** `unclear`: nothing says whose the row is; the manifest must. */
export type Role = ReferenceRole | 'unclear';

export interface ResolvedRole {
  readonly role: Role;
  /** In words, for the data map and for `check`. */
  readonly because: string;
}

export interface RoleContext {
  /** Subjects' own tables of the store. */
  readonly homes: ReadonlySet<string>;
  /** Tables that people share: who owns them says another table. */
  readonly shared: ReadonlySet<string>;
  /** Tables of which the manifest says that their rows stay whoever goes, and in words why. */
  readonly staying: ReadonlyMap<string, string>;
  readonly primaryKey: (table: string) => readonly string[];
}

/**
 * What each reference means for its row, where it leads to people at all. Only what is plain is said without a word of the manifest: the
 * reference that alone leads to people, the one that names the person itself, the one that is a part of the primary key.
 */
export function resolveRoles<T extends Reference>(references: readonly T[], context: RoleContext): ReadonlyMap<T, ResolvedRole> {
  const byTable = Map.groupBy(references, ({ from }) => from);
  const peopled = new Set(context.homes);
  for (const table of context.shared) peopled.add(table);
  const resolved = new Map<T, ResolvedRole>();
  // Whose a row is may depend on whose its parent is: repeated until nothing new leads to people. More never make fewer.
  for (let grown = true; grown;) {
    grown = false;
    for (const [table, all] of byTable) {
      const leading = all.filter(({ from, to }) => to !== from && (to === null || peopled.has(to)));
      for (const [reference, role] of ofTable(table, leading, context)) resolved.set(reference, role);
      const owned = leading.some((it) => resolved.get(it)!.role !== 'mention');
      if (owned && !peopled.has(table)) grown = peopled.add(table) !== undefined;
    }
  }
  return resolved;
}

const MENTION = (because: string): ResolvedRole => ({ role: 'mention', because });

function ofTable<T extends Reference>(table: string, leading: readonly T[], context: RoleContext): Map<T, ResolvedRole> {
  const { homes, shared, staying } = context;
  const said = leading.filter(({ declared }) => declared !== null);
  const roles = new Map<T, ResolvedRole>(said.map((it) => [it, { role: it.declared!, because: 'the manifest says so' }]));
  const silent = leading.filter(({ declared }) => declared === null);
  const all = (role: (group: Group<T>) => ResolvedRole): Map<T, ResolvedRole> => {
    for (const group of groupsOf(silent, context)) for (const it of group.references) roles.set(it, role(group));
    return roles;
  };
  if (homes.has(table)) return all(() => MENTION('the row is about somebody itself'));
  if (shared.has(table)) return all(() => MENTION('the row belongs to who shares it'));
  const reason = staying.get(table);
  if (reason !== undefined) return all(() => MENTION(reason));
  if (said.some(({ declared }) => declared !== 'mention'))
    return all(() => MENTION('the manifest says whose the row is by another reference'));
  const groups = groupsOf(silent, context);
  const { owner, because } = plainOwner(groups);
  if (owner === null) return all(() => ({ role: 'unclear', because }));
  return all((group) =>
    group.id === owner.id ? { role: 'owner', because } : MENTION(`\`${owner.key}\` says whose the row is (${because})`),
  );
}

/** References by the same columns, such as those of a polymorphic pair, of which one holds at a time. */
interface Group<T> {
  readonly id: string;
  /** Its columns, in words. */
  readonly key: string;
  readonly references: readonly T[];
  /** Names a person itself, not something that somebody owns. */
  readonly direct: boolean;
  readonly inKey: boolean;
  readonly soundsLikeMention: boolean;
}

function groupsOf<T extends Reference>(references: readonly T[], { homes, primaryKey }: RoleContext): Group<T>[] {
  const one = ({ columns, to, polymorphic }: T): string => JSON.stringify([columns, polymorphic ? null : to]);
  return [...Map.groupBy(references, one)].map(([id, some]) => {
    const [{ from, columns }] = some as [T];
    return {
      id,
      key: columns.join(', '),
      references: some,
      direct: some.some(({ to }) => to === null || homes.has(to)),
      inKey: columns.every((column) => primaryKey(from).includes(column)),
      soundsLikeMention: columns.some((column) => soundsLikeMention(column)),
    };
  });
}

function plainOwner<T>(groups: readonly Group<T>[]): { readonly owner: Group<T> | null; readonly because: string } {
  const only = (some: readonly Group<T>[]): Group<T> | null => (some.length === 1 ? some[0]! : null);
  const inKey = groups.filter((it) => it.inKey);
  const keyed = only(inKey) ?? only(inKey.filter(({ direct }) => direct));
  // A message of a ticket: is it the ticket's customer's, or its author's?
  if (keyed !== null && !keyed.direct && groups.some(({ direct }) => direct))
    return { owner: null, because: 'its primary key leads to one person, and it names another itself' };
  if (keyed !== null) return { owner: keyed, because: groups.length === 1 ? 'the only way' : 'part of the primary key' };
  if (inKey.length > 1) return { owner: null, because: 'its primary key names several' };
  const named = only(groups) ?? only(groups.filter(({ direct }) => direct));
  if (named === null) return { owner: null, because: 'it has several references to people' };
  if (named.soundsLikeMention) return { owner: null, because: `\`${named.key}\` may only mention somebody` };
  return { owner: named, because: groups.length === 1 ? 'the only way' : 'the only one that names a person itself' };
}
