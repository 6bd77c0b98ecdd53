import { canonicalJson } from '../canonical.ts';
import { turned, type Edge } from '../retention/graph.ts';
import { directEnds, endsOf, homeOf, isOthersOwn, type ErasureGraph } from './graph.ts';
import type { ErasureWay, Owner } from './model.ts';
import { ownersOf } from './owners.ts';

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
 * From which tables, and how, rows lead to a subject of this kind: along references that say whose a row is (domain/people/roles.ts). A row that
 * only mentions somebody is not theirs.
 */
export function erasureWays(graph: ErasureGraph): ErasureWays {
  const distance = distances(graph);
  const owners = new Map([...distance.keys()].map((table) => [table, ownersOf(graph, table)]));
  const walk: Walk = { graph, distance, owners };
  const ways = new Map<string, readonly ErasureWay[]>();
  const tooFar: string[] = [];
  for (const table of [...distance.keys()].sort()) {
    const found = sorted(waysFrom(walk, table, [table], table));
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
  const along = graph.edges.filter(
    (edge) => edge.from === table && edge.to !== table && edge.as !== null && edge.as !== 'mention' && !isOwnersEdge(edge),
  );
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

/** What is asked again and again on the way through a dense schema. */
interface Walk {
  readonly graph: ErasureGraph;
  /** Hops to the nearest table that names the subject. */
  readonly distance: ReadonlyMap<string, number>;
  readonly owners: ReadonlyMap<string, readonly Owner[]>;
}

function waysFrom(walk: Walk, table: string, visited: readonly string[], start: string): ErasureWay[] {
  const { graph, distance } = walk;
  const owners = walk.owners.get(table) ?? [];
  const here = directEnds(graph, table).map((end): ErasureWay => ({
    steps: [],
    ...end,
    shared: null,
    together: guardsOf(owners),
  }));
  if (table === homeOf(graph)) return here;
  const budget = MAX_HOPS - visited.length;
  const on = hopsFrom(graph, table, start)
    .filter(({ edge }) => !visited.includes(edge.to) && endsOf(graph, edge).length === 0)
    .filter(({ edge }) => (distance.get(edge.to) ?? Infinity) <= budget);
  const ways = [...here];
  // Stops as soon as there are more than are followed: a dense schema has more ways than anybody could count.
  for (const hop of on) {
    if (ways.length > MAX_WAYS) break;
    const further = waysFrom(walk, hop.edge.to, [...visited, hop.edge.to], start);
    ways.push(...further.flatMap((way) => prefixed(hop, way, owners)));
  }
  return ways;
}

/** A row that several people own stays with what hangs on it while others are there, by whichever reference it is reached. */
function guardsOf(owners: readonly Owner[]): ErasureWay['together'] {
  return owners.length === 0 ? [] : [{ hop: 0, owners }];
}

function prefixed({ edge, owners: sharers }: Hop, way: ErasureWay, owners: readonly Owner[]): ErasureWay[] {
  // Nobody can say who owns what only people own who share something else.
  if (sharers !== null && way.shared !== null) return [];
  const shifted = way.shared === null ? null : { ...way.shared, hop: way.shared.hop + 1 };
  const further = way.together.map((it) => ({ ...it, hop: it.hop + 1 }));
  return [
    {
      ...way,
      steps: [edge, ...way.steps],
      shared: sharers === null ? shifted : { hop: 0, owners: sharers },
      together: [...guardsOf(owners), ...further],
    },
  ];
}
