import { inStore, storeOf } from '../../manifest/ids.ts';
import { tableName, type StoreCheck } from './context.ts';
import { refersToSubject } from './references.ts';

/** As many as `subjectPaths` follows. */
const MOST_HOPS = 4;

/** Tables from which a way leads to a subject: by references, through JSON, or as something that subjects share. By `schema.table`. */
export function tablesOfSubjects(check: StoreCheck): ReadonlySet<string> {
  const found = new Set([...subjectTables(check), ...anchors(check)]);
  // A set may grow while it is walked: what is added is visited too.
  for (const table of found) {
    for (const edge of check.edges) if (edge.to === table) found.add(edge.from);
    for (const shared of check.manifest.shared) {
      if (storeOf(shared.table) === check.store && inStore(shared.owners) === table) found.add(inStore(shared.table));
    }
  }
  return found;
}

export function hasWayToSubject(check: StoreCheck, table: string): boolean {
  return tablesOfSubjects(check).has(table);
}

/** Each way from a table to one that names a subject: the tables on it, the first included and the subject's own left out. */
export function waysToSubjects(check: StoreCheck, table: string): string[][] {
  const subjects = new Set(subjectTables(check));
  const ends = new Set(anchors(check));
  const follow = (way: readonly string[]): string[][] => {
    const here = way.at(-1)!;
    const next = check.edges.filter((edge) => edge.from === here && !way.includes(edge.to)).map((edge) => edge.to);
    const shared = check.manifest.shared.filter((it) => storeOf(it.table) === check.store && inStore(it.table) === here);
    const arrived = ends.has(here) || next.some((it) => subjects.has(it));
    const further = [
      ...next.filter((it) => !subjects.has(it)),
      ...shared.map((it) => inStore(it.owners)).filter((it) => !way.includes(it)),
    ];
    return [...(arrived ? [[...way]] : []), ...(way.length < MOST_HOPS ? further.flatMap((it) => follow([...way, it])) : [])];
  };
  return subjects.has(table) ? [[table]] : follow([table]);
}

function subjectTables({ manifest, store }: StoreCheck): string[] {
  return Object.values(manifest.subjects)
    .filter((it) => storeOf(it.table) === store)
    .map((it) => inStore(it.table));
}

/** Tables that name a subject themselves, by a reference of the manifest or inside JSON. */
function anchors(check: StoreCheck): string[] {
  return check.tables
    .filter(({ live, declared }) => refersToSubject(check, tableName(live)) || declared.json.some((it) => it.refers !== null))
    .map(({ live }) => tableName(live));
}
