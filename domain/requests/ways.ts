import { canonicalJson } from '../canonical.ts';
import { turned, type Edge } from '../retention/graph.ts';
import { directEnds, endsOf, homeOf, isOthersOwn, type ErasureGraph } from './graph.ts';
import type { ErasureWay } from './model.ts';

// What lies further away is reported, not forgotten; each hop is a join of every statement about the table.
const MAX_HOPS = 6;
// More in one table means that nobody has said whose its rows are; each is a branch of every statement about the table.
const MAX_WAYS = 32;

export interface ErasureWays {
  /** By `schema.table`: only tables from which a way leads to the subject; shortest first. */
  readonly ways: ReadonlyMap<string, readonly ErasureWay[]>;
  /** Tables whose rows lead to the subject by more hops, or in more ways, than are followed. */
  readonly tooFar: readonly string[];
}

interface Hop {
  readonly edge: Edge;
  /** Set where it leads from what people share to who owns it. */
  readonly owners: Edge | null;
}

/**
 * From which tables, and how, rows lead to a subject of this kind.
 *
 * A row is of whom it names itself. It is also of whoever the thing is about that it is a part of (its foreign key stands in its primary
 * key: a line of an order). What else it references counts only where it names nobody: an order that went to a friend's address is not the
 * friend's.
 */
export function erasureWays(graph: ErasureGraph): ErasureWays {
  const distance = distances(graph);
  const ways = new Map<string, readonly ErasureWay[]>();
  const tooFar: string[] = [];
  for (const table of [...distance.keys()].sort()) {
    const found = sorted(waysFrom(graph, distance, table, [table], table));
    if (found.length === 0 || found.length > MAX_WAYS) tooFar.push(table);
    if (found.length > 0) ways.set(table, found.slice(0, MAX_WAYS));
  }
  return { ways, tooFar };
}

/** Shortest first. Ways that differ in nothing that a statement would say are one. */
function sorted(ways: readonly ErasureWay[]): ErasureWay[] {
  const meaning = (way: ErasureWay): string =>
    canonicalJson([way.steps.length, way.steps.map(({ from, columns, to }) => [from, columns, to]), way]);
  const byMeaning = new Map(ways.map((way) => [meaning(way), way]));
  return [...byMeaning].sort(([one, a], [other, b]) => a.steps.length - b.steps.length || (one < other ? -1 : 1)).map(([, way]) => way);
}

/** Hops to the nearest table that names the subject, by table; those from which none leads there are left out. */
function distances(graph: ErasureGraph): Map<string, number> {
  const tables = Object.keys(graph.catalog.tables);
  const found = new Map(tables.filter((table) => directEnds(graph, table).length > 0).map((table) => [table, 0]));
  const hops = tables.flatMap((table) => hopsFrom(graph, table, null));
  // A map may grow while it is walked: what is added is visited too.
  for (const [reached, hopsLeft] of found) {
    for (const { edge } of hops) if (edge.to === reached && !found.has(edge.from)) found.set(edge.from, hopsLeft + 1);
  }
  for (const { owners } of graph.shared) {
    const toOwners = found.get(owners.from);
    if (toOwners !== undefined && !found.has(owners.to)) found.set(owners.to, toOwners + 1);
  }
  return found;
}

/** The hops from a table on a way that began at `start`. What is shared may always be kept, and then only it itself leads on to its owners. */
function hopsFrom(graph: ErasureGraph, table: string, start: string | null): Hop[] {
  if (table === homeOf(graph) || isOthersOwn(graph, table)) return [];
  const isOwnersEdge = (edge: Edge): boolean => graph.shared.some(({ owners }) => owners === edge);
  // Who owns something names its owner; the other owners are not named by it.
  const along = graph.edges.filter((edge) => edge.from === table && edge.to !== table && !isOwnersEdge(edge));
  const toOwners = graph.shared
    .filter(({ owners, rule }) => owners.to === table && (start === table || goesAlong(rule)))
    .map(({ owners, rule }): Hop => ({
      edge: turned(owners),
      owners: start === table || rule.onErase === 'delete' ? null : owners,
    }));
  return [...along.map((edge) => ({ edge, owners: null })), ...toOwners];
}

/** Whether an erasure ever takes the shared row, and so what hangs on it. */
function goesAlong(rule: ErasureGraph['shared'][number]['rule']): boolean {
  return rule.onErase === 'delete' || (rule.onErase === 'detach' && rule.lastOwner === 'delete');
}

function waysFrom(
  graph: ErasureGraph,
  distance: ReadonlyMap<string, number>,
  table: string,
  visited: readonly string[],
  start: string,
): ErasureWay[] {
  const ends = directEnds(graph, table);
  const here = ends.map((end): ErasureWay => ({ steps: [], ...end, unnamed: [], shared: null }));
  if (table === homeOf(graph)) return here;
  const budget = MAX_HOPS - visited.length;
  const on = hopsFrom(graph, table, start)
    .filter(({ edge }) => !visited.includes(edge.to) && endsOf(graph, edge).length === 0)
    .filter(({ edge }) => (distance.get(edge.to) ?? Infinity) <= budget);
  const plain = on.filter(({ edge }) => edge.to === homeOf(graph) && Object.keys(edge.when).length === 0);
  const named = [...ends, ...plain.map(({ edge }) => edge)];
  const naming = on.filter((hop) => isNaming(graph, hop));
  const parts = on.filter((hop) => !naming.includes(hop) && isPart(graph, hop.edge, named));
  const others = on.filter((hop) => !naming.includes(hop) && !parts.includes(hop));
  const guards = named.map(({ columns }) => ({ hop: 0, columns }));
  const found = [...here, ...followed(naming, [])];
  const whole = followed(parts, []);
  found.push(...whole);
  if (whole.length > 0 || named.some(({ columns }) => isFilled(graph, table, columns))) return found;
  return [...found, ...followed(others, guards)];

  /** Stops as soon as there are more than are followed: a dense schema has more ways than anybody could count. */
  function followed(hops: readonly Hop[], unnamed: ErasureWay['unnamed']): ErasureWay[] {
    const ways: ErasureWay[] = [];
    for (const hop of hops) {
      if (ways.length > MAX_WAYS) break;
      const further = waysFrom(graph, distance, hop.edge.to, [...visited, hop.edge.to], start);
      ways.push(...prefixed({ ...hop, further }, unnamed));
    }
    return ways;
  }

  function prefixed(hop: Hop & { readonly further: readonly ErasureWay[] }, unnamed: ErasureWay['unnamed']): ErasureWay[] {
    return hop.further.flatMap((way): ErasureWay[] => {
      // Nobody can say who owns what only people own who share something else.
      if (hop.owners !== null && way.shared !== null) return [];
      const shifted = way.shared === null ? null : { ...way.shared, hop: way.shared.hop + 1 };
      return [
        {
          ...way,
          steps: [hop.edge, ...way.steps],
          unnamed: [...unnamed, ...way.unnamed.map((it) => ({ ...it, hop: it.hop + 1 }))],
          shared: hop.owners === null ? shifted : { hop: 0, owners: hop.owners },
        },
      ];
    });
  }
}

/** Hops that say whose the row is as plainly as a column does: to who owns it, and polymorphic ones to the subject. */
function isNaming(graph: ErasureGraph, { edge }: Hop): boolean {
  return graph.shared.some(({ owners }) => owners.to === edge.from && owners.from === edge.to) || edge.to === homeOf(graph);
}

/** Whether a row is a part of what the edge points at. A key that names a person, too, joins two things that exist without it. */
function isPart({ catalog }: ErasureGraph, edge: Edge, named: readonly { readonly columns: readonly string[] }[]): boolean {
  const primary = catalog.tables[edge.from]?.primaryKey ?? [];
  const inKey = (columns: readonly string[]): boolean => columns.every((column) => primary.includes(column));
  return inKey(edge.columns) && !named.some(({ columns }) => inKey(columns));
}

function isFilled({ catalog }: ErasureGraph, table: string, columns: readonly string[]): boolean {
  const live = catalog.tables[table]?.columns ?? [];
  return columns.every((name) => live.find((it) => it.name === name)?.nullable === false);
}
