import type { CatalogTable } from '../catalog.ts';
import type { Edge } from '../retention/graph.ts';
import { crossReferences, endsOf, homeOf, inOrder, KEY_IDENTITY, type ErasureGraph } from './graph.ts';
import type { ErasureWay, Mention, Owner } from './model.ts';

/** Every reference that says who owns a row of a table that several people own, of whichever kind they are; empty for all other tables. */
export function ownersOf(graph: ErasureGraph, table: string): Owner[] {
  const found = Object.keys(graph.manifest.subjects).flatMap((subject) => {
    const own = { ...graph, subject };
    return namesOf(own, table)
      .filter(({ as }) => as === 'both' || as === 'owner')
      .map(({ as, way, when }) => ({ as, owner: { ...ownerAlong(subject, way, when), purposes: keeping(graph, table) } }));
  });
  return found.some(({ as }) => as === 'both') ? inOrder(found.map(({ owner }) => owner)) : [];
}

/** How long the law keeps a row says the floor. */
function keeping({ manifest, catalog }: ErasureGraph, table: string): string[] {
  const declared = manifest.tables[`${catalog.store}.${table}`];
  if (declared === undefined) return [];
  const all = [...declared.purposes, ...Object.values(declared.columns ?? {}).flatMap(({ purposes }) => purposes ?? [])];
  return [...new Set(all)].filter((it) => declared.floor === null || manifest.purposes[it]?.basis !== 'legal_obligation').sort();
}

function ownerAlong(subject: string, { steps, columns, identity, asText }: ErasureWay, when: Owner['when']): Omit<Owner, 'purposes'> {
  const [step] = steps;
  return { subject, columns: step?.columns ?? columns, identity, asText: step?.asText ?? asText, when };
}

/** Where rows of a table name a person of the graph's kind without being theirs alone, and what of it goes. `ends`: columns that no purpose keeps. */
export function mentionsOf(graph: ErasureGraph, table: string, live: CatalogTable, ends: (column: string) => boolean): Mention[] {
  const found = namesOf(graph, table)
    .filter(({ as }) => as === 'mention' || as === 'both')
    .map(({ way, cut, with: along, when }): Mention => {
      const own = cut ? [] : [...(way.steps[0]?.columns ?? way.columns), ...Object.keys(when)];
      const columns = [...own, ...along.filter((name) => !isReference(graph, table, name))];
      return { way, columns: [...new Set(columns)].filter((name) => goes(live, name) && ends(name)) };
    });
  return inOrder(found.filter(({ columns }) => columns.length > 0));
}

/** It goes as what it refers to does. */
function isReference({ edges }: ErasureGraph, table: string, column: string): boolean {
  return edges.some(({ from, columns, foreignKey }) => from === table && foreignKey !== null && columns.includes(column));
}

/** Neither a key nor made from other columns. */
function goes({ columns, primaryKey }: CatalogTable, name: string): boolean {
  const column = columns.find((it) => it.name === name);
  return column !== undefined && column.generated === null && !column.identity && !(primaryKey ?? []).includes(name);
}

interface Name {
  readonly as: Edge['as'];
  readonly way: ErasureWay;
  readonly when: Owner['when'];
  readonly with: readonly string[];
  /** The reference goes with the row that it points at, or stays with it. */
  readonly cut: boolean;
}

/** References from a table to the subject's own row, in this store or another, by key or identity. */
function namesOf(graph: ErasureGraph, table: string): Name[] {
  const home = homeOf(graph);
  const declared = graph.manifest.subjects[graph.subject];
  if (declared === undefined) return [];
  if (home === null) {
    return crossReferences(graph, table).flatMap(({ column, identity, polymorphic, as, with: along }) =>
      identity === null || polymorphic ? [] : [{ as, way: ending([], [column], identity, false), when: {}, with: along, cut: false }],
    );
  }
  return graph.edges
    .filter((edge) => edge.from === table && edge.to === home && !(table === home && edge.columns.join() === declared.key.join()))
    .flatMap((edge): Name[] => {
      const { as, when, with: along } = edge;
      const [end] = endsOf(graph, edge);
      if (end === undefined) return [{ as, way: ending([edge], declared.key, KEY_IDENTITY, false), when, with: along, cut: true }];
      const cut = edge.foreignKey !== null || end.identity === KEY_IDENTITY;
      return [{ as, way: ending([], end.columns, end.identity, end.asText), when, with: along, cut }];
    });
}

function ending(steps: readonly Edge[], columns: readonly string[], identity: string, asText: boolean): ErasureWay {
  return { steps, columns, identity, asText, shared: null, together: [] };
}
