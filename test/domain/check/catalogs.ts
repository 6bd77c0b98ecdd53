import type { Catalog, CatalogColumn, CatalogIndex, CatalogTable, ForeignKey } from '../../../domain/catalog.ts';

const CATEGORIES: Readonly<Record<string, CatalogColumn['typeCategory']>> = {
  text: 'string',
  'character varying(5)': 'string',
  int8: 'number',
  numeric: 'number',
  timestamptz: 'time',
  timestamp: 'time',
  date: 'time',
  jsonb: 'json',
  uuid: 'uuid',
  boolean: 'boolean',
};

/** `id int8 not null` as the catalog says it; `default` and `generated` are understood too. */
export function column(text: string): CatalogColumn {
  const [name = '', ...rest] = text.split(' ');
  const words = rest.join(' ');
  const type = words.replace(/ (not null|default|generated).*$/, '');
  return {
    name,
    type,
    baseType: type,
    typeCategory: CATEGORIES[type] ?? 'other',
    nullable: !words.includes('not null'),
    generated: words.includes('generated') ? 'stored' : null,
    identity: false,
    hasDefault: words.includes('default'),
    comment: null,
  };
}

export function index(...columns: string[]): CatalogIndex {
  return { name: `${columns.join('_')}_idx`, method: 'btree', columns, unique: false, partial: false, valid: true };
}

export function key(columns: string, references: string, more: Partial<ForeignKey> = {}): ForeignKey {
  const list = columns.split(',');
  return {
    name: `${list.join('_')}_fkey`,
    columns: list,
    references: `public.${references}`,
    referencedColumns: list.map(() => 'id'),
    onDelete: 'no action',
    match: 'simple',
    deferrable: false,
    enforced: true,
    validated: true,
    ...more,
  };
}

/** A table of schema public with a primary key `id` and whatever else is said. References are indexed unless said otherwise. */
export function table(name: string, columns: readonly string[], more: Partial<CatalogTable> = {}): CatalogTable {
  const foreignKeys = more.foreignKeys ?? [];
  return {
    schema: 'public',
    name,
    oid: 1,
    kind: 'table',
    partitionOf: null,
    partitioning: null,
    columns: ['id int8 not null', ...columns].map(column),
    primaryKey: ['id'],
    uniques: [['id']],
    checks: [],
    foreignKeys,
    indexes: [index('id'), ...columns.map((it) => index(it.split(' ')[0]!))],
    triggers: [],
    rules: [],
    rowSecurity: { enabled: false, forced: false, filtersUs: false },
    privileges: { select: true, update: true, delete: true, owner: true },
    estimatedRows: 1000,
    bytes: 8192,
    refused: null,
    ...more,
  };
}

export function catalog(...tables: CatalogTable[]): Catalog {
  return {
    store: 'shop',
    version: 180004,
    database: 'shop',
    role: { name: 'probity', superuser: false, bypassRls: false },
    tables: Object.fromEntries(tables.map((it) => [`${it.schema}.${it.name}`, it])),
  };
}
