import { storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import { crossRoles, storeEdges, type Referring } from '../retention/graph.ts';
import type { Role } from './roles.ts';

/** One reference that leads from rows to people, and what it means for them: a line of the data map. */
export interface MappedReference {
  /** `store.schema.table` */
  readonly table: string;
  readonly columns: readonly string[];
  /** What a manifest would write: a subject, one of its identities, or a column. */
  readonly to: string;
  readonly as: Role;
  readonly because: string;
}

/** All references of the declared tables of a store that lead to people, by table. */
export function mappedReferences(catalog: Catalog, manifest: Manifest): MappedReference[] {
  const inside = storeEdges(catalog, manifest).flatMap((edge): MappedReference[] => {
    const { as, because, columns } = edge;
    if (as === null) return [];
    return [{ table: `${catalog.store}.${edge.from}`, columns, to: named(manifest, `${catalog.store}.${edge.to}`, edge.toColumns), as, because: because ?? '' }]; // prettier-ignore
  });
  const cross = [...crossRoles(catalog, manifest)].map(([{ from, to }, { role, because }]): MappedReference => {
    const at = from.lastIndexOf('.');
    return { table: from.slice(0, at), columns: [from.slice(at + 1)], to, as: role, because };
  });
  const known = [...inside, ...cross].filter(({ table }) => storeOf(table) === catalog.store && table in manifest.tables);
  return known.sort((one, other) => (order(one) < order(other) ? -1 : 1));
}

const order = ({ table, columns, to }: MappedReference): string => [table, columns.join(), to].join('\u0000');

/** A column as a reference would name it: a subject, one of its identities, or `store.schema.table.column`. */
export function named(manifest: Referring, table: string, columns: readonly string[]): string {
  for (const [name, subject] of Object.entries(manifest.subjects)) {
    if (subject.table !== table) continue;
    if (subject.key.join() === columns.join()) return name;
    const identity = Object.keys(subject.identities).find((it) => subject.identities[it] === columns[0]);
    if (columns.length === 1 && identity !== undefined) return `${name}.${identity}`;
  }
  return `${table}.${columns[0] ?? ''}`;
}
