import type {
  Catalog,
  CatalogColumn,
  CatalogIndex,
  CatalogTable,
  CatalogTrigger,
  DetachedPartition,
  ForeignKey,
  Partition,
  Partitioning,
} from '../../domain/catalog.ts';
import { parseBounds } from './bounds.ts';
import type { ColumnRow, ConstraintRow, IndexRow, RuleRow, ServerRow, TableRow, TriggerRow } from './queries.ts';
import { refusal } from './refusal.ts';
import { writesOf } from './writes.ts';

export interface CatalogRows {
  readonly server: ServerRow;
  readonly tables: readonly TableRow[];
  readonly columns: readonly ColumnRow[];
  readonly constraints: readonly ConstraintRow[];
  readonly indexes: readonly IndexRow[];
  readonly triggers: readonly TriggerRow[];
  readonly rules: readonly RuleRow[];
  readonly detached: readonly DetachedPartition[];
}

/** Puts the answers of `pg_catalog` together into the catalog that the rules reason over. */
export function assemble(store: string, rows: CatalogRows): Catalog {
  const { server } = rows;
  const ids = new Map(rows.tables.map((table) => [table.oid, tableId(table)]));
  const columns = byRelation(rows.columns);
  const constraints = byRelation(rows.constraints);
  const indexes = byRelation(rows.indexes);
  const triggers = byRelation(rows.triggers);
  const rules = byRelation(rows.rules);
  const partitions = Map.groupBy(
    rows.tables.filter((table) => table.partition_of !== null),
    (table) => table.partition_of!,
  );
  const periods = new Set(
    rows.constraints
      .filter((k) => k.contype === 'f' && k.period)
      .flatMap((k) => [k.relation, ...(k.referenced === null ? [] : [k.referenced])]),
  );

  const known = new Set(ids.values());
  const tables: Record<string, CatalogTable> = {};
  for (const row of rows.tables) {
    const own = constraints(row.oid);
    tables[tableId(row)] = {
      schema: row.schema,
      name: row.name,
      oid: row.oid,
      kind: KINDS[row.relkind],
      partitionOf: row.partition_of === null ? null : (ids.get(row.partition_of) ?? null),
      partitioning: toPartitioning(row, partitions.get(row.oid) ?? []),
      columns: columns(row.oid).map(toColumn),
      primaryKey: own.find((k) => k.contype === 'p')?.columns ?? null,
      uniques: indexes(row.oid).flatMap(toUnique),
      checks: own.flatMap((k) => (k.contype === 'c' && k.definition !== null ? [{ name: k.name, definition: k.definition }] : [])),
      foreignKeys: own.flatMap((k) => toForeignKey(k, ids)),
      indexes: indexes(row.oid).map(toIndex),
      triggers: triggers(row.oid).map((trigger) => toTrigger(trigger, server.role, known)),
      rules: rules(row.oid).map((rule) => rule.name),
      rowSecurity: {
        enabled: row.rls_enabled,
        forced: row.rls_forced,
        filtersUs: row.rls_filters,
      },
      privileges: {
        select: row.can_select,
        update: row.can_update,
        delete: row.can_delete,
        owner: row.is_owner,
      },
      estimatedRows: estimatedRows(row, partitions),
      bytes: bytes(row, partitions),
      refused: refused(row, partitions, periods),
    };
  }
  const role = {
    name: server.role,
    superuser: server.superuser,
    bypassRls: server.bypass_rls,
  };
  return {
    store,
    version: server.version,
    database: server.database,
    role,
    tables,
    detached: rows.detached,
  };
}

/** `schema.table`; parts that hold a dot are quoted, so that two tables never share an id. */
function tableId(row: TableRow): string {
  return [row.schema, row.name].map((part) => (part.includes('.') ? `"${part.replaceAll('"', '""')}"` : part)).join('.');
}

const KINDS = {
  r: 'table',
  p: 'partitioned',
  f: 'foreign',
  v: 'view',
  m: 'view',
} as const;
const STRATEGIES = { r: 'range', l: 'list', h: 'hash' } as const;

function toPartitioning(row: TableRow, partitions: readonly TableRow[]): Partitioning | null {
  if (row.strategy === null) return null;
  const oneColumnRange = row.strategy === 'r' && row.partition_columns?.length === 1;
  return {
    strategy: STRATEGIES[row.strategy],
    columns: row.partition_columns ?? [],
    partitions: partitions.map((partition): Partition => {
      const bounds = oneColumnRange && partition.bound !== null ? parseBounds(partition.bound) : { from: null, to: null };
      return {
        table: tableId(partition),
        oid: partition.oid,
        isDefault: partition.is_default,
        ...bounds,
        detachPending: partition.detach_pending,
      };
    }),
  };
}

function toColumn(row: ColumnRow): CatalogColumn {
  return {
    name: row.name,
    type: row.type,
    baseType: row.base_type,
    typeCategory: typeCategory(row),
    nullable: row.nullable,
    generated: row.generated === 's' ? 'stored' : row.generated === 'v' ? 'virtual' : null,
    identity: row.is_identity,
    hasDefault: row.has_default,
    comment: row.comment,
  };
}

const BY_TYPE: Readonly<Record<string, CatalogColumn['typeCategory']>> = {
  date: 'time',
  timestamp: 'time',
  timestamptz: 'time',
  json: 'json',
  jsonb: 'json',
  uuid: 'uuid',
  bytea: 'binary',
  int2: 'number',
  int4: 'number',
  int8: 'number',
  numeric: 'number',
  float4: 'number',
  float8: 'number',
  money: 'number',
};

/** Times are those that a cut-off compares with; a time of day, an interval or an oid is `other`. */
function typeCategory(row: ColumnRow): CatalogColumn['typeCategory'] {
  const known = Object.hasOwn(BY_TYPE, row.base_type) ? BY_TYPE[row.base_type] : undefined;
  if (known !== undefined) return known;
  const byCategory = {
    S: 'string',
    B: 'boolean',
    E: 'enum',
    A: 'array',
  } as const;
  return byCategory[row.category as keyof typeof byCategory] ?? 'other';
}

const ON_DELETE = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
} as const;

function toForeignKey(row: ConstraintRow, ids: ReadonlyMap<number, string>): ForeignKey[] {
  const references = row.contype === 'f' && row.referenced !== null ? ids.get(row.referenced) : undefined;
  if (references === undefined) return [];
  const { name, columns, deferrable, enforced, validated } = row;
  const onDelete = ON_DELETE[row.on_delete];
  const match = row.match === 'f' ? 'full' : 'simple';
  return [
    {
      name,
      columns,
      references,
      referencedColumns: row.referenced_columns,
      onDelete,
      match,
      deferrable,
      enforced,
      validated,
    },
  ];
}

function toIndex(row: IndexRow): CatalogIndex {
  const end = row.key.indexOf(null);
  const columns = row.key.slice(0, end === -1 ? undefined : end) as string[];
  return {
    name: row.name,
    method: row.method,
    columns,
    unique: row.is_unique,
    partial: row.partial,
    valid: row.valid,
  };
}

function toUnique(row: IndexRow): (readonly string[])[] {
  return row.is_unique && row.valid && !row.partial && !row.key.includes(null) ? [row.key as readonly string[]] : [];
}

/** Bits of `tgtype`, from `catalog/pg_trigger.h`. */
const ROW = 1;
const BEFORE = 2;
const INSTEAD = 64;
const EVENTS = [
  [4, 'insert'],
  [8, 'delete'],
  [16, 'update'],
  [32, 'truncate'],
] as const;

function toTrigger(row: TriggerRow, role: string, known: ReadonlySet<string>): CatalogTrigger {
  return {
    name: row.name,
    timing: row.bits & INSTEAD ? 'instead' : row.bits & BEFORE ? 'before' : 'after',
    level: row.bits & ROW ? 'row' : 'statement',
    events: EVENTS.flatMap(([bit, event]) => (row.bits & bit ? [event] : [])),
    enabled: row.enabled,
    function: row.function,
    writes: writesOf(row, role, known),
  };
}

/** A partitioned table has no rows and bytes of its own: it is as large as its partitions. */
function bytes(row: TableRow, partitions: ReadonlyMap<number, readonly TableRow[]>): number {
  return (partitions.get(row.oid) ?? []).reduce((sum, partition) => sum + bytes(partition, partitions), row.bytes);
}

/** -1 as soon as one part was never analysed: half a sum would pass for an estimate. */
function estimatedRows(row: TableRow, partitions: ReadonlyMap<number, readonly TableRow[]>): number {
  if (row.relkind !== 'p') return row.reltuples;
  const parts = (partitions.get(row.oid) ?? []).map((partition) => estimatedRows(partition, partitions));
  return parts.some((part) => part < 0) ? -1 : parts.reduce((sum, part) => sum + part, 0);
}

/** A statement on a partitioned table reaches all its partitions: what is true of one refuses the whole. */
function refused(row: TableRow, partitions: ReadonlyMap<number, readonly TableRow[]>, periods: ReadonlySet<number>): string | null {
  const own = refusal(row, periods.has(row.oid));
  if (own !== null) return own;
  for (const partition of partitions.get(row.oid) ?? []) {
    const why = refused(partition, partitions, periods);
    if (why !== null) return `of its partition ${tableId(partition)}: ${why}`;
  }
  return null;
}

function byRelation<R extends { readonly relation: number }>(rows: readonly R[]): (oid: number) => readonly R[] {
  const groups = Map.groupBy(rows, (row) => row.relation);
  return (oid) => groups.get(oid) ?? [];
}
