import type { Catalog, CatalogTable } from '../../../domain/catalog.ts';
import { cutColumns } from '../../../domain/requests/cut.ts';
import type { StoreErasure, TableErasure } from '../../../domain/requests/model.ts';
import { rootOf } from '../../../domain/partitions.ts';
import { keyEdges } from '../../../domain/retention/edges.ts';
import { storeEdges, type Edge } from '../../../domain/retention/graph.ts';
import { inStore } from '../../../manifest/ids.ts';
import type { Manifest } from '../../../manifest/model.ts';
import { readCatalog } from '../../catalog.ts';
import { StoreError } from '../../errors.ts';
import { inTransaction, type Store } from '../../store.ts';
import { chooseMasks, type ChosenMasks } from './choose.ts';
import { PRINTED } from './constraints.ts';
import { jsonSteps } from './json-paths.ts';

/** An erasure together with the live catalog and the masks that it allows, ready to be counted and carried out. */
export interface ErasureTarget {
  readonly store: Store;
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  readonly edges: readonly Edge[];
  readonly erasure: StoreErasure;
  /** The tables of the erasure in its order, then those that only hold references to their rows. */
  readonly tables: readonly TargetTable[];
}

export interface TargetTable {
  /** `schema.table` */
  readonly name: string;
  readonly live: CatalogTable;
  /** Null for a table of which no row is anybody's, only references from it. */
  readonly plan: TableErasure | null;
  readonly masks: ChosenMasks | null;
  /** References from it that may be set null, in the order of their bits in `probity_row.detach`. */
  readonly detachable: readonly Edge[];
}

// A bigint's bits, the sign left alone.
const MOST_DETACHABLE = 62;
const LIMITS = {
  readOnly: true,
  isolation: 'repeatable read',
  lockTimeoutMs: 5_000,
  statementTimeoutMs: 60_000,
  settings: PRINTED,
} as const;

/**
 * Reads the catalog again and chooses masks. Throws a `StoreError`: of kind `schema` when the plan does not fit the tables as they are, of
 * kind `constraint` (with table, column and constraint named) when a column can hold no mask. Changes nothing.
 */
export async function openErasure(store: Store, manifest: Manifest, erasure: StoreErasure): Promise<ErasureTarget> {
  const catalog = await readCatalog(store);
  const incoming = erasure.tables.flatMap((plan) => plan.incoming);
  const planned = erasure.tables.map((plan) => plan.table);
  const others = [...new Set(incoming.map(({ edge }) => edge.from))].filter((name) => !planned.includes(name)).sort();
  for (const plan of erasure.tables) refuse(store.name, catalog, plan);
  const found = [...planned, ...others].map((name): TargetTable => {
    const live = liveTable(store.name, catalog, name);
    const plan = withoutIdleMasks(erasure.tables.find((candidate) => candidate.table === name) ?? null);
    const detachable = incoming.filter((it) => it.edge.from === name && it.otherwise === 'detach').map((it) => it.edge);
    if (detachable.length > MOST_DETACHABLE) throw unlike(store.name, name, `more than ${MOST_DETACHABLE} references would be set null`);
    const fixed = detachable.find((edge) => cutColumns(live, edge).length === 0);
    if (fixed !== undefined) throw unlike(store.name, name, `the reference ${fixed.name} cannot be set null`);
    return { name, live, plan, masks: null, detachable };
  });
  const tables = await inTransaction(store, LIMITS, async (trx) => {
    const chosen: TargetTable[] = [];
    for (const table of found) {
      const { plan, live } = table;
      const wanted = plan !== null && plan.masks.length + plan.masksWhenPinned.length + plan.json.length + plan.mentions.length > 0;
      chosen.push({ ...table, masks: wanted ? await chooseMasks(trx, store.name, live, plan) : null });
    }
    return chosen;
  });
  return { store, manifest, catalog, edges: storeEdges(catalog, manifest), erasure, tables };
}

/** What nothing references cannot be pinned: it needs no mask for that, and must not fail for want of one. */
function withoutIdleMasks(plan: TableErasure | null): TableErasure | null {
  return plan === null || plan.incoming.length > 0 ? plan : { ...plan, masksWhenPinned: [] };
}

function liveTable(store: string, catalog: Catalog, name: string): CatalogTable {
  const live = catalog.tables[name];
  if (live === undefined || live.kind === 'view') throw unlike(store, name, 'there is no such table');
  return live;
}

/** What would do more than the plan says, or something else. */
function refuse(store: string, catalog: Catalog, plan: TableErasure): void {
  const live = liveTable(store, catalog, plan.table);
  const columns = new Set(live.columns.map((column) => column.name));
  const named = [
    ...plan.masks,
    ...plan.masksWhenPinned,
    ...plan.json.map((part) => part.column),
    ...plan.mentions.flatMap(({ columns }) => columns),
    ...(plan.floor === null ? [] : [plan.floor.after]),
  ];
  const missing = named.find((name) => !columns.has(name));
  if (missing !== undefined) throw unlike(store, plan.table, `there is no column ${missing}`);
  const path = plan.json.find((part) => jsonSteps(part.path) === null);
  if (path !== undefined) throw unlike(store, plan.table, `the path in ${path.column} is more than names, numbers and [*]`);
  if (plan.ways.length + plan.json.length + plan.mentions.length === 0) throw unlike(store, plan.table, 'no way leads from it to a person');
  const rule = live.rules[0];
  if (rule !== undefined && plan.rows !== 'keep')
    throw unlike(store, plan.table, `the rewrite rule ${rule} may change what a DELETE or UPDATE does`);
  if (plan.rows !== 'delete') return;
  // A constraint that nobody planned for would delete or change rows on its own.
  const whole = rootOf(catalog, plan.table);
  const unplanned = keyEdges(catalog).find(
    (edge) => edge.to === whole && edge.foreignKey?.enforced === true && !plan.incoming.some((it) => sameReference(it.edge, edge)),
  );
  if (unplanned !== undefined)
    throw unlike(store, plan.table, `the plan does not say what becomes of rows of ${unplanned.from} (${unplanned.name})`);
}

/** By what it says: a plan names one of several keys that say the same. */
function sameReference(planned: Edge, edge: Pick<Edge, 'from' | 'columns' | 'toColumns'>): boolean {
  return planned.from === edge.from && planned.columns.join() === edge.columns.join() && planned.toColumns.join() === edge.toColumns.join();
}

/** The subject's own table, when this store holds it: `schema.table`. */
export function subjectTable({ store, manifest, erasure }: ErasureTarget): string | null {
  const id = manifest.subjects[erasure.subject]?.table;
  return id !== undefined && id.startsWith(`${store.name}.`) ? inStore(id) : null;
}

function unlike(store: string, table: string, what: string): StoreError {
  const sentence = `${what}: check the manifest and plan again`;
  return new StoreError({ store, table, code: 'PB004', kind: 'schema', retryable: false, sentence });
}
