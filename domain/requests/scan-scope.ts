import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog, CatalogColumn, CatalogTable } from '../catalog.ts';
import { referenceTarget } from '../retention/graph.ts';
import { calledNames, type Called } from './called.ts';
import { KEY_IDENTITY } from './graph.ts';
import { namedLikePhone } from './tokens.ts';

/** What the manifest says of a table. */
export type Standing = 'declared' | 'ignored' | 'unclassified';

/** A table as the scan reads it; partitions stand under their parent. */
export interface ScanTable {
  /** `schema.table` */
  readonly table: string;
  readonly standing: Standing;
  /** What is read: the table, or its partitions; the parent itself where our role may read only that. */
  readonly relations: readonly string[];
  /** `relations` is a partitioned table as a whole, which has no blocks of its own. */
  readonly wholeParent: boolean;
  /** Columns in which an identity may stand anywhere. */
  readonly text: readonly string[];
  /** Columns that hold an identity of a subject as their whole value, whatever their type. */
  readonly named: readonly NamedColumns[];
  readonly primaryKey: readonly string[] | null;
  /** Base types of the columns above. */
  readonly types: Readonly<Record<string, string>>;
}

export interface NamedColumns {
  /** In the order of the subject's key. */
  readonly columns: readonly string[];
  readonly subject: string;
  readonly identity: string;
  /** Column values under which they hold it. */
  readonly when: Readonly<Record<string, string | number | boolean>>;
}

export interface NotScanned {
  /** `schema.table` */
  readonly table: string;
  readonly column: string;
  readonly reason: string;
}

export interface ScanScope {
  readonly store: string;
  readonly tables: readonly ScanTable[];
  /** Columns that could hold an identity, read or not. Numbers, times and the like could not. */
  readonly columnsTotal: number;
  readonly notScanned: readonly NotScanned[];
  /** `schema.table` of schemas that the manifest does not name. */
  readonly outside: readonly string[];
  /** What texts call the subjects' keys and identities. */
  readonly called: readonly Called[];
}

/** What a catalog does not say. */
export interface ScanFacts {
  /** `schema.table.column` that our role may not select. */
  readonly unreadable: ReadonlySet<string>;
  /** `schema.table` of materialized views: copies of rows. */
  readonly materialized: ReadonlySet<string>;
}

/** What to search in a store, and what cannot be searched and why. */
export function scanScope(catalog: Catalog, manifest: Manifest, facts: ScanFacts): ScanScope {
  const schemas = manifest.stores[catalog.store]?.schemas ?? [];
  const holdsRows = ([id, { kind }]: [string, CatalogTable]): boolean => kind !== 'view' || facts.materialized.has(id);
  const all = Object.entries(catalog.tables).filter((entry) => entry[1].partitionOf === null && holdsRows(entry));
  const inside = all.filter(([, { schema }]) => schemas.includes(schema));
  const tables: ScanTable[] = [];
  const notScanned: NotScanned[] = [];
  let columnsTotal = 0;
  for (const [id, live] of inside) {
    const named = namedColumns(id, live, catalog, manifest);
    const wanted = new Set(named.flatMap(({ columns }) => columns));
    const candidates = live.columns
      .map((column) => ({ column, ...readable(column) }))
      .filter((it) => it.how !== 'no' || wanted.has(it.column.name));
    columnsTotal += candidates.length;
    const whole = wholeTable(live);
    const reasonOf = ({ column, how, reason }: (typeof candidates)[number]): string | null => {
      if (whole !== null) return whole;
      if (facts.unreadable.has(`${id}.${column.name}`)) return 'our role may not read it';
      return how === 'opaque' && !wanted.has(column.name) ? reason : null;
    };
    const refused = new Map(candidates.map((it) => [it.column.name, reasonOf(it)]));
    for (const [column, reason] of refused) if (reason !== null) notScanned.push({ table: id, column, reason });
    const ok = (column: string): boolean => refused.get(column) === null;
    const text = candidates.filter((it) => it.how === 'text' && ok(it.column.name)).map((it) => it.column.name);
    const searched = named.filter(({ columns, when }) =>
      [...columns, ...Object.keys(when)].every((column) => ok(column) || !refused.has(column)),
    );
    if (text.length === 0 && searched.length === 0) continue;
    const key = live.primaryKey?.some((column) => facts.unreadable.has(`${id}.${column}`)) === false ? live.primaryKey : null;
    tables.push({
      table: id,
      standing: standing(id, catalog.store, manifest),
      ...relations(id, catalog),
      text,
      named: searched,
      primaryKey: key,
      types: Object.fromEntries(live.columns.map((column) => [column.name, column.typeCategory === 'array' ? 'array' : column.baseType])),
    });
  }
  const outside = all.filter((it) => !inside.includes(it)).map(([id]) => id);
  return { store: catalog.store, tables, columnsTotal, notScanned, outside, called: calledIn(tables, manifest) };
}

/** By the subject, its own columns, and those that are known to reference it. */
function calledIn(tables: readonly ScanTable[], manifest: Manifest): Called[] {
  const columns = (subject: string, identity: string): string[] =>
    tables.flatMap(({ named }) =>
      named
        .filter((it) => it.subject === subject && it.identity === identity && Object.keys(it.when).length === 0)
        .flatMap((it) => it.columns),
    );
  return Object.entries(manifest.subjects)
    .flatMap(([subject, declared]) => [
      { subject, identity: KEY_IDENTITY, names: calledNames([subject, ...declared.key, ...columns(subject, KEY_IDENTITY)]) },
      ...Object.entries(declared.identities).map(([identity, column]) => ({
        subject,
        identity,
        names: calledNames([identity, column, ...columns(subject, identity)]),
      })),
    ])
    .filter(({ names }) => names.length > 0);
}

function standing(id: string, store: string, manifest: Manifest): Standing {
  if (`${store}.${id}` in manifest.tables) return 'declared';
  return `${store}.${id}` in manifest.ignored ? 'ignored' : 'unclassified';
}

function wholeTable(live: CatalogTable): string | null {
  if (live.kind === 'foreign') return 'a foreign table: its rows are in another database';
  if (live.rowSecurity.filtersUs) return 'row-level security hides rows from our role';
  return null;
}

/** The leaves, since a place in one is a place in a file; the parent when one of them cannot be read by its own name, or lies elsewhere. */
function relations(id: string, catalog: Catalog): Pick<ScanTable, 'relations' | 'wholeParent'> {
  const leaves = leavesOf(id, catalog);
  const each = leaves.every((leaf) => {
    const live = catalog.tables[leaf];
    return live?.kind === 'table' && live.privileges.select && !live.rowSecurity.filtersUs;
  });
  const single = catalog.tables[id]?.kind !== 'partitioned';
  return each || single ? { relations: leaves, wholeParent: false } : { relations: [id], wholeParent: true };
}

function leavesOf(id: string, catalog: Catalog): string[] {
  const live = catalog.tables[id];
  if (live === undefined || live.partitioning === null) return [id];
  return live.partitioning.partitions.flatMap(({ table }) => leavesOf(table, catalog));
}

const TEXTS: ReadonlySet<string> = new Set(['xml', 'hstore', 'tsvector', 'jsonpath']);
const OPAQUE: Readonly<Record<string, string>> = { bytea: 'binary', lo: 'a large object' };
/** Values of their own kind, in which no address, number or key of a person is written. */
const VALUES: ReadonlySet<string> = new Set(
  ('inet cidr macaddr macaddr8 oid xid xid8 cid tid bit varbit interval time timetz point line lseg box path polygon circle pg_lsn tsquery' +
    ' int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange' +
    ' regclass regproc regtype txid_snapshot pg_snapshot').split(' '),
); // prettier-ignore

type Readable = { readonly how: 'text' | 'no'; readonly reason: null } | { readonly how: 'opaque'; readonly reason: string };

function readable({ name, baseType, typeCategory }: CatalogColumn): Readable {
  const text: Readable = { how: 'text', reason: null };
  const no: Readable = { how: 'no', reason: null };
  const opaque = (reason: string): Readable => ({ how: 'opaque', reason });
  const type = typeCategory === 'array' ? baseType.replace(/^_/, '') : baseType;
  if (TEXTS.has(type)) return text;
  if (OPAQUE[type] !== undefined) return opaque(OPAQUE[type]);
  switch (typeCategory) {
    case 'string':
    case 'json':
    case 'uuid':
      return text;
    case 'number':
      return namedLikePhone(name) ? text : no;
    case 'array':
      return VALUES.has(type) || NUMBERS_AND_TIMES.has(type) ? no : text;
    case 'time':
    case 'boolean':
    case 'enum':
      return no;
    case 'binary':
      return opaque('binary');
    case 'other':
      return VALUES.has(type) ? no : opaque(`of a type that cannot be read as text: ${type}`);
  }
}

const NUMBERS_AND_TIMES: ReadonlySet<string> = new Set(
  'bool int2 int4 int8 numeric float4 float8 money date timestamp timestamptz'.split(' '),
);

/** Every second table calls its own key so. */
const ANYBODYS = /^(id|key|no|nr|number|code|uuid|pk)$/i;

function namedColumns(id: string, live: CatalogTable, catalog: Catalog, manifest: Manifest): NamedColumns[] {
  const found: NamedColumns[] = [];
  const has = (columns: readonly string[]): boolean => columns.every((column) => live.columns.some(({ name }) => name === column));
  const add = (it: NamedColumns): void => {
    const same = (other: NamedColumns): boolean =>
      JSON.stringify([other.columns, other.subject, other.identity]) === JSON.stringify([it.columns, it.subject, it.identity]);
    if (has(it.columns) && has(Object.keys(it.when)) && !found.some(same)) found.push(it);
  };
  const addTarget = (table: string, toColumns: readonly string[], columns: readonly string[], when: NamedColumns['when']): void => {
    for (const [subject, declared] of Object.entries(manifest.subjects)) {
      if (declared.table !== table) continue;
      const places = declared.key.map((column) => columns[toColumns.indexOf(column)]);
      if (places.every((column) => column !== undefined)) add({ columns: places, subject, identity: KEY_IDENTITY, when });
      for (const [identity, column] of Object.entries(declared.identities))
        if (toColumns.length === 1 && toColumns[0] === column) add({ columns, subject, identity, when });
    }
  };
  for (const key of live.foreignKeys) addTarget(`${catalog.store}.${key.references}`, key.referencedColumns, key.columns, {});
  for (const { from, when, to } of manifest.references) {
    const at = from.lastIndexOf('.');
    const target = referenceTarget(to, manifest);
    if (from.slice(0, at) === `${catalog.store}.${id}` && target !== null)
      addTarget(`${target.store}.${target.table}`, target.columns, [from.slice(at + 1)], when);
  }
  for (const [subject, { table, key }] of Object.entries(manifest.subjects)) {
    const own = storeOf(table) === catalog.store && inStore(table) === id;
    if (own || !key.every((column) => ANYBODYS.test(column))) add({ columns: key, subject, identity: KEY_IDENTITY, when: {} });
    if (key.length === 1)
      for (const column of [`${subject}_id`, `${subject}_key`]) add({ columns: [column], subject, identity: KEY_IDENTITY, when: {} });
  }
  return found;
}
