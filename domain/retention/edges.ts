import { canonicalJson } from '../canonical.ts';
import type { Catalog, ForeignKey } from '../catalog.ts';
import { leavesOf, rootOf } from '../partitions.ts';
import type { Edge } from './graph.ts';

/** Of an edge that only partitions declare, or that points at one: it may come and go with them. */
export interface Partly {
  /**
   * Object ids of the physical tables whose rows it ties. Null: those of the whole tables, since a key of one partition onto the whole table
   * says what the column means in all of them.
   */
  readonly pairs: readonly PartitionPair[] | null;
}

export interface PartitionPair {
  /** Null: any. */
  readonly from: readonly number[] | null;
  readonly to: readonly number[];
}

/** What it means for the row is said elsewhere. */
type KeyEdge = Omit<Edge, 'as' | 'because' | 'with'>;

interface DeclaredKey {
  readonly table: string;
  readonly key: ForeignKey;
}

/** The foreign keys of a store as edges between whole tables: a key of a partition, or onto one, is its table's. */
export function keyEdges(catalog: Catalog): KeyEdge[] {
  const declared = Object.values(catalog.tables).flatMap((table) =>
    table.foreignKeys.map((key): DeclaredKey => ({ table: `${table.schema}.${table.name}`, key })),
  );
  const meaning = ({ table, key }: DeclaredKey): unknown[] => [
    rootOf(catalog, table),
    rootOf(catalog, key.references),
    key.columns,
    key.referencedColumns,
  ];
  const byMeaning = Map.groupBy(declared, (it) => canonicalJson(meaning(it)));
  return [...byMeaning.values()].flatMap((keys) => edgesOf(catalog, keys));
}

/** Keys that say the same are one edge, unless they do different things to their rows. */
function edgesOf(catalog: Catalog, keys: readonly DeclaredKey[]): KeyEdge[] {
  const whole = keys.some(({ table, key }) => isRoot(catalog, table) && isRoot(catalog, key.references));
  const partly = whole ? {} : { partly: { pairs: pairsOf(catalog, keys) } };
  const behaviour = ({
    table,
    key: { name, columns: _columns, references: _references, referencedColumns: _referenced, ...rest },
  }: DeclaredKey): string =>
    // Two keys of one table stay two, as they are in the database.
    canonicalJson(isRoot(catalog, table) ? { ...rest, name } : rest);
  return [...Map.groupBy(keys, behaviour).values()].map(([first]) => {
    const { table, key } = first!;
    return {
      name: key.name,
      from: rootOf(catalog, table),
      columns: key.columns,
      to: rootOf(catalog, key.references),
      toColumns: key.referencedColumns,
      when: {},
      foreignKey: key,
      asText: false,
      ...partly,
    };
  });
}

function pairsOf(catalog: Catalog, keys: readonly DeclaredKey[]): PartitionPair[] | null {
  if (keys.some(({ key }) => isRoot(catalog, key.references))) return null;
  return keys.map(({ table, key }) => ({
    from: isRoot(catalog, table) ? null : oids(catalog, table),
    to: oids(catalog, key.references),
  }));
}

function oids(catalog: Catalog, table: string): number[] {
  return leavesOf(catalog, table).flatMap((leaf) => catalog.tables[leaf]?.oid ?? []);
}

function isRoot(catalog: Catalog, table: string): boolean {
  return rootOf(catalog, table) === table;
}

/**
 * The edges of now with those that a plan saw and that have gone with partitions since: what a row meant when it was planned is what it means
 * until the run ends.
 */
export function withPlanned(edges: readonly Edge[], planned: readonly Edge[]): Edge[] {
  const meaning = ({ from, to, columns, toColumns }: Edge): string => canonicalJson([from, to, columns, toColumns]);
  const there = new Set(edges.map(meaning));
  return [...edges, ...planned.filter((edge) => !there.has(meaning(edge)))];
}
