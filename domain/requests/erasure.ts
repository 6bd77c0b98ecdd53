import { storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { mapValues } from '../../manifest/values.ts';
import type { Catalog, CatalogTable } from '../catalog.ts';
import { cycleFix, cycleText, rigidCycles } from '../retention/cycles.ts';
import type { Edge } from '../retention/graph.ts';
import { judgeTable, personalParts, unclassifiedColumns, Uses } from './columns.ts';
import { cutColumns } from './cut.ts';
import { crossReferences, erasureGraph, inOrder, KEY_IDENTITY, endsOf, type ErasureGraph } from './graph.ts';
import type {
  ErasureProblem,
  ErasureScope,
  ErasureWay,
  IncomingEdge,
  SharedRows,
  StayingTable,
  StoreErasure,
  TableErasure,
} from './model.ts';
import { executionOrder, type Before } from './order.ts';
import { mentionsOf, ownersOf } from './owners.ts';
import { pointsAtSeveral } from './unique.ts';
import { erasureWays } from './ways.ts';

/**
 * How one store carries out an erasure for subjects of a kind for whom the same purposes remain. Equal inputs give an equal plan, in whatever
 * order their keys stand. `before`: the manifest that was in force when the request came, for a later one cannot rescue data.
 */
export function planErasure(
  subject: string,
  scope: ErasureScope,
  catalog: Catalog,
  manifest: Manifest,
  before: Manifest = manifest,
): StoreErasure {
  return new ErasurePlanner(erasureGraph(subject, catalog, stayingSince(manifest, before)), scope, before).plan();
}

/** A table whose rows were said to stay only after the request came: the word rescues nothing from it. */
function stayingSince(manifest: Manifest, before: Manifest): Manifest {
  if (manifest === before) return manifest;
  const tables = mapValues(manifest.tables, (it, id) => (before.tables[id]?.stays ? it : { ...it, stays: null }));
  return { ...manifest, tables };
}

class ErasurePlanner {
  readonly #graph: ErasureGraph;
  readonly #scope: ErasureScope;
  readonly #before: Manifest;
  readonly #problems: ErasureProblem[] = [];

  constructor(graph: ErasureGraph, scope: ErasureScope, before: Manifest) {
    this.#graph = graph;
    this.#scope = scope;
    this.#before = before;
  }

  plan(): StoreErasure {
    const { catalog, subject, edges } = this.#graph;
    const { ways, tooFar } = erasureWays(this.#graph);
    for (const table of tooFar) if (this.#isPlanned(table)) this.#tooFar(table);
    for (const edge of new Set([...ways.values()].flat().flatMap(({ steps }) => steps)))
      if (pointsAtSeveral(edge, catalog, this.#graph.manifest)) this.#severalTargets(edge);
    const tables = Object.keys(catalog.tables)
      .sort()
      .flatMap((table) => this.#table(table, ways.get(table) ?? []));
    const along = tables.flatMap((it) => this.#along(it));
    const names = tables.map(({ table }) => table);
    const structural = edges.filter((edge) => !this.#isByIdentity(edge));
    const deleted = new Set(tables.filter(({ rows }) => rows === 'delete').map(({ table }) => table));
    const order = executionOrder(catalog, names, deleted, structural, along);
    this.#cycles(deleted);
    const staying = this.#staying(new Set(tables.filter((it) => it.ways.length > 0).map(({ table }) => table)));
    return {
      store: catalog.store,
      subject,
      remaining: this.#scope.remaining,
      tables: order.map((name) => tables.find(({ table }) => table === name)!),
      ...(staying.length > 0 && { staying }),
      problems: inOrder(this.#problems),
    };
  }

  #table(table: string, ways: readonly ErasureWay[]): TableErasure[] {
    const { catalog, manifest } = this.#graph;
    const id = `${catalog.store}.${table}`;
    const live = catalog.tables[table];
    const declared = manifest.tables[id];
    if (live === undefined || !isPhysical(live) || live.partitionOf !== null || id in manifest.ignored) return [];
    if (declared === undefined) {
      if (ways.length > 0)
        this.#problem(
          'unclassified',
          table,
          `holds data about people and is not declared: add it under \`tables\`, or under \`ignore\` with a reason`,
        );
      return [];
    }
    this.#polymorphic(table);
    const uses = new Uses(declared, this.#before.tables[id], this.#scope);
    const mentions = mentionsOf(this.#graph, table, live, (column) => uses.isEnded(column));
    if (ways.length + mentions.length === 0 && personalParts(this.#graph, live, declared).length === 0) return [];
    const judged = judgeTable(this.#graph, table, declared, this.#before.tables[id], this.#scope);
    const nobody = ways.length === 0;
    if (nobody && judged.json.length + mentions.length === 0) return [];
    // What hangs on a row goes with whose the row is.
    for (const on of new Set(ways.flatMap(({ steps }) => [table, ...steps.map(({ to }) => to)]))) this.#unclear(on);
    const planned: TableErasure = {
      table,
      ways,
      ...judged,
      // Rows that only mention people are not theirs: the names go, and the rows stay.
      ...(nobody ? { rows: 'keep' as const, masks: [], masksWhenPinned: [], spared: [] } : {}),
      floor: declared.floor,
      incoming: judged.rows === 'delete' && !nobody ? this.#incoming(table) : [],
      shared: this.#shared(table),
      owners: ownersOf(this.#graph, table),
      mentions,
    };
    if (planned.rows !== 'delete' && !nobody) this.#unclassified(table, unclassifiedColumns(live, declared));
    this.#writable(planned, live);
    return [planned];
  }

  /** Tables that name people, or what is theirs, and stay since the manifest says so. */
  #staying(theirs: ReadonlySet<string>): StayingTable[] {
    const { catalog, manifest, edges } = this.#graph;
    const names = (table: string): boolean =>
      edges.some((edge) => edge.from === table && edge.as !== null && theirs.has(edge.to)) ||
      crossReferences(this.#graph, table).length > 0;
    return Object.keys(catalog.tables)
      .sort()
      .flatMap((table): StayingTable[] => {
        const stays = manifest.tables[`${catalog.store}.${table}`]?.stays ?? null;
        return stays !== null && this.#isPlanned(table) && names(table) ? [{ table, ...stays }] : [];
      });
  }

  #isPlanned(table: string): boolean {
    const live = this.#graph.catalog.tables[table];
    return (
      live !== undefined &&
      isPhysical(live) &&
      live.partitionOf === null &&
      `${this.#graph.catalog.store}.${table}` in this.#graph.manifest.tables
    );
  }

  /** What points at rows that go. A reference without a constraint stops nothing: it is cut where it can be, and otherwise points nowhere. */
  #incoming(table: string): IncomingEdge[] {
    const { catalog, edges } = this.#graph;
    return edges
      .filter((edge) => edge.to === table && !this.#isByIdentity(edge))
      .flatMap((edge): IncomingEdge[] => {
        const detaches = this.#isPlanned(edge.from) && cutColumns(catalog.tables[edge.from]!, edge).length > 0;
        if (detaches) return [{ edge, otherwise: 'detach' }];
        return edge.foreignKey?.enforced === true ? [{ edge, otherwise: 'pin' }] : [];
      });
  }

  /** An address that two tables hold is no reference between their rows, unless a constraint makes it one. */
  #isByIdentity(edge: Edge): boolean {
    return edge.foreignKey === null && endsOf(this.#graph, edge).some(({ identity }) => identity !== KEY_IDENTITY);
  }

  #shared(table: string): SharedRows | null {
    const [found] = this.#graph.shared.filter(({ owners }) => owners.to === table);
    return found === undefined ? null : { owners: found.owners, onErase: found.rule.onErase, lastOwner: found.rule.lastOwner };
  }

  /** The tables that must not go before a table's rows were found. What is shared goes with its owners, in whichever order. */
  #along({ table, ways, shared }: TableErasure): Before[] {
    return ways
      .flatMap(({ steps }) => steps.map(({ to }): Before => ({ from: table, to })))
      .filter(({ to }) => shared === null || to !== shared.owners.from);
  }

  #cycles(deleted: ReadonlySet<string>): void {
    const { catalog, edges } = this.#graph;
    for (const cycle of rigidCycles(catalog, edges, deleted)) {
      this.#problem('cycle', cycle.edge.from, `cannot be erased, since foreign keys go round (${cycleText(cycle)}): ${cycleFix(cycle)}`);
    }
  }

  #tooFar(table: string): void {
    const fix = `add a reference from \`${table}\` to ${this.#graph.subject} under \`references\``;
    this.#problem('not_reached', table, `leads to ${this.#graph.subject} in more hops, or in more ways, than are followed: ${fix}`);
  }

  #severalTargets({ from, columns, to, toColumns }: Edge): void {
    const fix = 'refer to a unique column, or declare under `shared` what several people own';
    this.#problem('not_unique', from, `refers by \`${columns.join()}\` to \`${to}\` (${toColumns.join()}), which is not unique: ${fix}`);
  }

  #polymorphic(table: string): void {
    for (const { column, identity, polymorphic } of crossReferences(this.#graph, table)) {
      if (!this.#isElsewhere() || (!polymorphic && identity !== null)) continue;
      const fix = 'refer by a column of its own to the key, of one column, or to an identity';
      this.#problem(
        'not_reached',
        table,
        `refers by \`${column}\` to ${this.#graph.subject} in another store in a way that is not followed: ${fix}`,
      );
    }
  }

  #isElsewhere(): boolean {
    const { manifest, subject, catalog } = this.#graph;
    const declared = manifest.subjects[subject];
    return declared !== undefined && storeOf(declared.table) !== catalog.store;
  }

  #unclassified(table: string, columns: readonly string[]): void {
    if (columns.length === 0) return;
    this.#problem('unclassified', table, `has columns that nobody classified (${columns.join(', ')}): add them under \`columns\``);
  }

  /** What stands in the way of a table's part of the plan: privileges, row security, rules, and kinds that are never written. */
  #writable({ table, rows, masks, json, mentions, incoming }: TableErasure, live: CatalogTable): void {
    const { catalog } = this.#graph;
    const deletes = rows === 'delete';
    const updates = masks.length + json.length + mentions.length > 0;
    if (deletes || updates) {
      if (live.refused !== null) this.#problem('cannot_write', table, `is not changed: ${live.refused}`);
      for (const rule of live.rules)
        this.#problem('cannot_write', table, `has the rewrite rule \`${rule}\`, which may change what a DELETE or UPDATE does: drop it`);
    }
    if (live.rowSecurity.filtersUs)
      this.#problem('cannot_write', table, `hides rows by row security from role \`${catalog.role.name}\`: let it bypass row security`);
    const needs = [
      ...(live.privileges.select ? [] : ['select']),
      ...(deletes && !live.privileges.delete ? ['delete'] : []),
      // A row that another one needs stays, masked.
      ...((updates || deletes) && !live.privileges.update ? ['update'] : []),
    ];
    if (needs.length > 0)
      this.#problem('cannot_write', table, `needs privileges that role \`${catalog.role.name}\` lacks: grant ${needs.join(', ')}`);
    for (const { edge, otherwise } of incoming) {
      if (otherwise === 'detach' && catalog.tables[edge.from]?.privileges.update === false)
        this.#problem(
          'cannot_write',
          edge.from,
          `references rows that go, and role \`${catalog.role.name}\` may not cut that: grant update`,
        );
    }
  }

  /** Who its rows are about decides what goes with whom: nobody guesses it. */
  #unclear(table: string): void {
    const { edges, subject } = this.#graph;
    const unclear = [
      ...edges.filter(({ from, as }) => from === table && as === 'unclear'),
      ...crossReferences(this.#graph, table).filter(({ as }) => as === 'unclear').map((it) => ({ ...it, columns: [it.column] })), // prettier-ignore
    ];
    const [first] = unclear;
    if (first === undefined) return;
    const names = [...new Set(unclear.map(({ columns }) => `\`${columns.join(', ')}\``))].join(', ');
    const fix = 'say `as: owner`, `mention` or `both` of each under `references`';
    this.#problem(
      'unclear',
      table,
      `refers by ${names} to people, and nothing says which of them its rows are about (${first.because}); a request of ${subject} waits for that: ${fix}`,
    );
  }

  #problem(code: ErasureProblem['code'], table: string, what: string): void {
    const id = `${this.#graph.catalog.store}.${table}`;
    const found: ErasureProblem = { code, table: id, message: `\`${id}\` ${what}` };
    if (!this.#problems.some((it) => it.code === code && it.message === found.message)) this.#problems.push(found);
  }
}

function isPhysical(live: CatalogTable): boolean {
  return live.kind === 'table' || live.kind === 'partitioned';
}
