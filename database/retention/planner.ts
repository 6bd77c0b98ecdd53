import type { Kysely } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { storeEdges, type Edge } from '../../domain/retention/graph.ts';
import { chooseStrategy, orderTables, type RetentionPlan, type TablePlan, type Unit } from '../../domain/retention/plan.ts';
import { cutOff } from '../../domain/time.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { StoreError, translating } from '../errors.ts';
import { activeHolds, NO_HOLDS, type ActiveHolds } from '../holds.ts';
import { schemaState } from '../migrate.ts';
import { inTransaction, type Store } from '../store.ts';
import { countAlong } from './along.ts';
import type { Change } from './change.ts';
import { COUNTING, countOutcomes, keptByReason, type UnitCount } from './count.ts';
import { compileRule, ruledTables, type Scope } from './predicates.ts';
import { tableFingerprint } from './target.ts';
import { leaves, timeIndex, whyNotDroppable } from './units.ts';
import { inStore } from '../../manifest/ids.ts';

const DAY_MS = 86_400_000;
/** Reading waits only for DDL; whoever alters the table for longer than this should not have a queue of ours behind it. */
const READ_LOCK_MS = 5_000;
/** How far the plan's forecast looks. */
const HORIZON_DAYS = 30;

export interface PlanRequest {
  readonly stores: ReadonlyMap<string, Store>;
  readonly manifest: Manifest;
  readonly manifestHash: string;
  readonly asOf: Date;
  /** `store.schema.table` ids; null plans every rule. */
  readonly only: readonly string[] | null;
  /** Called before each table is counted. */
  readonly progress?: (table: string, index: number, of: number) => void;
}

/** Counts, table by table, what every retention rule would do. Reads only; needs no schema of ours. */
export async function planRetention(request: PlanRequest): Promise<RetentionPlan> {
  const { manifest, only } = request;
  const tables: TablePlan[] = [];
  for (const name of Object.keys(manifest.stores).sort()) {
    const store = request.stores.get(name);
    if (store === undefined || ruled(manifest, name, only).length === 0) continue;
    const catalog = await readCatalog(store);
    const edges = storeEdges(catalog, manifest);
    const holds = await readHolds(store);
    const ordered = purgeOrder(edges, manifest, name, only);
    for (const [index, table] of ordered.entries()) {
      request.progress?.(`${name}.${table}`, index, ordered.length);
      tables.push(await planTable(request, store, catalog, edges, holds, table, ordered.slice(0, index)));
    }
  }
  return {
    job: 'retention',
    organisation: manifest.organisation,
    manifest: request.manifestHash,
    mode: manifest.mode,
    asOf: request.asOf.toISOString(),
    timezone: manifest.timezone,
    tables,
  };
}

/** Without our schema there are no holds; a plan that could not see them would be wrong. */
async function readHolds(store: Store): Promise<ActiveHolds> {
  try {
    return await translating(store, async () => ((await schemaState(store, false)) === 'missing' ? NO_HOLDS : activeHolds(store.db)));
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'permission') throw error;
    const { code, kind } = error;
    const sentence = 'our role may not read the holds: grant it usage on schema probity, and select on all tables in schema probity';
    throw new StoreError({ store: store.name, code, kind, retryable: false, sentence });
  }
}

function ruled(manifest: Manifest, store: string, only: readonly string[] | null): string[] {
  return ruledTables(manifest, store).filter((table) => only === null || only.includes(`${store}.${table}`));
}

/** A store's tables in the order in which a run purges them; `only` as in `PlanRequest`. */
export function purgeOrder(edges: readonly Edge[], manifest: Manifest, store: string, only: readonly string[] | null): string[] {
  const tables = ruled(manifest, store, only);
  return orderTables(tables, mustPrecede(tables, edges, manifest, store));
}

/**
 * Referencing tables go first, except where the referenced table's age is read from them. Rows that merely let go of what
 * they reference need no turn before it, and must not hide that another order is needed elsewhere in a cycle.
 */
function mustPrecede(tables: readonly string[], edges: readonly Edge[], manifest: Manifest, store: string): Map<string, Set<string>> {
  const before = new Map<string, Set<string>>();
  const add = (earlier: string, later: string): void => {
    before.set(later, (before.get(later) ?? new Set()).add(earlier));
  };
  const readsAgeOf = (table: string, other: string): boolean => {
    const after = manifest.tables[`${store}.${table}`]?.retention?.after;
    return after !== undefined && 'lastOf' in after && inStore(after.lastOf) === other;
  };
  for (const edge of edges) {
    if (edge.from === edge.to || !tables.includes(edge.from) || !tables.includes(edge.to)) continue;
    if (readsAgeOf(edge.to, edge.from)) add(edge.to, edge.from);
    else if (manifest.tables[`${store}.${edge.to}`]?.retention?.children[`${store}.${edge.from}`] !== 'detach') add(edge.from, edge.to);
  }
  return before;
}

async function planTable(
  request: PlanRequest,
  store: Store,
  catalog: Catalog,
  edges: readonly Edge[],
  holds: ActiveHolds,
  table: string,
  earlier: readonly string[],
): Promise<TablePlan> {
  const { manifest, asOf } = request;
  const rule = manifest.tables[`${store.name}.${table}`]?.retention;
  const found = catalog.tables[table];
  if (rule === null || rule === undefined || found === undefined)
    throw new Error(`${store.name}.${table} is not in the database: run the check`);
  const scope: Scope = { store: store.name, manifest, catalog, edges, holds, asOf, earlier };
  const predicates = compileRule(scope, table, 't');
  const change: Change = { scope, table, unit: table, unitOid: found.oid, action: rule.then, predicates };
  const next = compileRule(scope, table, 't', cutOff(new Date(asOf.getTime() + HORIZON_DAYS * DAY_MS), rule.keep, manifest.timezone));
  return inTransaction(
    store,
    { readOnly: true, isolation: 'repeatable read', lockTimeoutMs: READ_LOCK_MS, settings: COUNTING },
    async (trx) => {
      const counts = await countOutcomes(trx, change, next);
      return {
        store: store.name,
        table,
        rule,
        cutOff: predicates.cutOff.toISOString(),
        between: rule.between ?? manifest.purge.between,
        fingerprint: tableFingerprint(catalog, edges, manifest, table),
        partly: edges.filter((edge) => edge.partly),
        rows: total(counts, 'take'),
        along: total(counts, 'take') === 0 ? {} : await countAlong(trx, change),
        kept: keptByReason(counts),
        nextMonth: total(counts, 'next'),
        units: await planUnits(trx, change, counts),
      };
    },
  );
}

function total(counts: readonly UnitCount[], outcome: string): number {
  return counts.filter((count) => count.outcome === outcome).reduce((sum, count) => sum + count.rows, 0);
}

async function planUnits(db: Kysely<unknown>, change: Change, counts: readonly UnitCount[]): Promise<Unit[]> {
  const { catalog } = change.scope;
  const rule = change.scope.manifest.tables[`${change.scope.store}.${change.table}`]?.retention;
  // Only a plain comparison is served by an index; a rule that also takes odd times reads every page.
  const plain =
    rule !== null && rule !== undefined && 'column' in rule.after && ![rule.missing, rule.infinite, rule.future].includes('expire');
  const column = plain && 'column' in rule.after ? rule.after.column : null;
  const units: Unit[] = [];
  for (const leaf of leaves(catalog, change.table)) {
    const mine = counts.filter((count) => count.oid === leaf.oid);
    const rows = total(mine, 'take');
    const stays = mine.some((count) => count.outcome !== 'take' && count.outcome !== 'next');
    const table = catalog.tables[leaf.table];
    const estimated = Math.max(table?.estimatedRows ?? -1, rows);
    const notDroppable =
      rows === 0 ? null : leaf.partition === null ? '' : stays ? 'some of its rows stay' : await whyNotDroppable(db, change, leaf);
    const strategy = chooseStrategy({
      table: leaf.table,
      oid: leaf.oid,
      rows,
      total: estimated,
      timeIndex: timeIndex(table, column),
      notDroppable,
    });
    units.push({ table: leaf.table, oid: leaf.oid, rows, strategy });
  }
  return units;
}
