import { problem, type Code } from '../../manifest/codes.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, RetentionRule, TableDeclaration, TableId } from '../../manifest/model.ts';
import { nearest } from '../../manifest/nearest.ts';
import { KEY, type Path, type Place, type Problem } from '../../manifest/problem.ts';
import type { Catalog, CatalogColumn, CatalogTable } from '../catalog.ts';
import { rootOf as rootName } from '../partitions.ts';
import { storeEdges, type Edge } from '../retention/graph.ts';

export type PlaceOf = (path: Path) => Place | null;

/** One store of the manifest against its catalog, and where to put what is found. */
export interface StoreCheck {
  readonly store: string;
  readonly manifest: Manifest;
  readonly catalog: Catalog;
  /** Every way in which rows of one table point at rows of another, inside the store. */
  readonly edges: readonly Edge[];
  /** Declared tables of this store that the database has. */
  readonly tables: readonly KnownTable[];
  readonly add: (code: Code, path: Path, message: string, fix?: string | null, severity?: Problem['severity']) => void;
}

export interface KnownTable {
  readonly id: TableId;
  readonly declared: TableDeclaration;
  readonly live: CatalogTable;
  /** Where it stands in the manifest. */
  readonly at: Path;
}

export interface RuledTable extends KnownTable {
  readonly rule: RetentionRule;
}

export function storeCheck(store: string, manifest: Manifest, catalog: Catalog, place: PlaceOf, problems: Problem[]): StoreCheck {
  const tables = Object.entries(manifest.tables).flatMap(([id, declared]): KnownTable[] => {
    const live = storeOf(id) === store ? catalog.tables[inStore(id)] : undefined;
    return live ? [{ id, declared, live, at: ['tables', id] }] : [];
  });
  return {
    store,
    manifest,
    catalog,
    edges: storeEdges(catalog, manifest),
    tables,
    add: (code, path, message, fix = null, severity) => problems.push(problem(code, place(path), message, fix, severity)),
  };
}

/** Tables whose rule deletes or masks rows. */
export function ruled(check: StoreCheck): RuledTable[] {
  return check.tables.flatMap((table) => (table.declared.retention ? [{ ...table, rule: table.declared.retention }] : []));
}

/** The live table behind an id; what is missing is reported at the path, once. Ids of other stores give null silently. */
export function liveTable(check: StoreCheck, id: TableId, path: Path, severity?: Problem['severity']): CatalogTable | null {
  if (storeOf(id) !== check.store) return null;
  const name = inStore(id);
  const live = check.catalog.tables[name];
  if (live) return live;
  const near = nearest(name, Object.keys(check.catalog.tables).filter(writable));
  const fix = near ? `write \`${check.store}.${near}\`` : null;
  check.add('P102', path, `the store \`${check.store}\` has no table \`${name}\``, fix, severity);
  return null;
}

/** The column of a live table; what is missing is reported at the path with the nearest name. */
export function liveColumn(check: StoreCheck, live: CatalogTable, column: string, path: Path): CatalogColumn | null {
  const found = live.columns.find((it) => it.name === column);
  if (found) return found;
  const names = live.columns.map((it) => it.name);
  const near = nearest(column, names);
  check.add(
    'P103',
    path,
    `\`${tableName(live)}\` has no column \`${column}\``,
    near ? `write \`${near}\`` : `its columns: ${names.join(', ')}`,
  );
  return null;
}

export function tableName(live: CatalogTable): string {
  return `${live.schema}.${live.name}`;
}

/** The partitioned table at the top, or the table itself. */
export function rootOf(catalog: Catalog, live: CatalogTable): CatalogTable {
  return catalog.tables[rootName(catalog, tableName(live))] ?? live;
}

/** Where a table stands in the manifest: declared, ignored, or at its store when it does not. */
export function placeOfTable({ manifest, store }: StoreCheck, name: string): Path {
  const id = `${store}.${name}`;
  if (id in manifest.tables) return ['tables', id, KEY];
  return id in manifest.ignored ? ['ignore', id, KEY] : ['stores', store, KEY];
}

export function isDeclared(check: StoreCheck, name: string): boolean {
  return `${check.store}.${name}` in check.manifest.tables;
}

/** A name that a table id can hold. */
export function writable(name: string): boolean {
  return name.split('.').length === 2;
}

/** `"public"."order"`: for statements that a person copies, never for ones that we run. */
export function quoted(...parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

/** `a, b and 3 more`: a message stays a line. */
export function listed(names: readonly string[]): string {
  const MOST = 6;
  return names.length <= MOST ? names.join(', ') : `${names.slice(0, MOST).join(', ')} and ${names.length - MOST} more`;
}
