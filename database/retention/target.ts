import type { Catalog } from '../../domain/catalog.ts';
import { canonicalHash } from '../../domain/canonical.ts';
import { schemaFingerprint } from '../../domain/fingerprint.ts';
import { withPlanned } from '../../domain/retention/edges.ts';
import { childActions, deletionTree, storeEdges, treeTables, type Edge } from '../../domain/retention/graph.ts';
import type { TablePlan } from '../../domain/retention/plan.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { StoreError } from '../errors.ts';
import type { ActiveHolds } from '../holds.ts';
import { tableRef } from '../identifiers.ts';
import type { Store } from '../store.ts';
import type { Change } from './change.ts';
import { compileRule, type Scope } from './predicates.ts';

/** A table of a plan together with the live catalog, ready to be changed. */
export interface Target {
  readonly store: Store;
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  readonly edges: readonly Edge[];
  readonly asOf: Date;
  readonly plan: TablePlan;
}

/** Reads the catalog again and refuses a table that is not what the plan saw. */
export async function openTarget(store: Store, manifest: Manifest, plan: TablePlan, asOf: Date): Promise<Target> {
  const catalog = await readCatalog(store);
  const edges = withPlanned(storeEdges(catalog, manifest), plan.partly);
  if (tableFingerprint(catalog, edges, manifest, plan.table) !== plan.fingerprint) {
    const sentence = 'the table, or one that changes with it, is not what the plan saw: check the manifest and plan again';
    throw new StoreError({ store: store.name, table: plan.table, code: 'PB004', kind: 'schema', retryable: false, sentence });
  }
  return { store, manifest, catalog, edges, asOf, plan };
}

/** Of the table and of every table that its rule deletes from or detaches, with who references them. */
export function tableFingerprint(catalog: Catalog, edges: readonly Edge[], manifest: Manifest, table: string): string {
  const rule = manifest.tables[`${catalog.store}.${table}`]?.retention;
  const tree = deletionTree(table, edges, rule === null || rule === undefined ? {} : childActions(rule, catalog.store));
  const tables = treeTables(tree);
  const parts = tables.map((name) => {
    const found = catalog.tables[name];
    const referencing = edges
      .filter((edge) => edge.to === name)
      // Partitions, and with them the names of their keys, come and go.
      .map((edge) => `${edge.partly ? edge.columns.join() : edge.name} ${edge.from}`)
      .sort();
    return { name, schema: found === undefined ? null : schemaFingerprint(found), referencing };
  });
  return canonicalHash(parts);
}

/** The target's rule, compiled under the holds that are in force now, for one of its physical tables. */
export function targetChange(target: Target, holds: ActiveHolds, unit: { readonly table: string; readonly oid: number }): Change {
  const { store, manifest, catalog, edges, asOf, plan } = target;
  const scope: Scope = { store: store.name, manifest, catalog, edges, holds, asOf, earlier: [] };
  // A unit must be spellable before it enters a statement.
  tableRef(unit.table);
  const predicates = compileRule(scope, plan.table, 't', new Date(plan.cutOff));
  return { scope, table: plan.table, unit: unit.table, unitOid: unit.oid, action: plan.rule.then, predicates };
}
