import { currentManifest } from '../../database/runs.ts';
import { liveMemberships, readFacts, readHistory, readServing, type HistoryRecord } from '../../database/permission/history.ts';
import { keyExists } from '../../database/permission/identities.ts';
import { readCatalog } from '../../database/catalog.ts';
import { translating } from '../../database/errors.ts';
import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import type { Reason } from '../../domain/permission/types.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Resolved } from './identity.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

/** `serving_closed`: the store answers nothing, as after a restore. */
export type ShownReason = Reason | 'serving_closed';

export interface ShownPermission {
  readonly purpose: string;
  /** Null: the purpose knows no channels. */
  readonly channel: string | null;
  readonly basis: string;
  readonly allowed: boolean;
  readonly reason: ShownReason;
  /** The record that decided; null where none did. */
  readonly record: number | null;
}

export interface ShownConsents {
  /** False: no table of the company's has this person, as far as the home store can tell. */
  readonly known: boolean;
  readonly regime: string | null;
  readonly permissions: readonly ShownPermission[];
  readonly records: number;
  /** Segments that the person is in now. */
  readonly segments: readonly string[];
}

/** What every purpose of the manifest in force may do with a person's data now, and why. Says nothing that identifies anybody. */
export async function showConsents(project: Project, { subject, key }: Resolved): Promise<ShownConsents> {
  const manifest = await manifestInForce(project);
  const { home } = project;
  return translating(home, async () => {
    const [history, facts, serving] = [
      await readHistory(home.db, subject, key),
      await readFacts(home.db, subject, key),
      await readServing(home.db),
    ];
    // The stored manifest has lost the order in which its author wrote the purposes.
    const order = Object.keys(project.manifest.purposes);
    const rules = permissionRules(manifest).sort((one, other) => order.indexOf(one.purpose) - order.indexOf(other.purpose));
    const pairs = [...Map.groupBy(rules, (rule) => `${rule.purpose}\n${rule.channel}`).values()].map((group) => {
      const applied = group.find(({ regime }) => regime === '*' || regime === facts.regime);
      return {
        purpose: group[0]!.purpose,
        channel: group[0]!.channel,
        basis: applied?.basis ?? [...new Set(group.map((it) => it.basis))].join(' or '),
      };
    });
    const permissions = pairs.map(({ purpose, channel, basis }): ShownPermission => {
      const answer = permission(rules, history, facts, { purpose, channel, at: serving.now });
      const shown = { purpose, channel: channel === '' ? null : channel, basis, ...answer };
      return serving.open ? shown : { ...shown, allowed: false, reason: 'serving_closed' };
    });
    const segments = await liveMemberships(home.db, subject, key);
    return { known: facts.known, regime: facts.regime, permissions, records: history.length, segments };
  });
}

/** Every record of the same person that has its content, oldest first. */
export async function consentHistory(project: Project, { subject, key }: Resolved): Promise<HistoryRecord[]> {
  await requireHome(project);
  return translating(project.home, () => readHistory(project.home.db, subject, key));
}

/** Stores that follow the home store, and are told of every change. */
export async function followingStores(project: Project): Promise<readonly string[]> {
  return (await translating(project.home, () => readServing(project.home.db))).replicas;
}

/** Throws `Refused` when the subject's own table has nobody with this key: a key that was mistyped must not be recorded for nobody. */
export async function requireKnown(project: Project, { subject: name, key, found }: Resolved): Promise<void> {
  const subject = project.manifest.subjects[name];
  if (subject === undefined || !found || (await isKnown(project, name, key))) return;
  throw new Refused(`${subject.table} has no ${name} with this key; nothing was done (--unknown does it all the same)`);
}

/** Whether the subject's own table has somebody with this key. */
export async function isKnown(project: Project, name: string, key: string): Promise<boolean> {
  const subject = project.manifest.subjects[name]!;
  const store = project.stores.get(storeOf(subject.table))!;
  const live = (await readCatalog(store)).tables[inStore(subject.table)];
  const columns = subject.key.flatMap((column) => live?.columns.find((it) => it.name === column) ?? []);
  if (columns.length !== subject.key.length)
    throw new Refused(`${subject.table} is not what the manifest says of it: probity check tells more`);
  return keyExists(store, subject, columns, key);
}

async function manifestInForce(project: Project): Promise<Manifest> {
  await requireHome(project);
  const version = await currentManifest(project.home.db);
  if (version === null) throw new Refused('No manifest is in force, so nothing is permitted: put yours in force with `probity apply`');
  return version.manifest;
}
