import type { Catalog } from '../catalog.ts';
import { named } from '../people/map.ts';
import type { Role } from '../people/roles.ts';
import { crossRoles, referenceTarget, storeEdges, type Edge, type Referring } from '../retention/graph.ts';

/** One way from the rows of a table to people, as a line of the manifest would say it. */
export interface Way {
  /** `schema.table` of the store. */
  readonly table: string;
  readonly columns: readonly string[];
  /** The one of them by which a line names the reference. */
  readonly column: string;
  readonly when: Readonly<Record<string, string | number | boolean>>;
  readonly to: string;
  /** `schema.table` of the store; null: in another one. */
  readonly target: string | null;
  /** Whom it names itself; null where it names what somebody owns. */
  readonly subject: string | null;
  readonly role: Role;
  readonly because: string;
}

/** All ways to people of a store that a line of the manifest can name. */
export function waysOf(catalog: Catalog, referring: Referring): readonly Way[] {
  const edges = storeEdges(catalog, referring);
  const inside = edges.flatMap((edge): Way[] => {
    if (edge.as === null) return [];
    const at = tellingColumn(edge, edges);
    const target = `${catalog.store}.${edge.to}`;
    return [
      {
        table: edge.from,
        columns: edge.columns,
        column: edge.columns[at]!,
        when: edge.when,
        to: edge.columns.length === 1 ? named(referring, target, edge.toColumns) : `${target}.${edge.toColumns[at]!}`,
        target: edge.to,
        subject: Object.keys(referring.subjects).find((name) => referring.subjects[name]!.table === target) ?? null,
        role: edge.as,
        because: edge.because ?? '',
      },
    ];
  });
  const cross = [...crossRoles(catalog, referring)].map(([{ from, to, when }, { role, because }]): Way => {
    const [, schema = '', table = '', column = ''] = from.split('.');
    const { store, table: of } = referenceTarget(to, referring)!;
    const subject = Object.keys(referring.subjects).find((name) => referring.subjects[name]!.table === `${store}.${of}`) ?? null;
    return { table: `${schema}.${table}`, columns: [column], column, when, to, target: null, subject, role, because };
  });
  // An id of four parts ends at the third dot.
  return [...inside, ...cross].filter(({ column, to }) => !column.includes('.') && to.split('.').length <= 4);
}

/** `(tenant_id, author_id)` and `(tenant_id, reviewer_id)` differ by their second column. */
function tellingColumn(edge: Edge, edges: readonly Edge[]): number {
  const others = edges.filter((it) => it.from === edge.from && it.to === edge.to && it.columns.join() !== edge.columns.join());
  const own = edge.columns.findLastIndex((column) => !others.some(({ columns }) => columns.includes(column)));
  return own >= 0 ? own : edge.columns.length - 1;
}
