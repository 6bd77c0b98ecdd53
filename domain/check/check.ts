import { problem } from '../../manifest/codes.ts';
import type { Manifest } from '../../manifest/model.ts';
import { KEY, type Problem } from '../../manifest/problem.ts';
import type { Catalog } from '../catalog.ts';
import { checkAccess } from './access.ts';
import { checkActions } from './actions.ts';
import { checkChildren } from './children.ts';
import { checkConsents } from './consents.ts';
import { storeCheck, type PlaceOf } from './context.ts';
import { checkCopies } from './copies.ts';
import { checkCycles } from './cycles.ts';
import { checkDetached } from './detached.ts';
import { checkLookUps } from './look-ups.ts';
import { checkMinimisation } from './minimise.ts';
import { checkNames } from './names.ts';
import { checkOnErase } from './on-erase.ts';
import { checkPath } from './path.ts';
import { checkPermission } from './permission.ts';
import { checkReferences } from './references.ts';
import { checkRoles } from './roles.ts';
import { checkSubjects } from './subjects.ts';
import { checkTimes } from './times.ts';

/**
 * Everything that can be said about a manifest in the light of its live databases: all problems at once, store by store.
 * `catalogs` are by the store's name; a store without one is reported as not looked at.
 */
export function checkManifest(manifest: Manifest, place: PlaceOf, catalogs: Readonly<Record<string, Catalog>>): Problem[] {
  const problems: Problem[] = [];
  for (const store of Object.keys(manifest.stores)) {
    const catalog = catalogs[store];
    if (!catalog) {
      problems.push(problem('P101', place(['stores', store, KEY]), `the store \`${store}\` was not looked at`));
      continue;
    }
    const check = storeCheck(store, manifest, catalog, place, problems);
    for (const rule of RULES) rule(check);
  }
  return distinct(problems);
}

const RULES = [
  checkNames,
  checkTimes,
  checkActions,
  checkChildren,
  checkCycles,
  checkReferences,
  checkLookUps,
  checkAccess,
  checkCopies,
  checkDetached,
  checkPath,
  checkSubjects,
  checkRoles,
  checkPermission,
  checkConsents,
  checkMinimisation,
  checkOnErase,
] as const;

/** Two rules may come upon the same thing, such as a missing index: it is said once. */
function distinct(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((it) => {
    const id = JSON.stringify([it.code, it.place, it.message]);
    return seen.has(id) ? false : seen.add(id);
  });
}
