/** What a live Postgres says about one store, as plain data: read by `database/catalog`, reasoned over here. */

export interface Catalog {
  readonly store: string;
  /** `server_version_num`, such as 180004. */
  readonly version: number;
  readonly database: string;
  readonly role: {
    readonly name: string;
    readonly superuser: boolean;
    readonly bypassRls: boolean;
  };
  /** By `schema.table`; every table and view that is not the system's, an extension's, temporary or ours. */
  readonly tables: Readonly<Record<string, CatalogTable>>;
  /** Left out where it was not asked for. */
  readonly path?: SearchPath;
  /** Partitions that a purge of ours has detached and neither dropped nor attached again. */
  readonly detached?: readonly DetachedPartition[];
}

export interface DetachedPartition {
  /** `schema.table` */
  readonly table: string;
  readonly parent: string;
  /** As Postgres prints it: `FOR VALUES FROM … TO …`. */
  readonly bound: string;
  readonly run: string;
}

/** Where our role's statements look for operators, functions and types, as far as it is anybody's whom we do not trust. */
export interface SearchPath {
  readonly intruders: readonly Intruder[];
  readonly creators: readonly Creator[];
}

/** A stranger's object that can stand in the place of Postgres's own, or of the company's. */
export interface Intruder {
  readonly kind: 'operator' | 'function' | 'type' | 'cast' | 'schema' | 'table';
  /** As DDL names it, quoted where needed. */
  readonly name: string;
  /** The role that owns it. */
  readonly owner: string;
}

/** A role that may put such an object there. */
export interface Creator {
  /** In a schema of the path or in ours, or a schema in the database that would come first in the path. */
  readonly kind: 'schema' | 'database';
  readonly name: string;
  /** Null: everybody. */
  readonly role: string | null;
}

export interface CatalogTable {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
  readonly kind: 'table' | 'partitioned' | 'view' | 'foreign';
  /** `schema.table` of the partitioned table that this is a direct partition of. */
  readonly partitionOf: string | null;
  /** Only for a partitioned table. */
  readonly partitioning: Partitioning | null;
  readonly columns: readonly CatalogColumn[];
  readonly primaryKey: readonly string[] | null;
  /** Column sets of unique constraints and unique indexes without predicate or expression, the primary key included. */
  readonly uniques: readonly (readonly string[])[];
  readonly checks: readonly {
    readonly name: string;
    readonly definition: string;
  }[];
  /** Foreign keys that this table declares; a partition's own copies of its parent's keys are left out. */
  readonly foreignKeys: readonly ForeignKey[];
  readonly indexes: readonly CatalogIndex[];
  readonly triggers: readonly CatalogTrigger[];
  /** Rewrite rules on INSERT, UPDATE or DELETE. */
  readonly rules: readonly string[];
  readonly rowSecurity: {
    readonly enabled: boolean;
    readonly forced: boolean;
    /** True when policies filter what our role sees. */ readonly filtersUs: boolean;
  };
  readonly privileges: {
    readonly select: boolean;
    readonly update: boolean;
    readonly delete: boolean;
    readonly owner: boolean;
  };
  /** `pg_class.reltuples`; -1 when never analysed. */
  readonly estimatedRows: number;
  readonly bytes: number;
  /** Why we refuse to write this table (an unlogged or inherited kind, PERIOD keys …), in a sentence; null when we do not. */
  readonly refused: string | null;
}

export interface Partitioning {
  readonly strategy: 'range' | 'list' | 'hash';
  /** Key columns; null for an expression. */
  readonly columns: readonly (string | null)[];
  readonly partitions: readonly Partition[];
}

export interface Partition {
  /** `schema.table` */
  readonly table: string;
  readonly oid: number;
  readonly isDefault: boolean;
  /** Bounds of a single-column range as text of the key's type (times in UTC); null means MINVALUE or MAXVALUE, or not such a range. */
  readonly from: string | null;
  readonly to: string | null;
  readonly detachPending: boolean;
}

export interface CatalogColumn {
  readonly name: string;
  /** `format_type`, such as `timestamp with time zone` or `character varying(20)`. */
  readonly type: string;
  /** Base type behind a domain: `pg_type.typname` of it, such as `timestamptz`, `date`, `text`, `int8`. */
  readonly baseType: string;
  readonly typeCategory: 'string' | 'number' | 'time' | 'boolean' | 'json' | 'uuid' | 'enum' | 'binary' | 'array' | 'other';
  readonly nullable: boolean;
  readonly generated: 'stored' | 'virtual' | null;
  readonly identity: boolean;
  readonly hasDefault: boolean;
  readonly comment: string | null;
}

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  /** `schema.table` */
  readonly references: string;
  readonly referencedColumns: readonly string[];
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';
  readonly match: 'simple' | 'full';
  readonly deferrable: boolean;
  readonly enforced: boolean;
  readonly validated: boolean;
}

export interface CatalogIndex {
  readonly name: string;
  readonly method: string;
  /** Leading plain columns in order; stops at the first expression. */
  readonly columns: readonly string[];
  readonly unique: boolean;
  readonly partial: boolean;
  readonly valid: boolean;
}

export interface CatalogTrigger {
  readonly name: string;
  readonly timing: 'before' | 'after' | 'instead';
  readonly level: 'row' | 'statement';
  readonly events: readonly ('insert' | 'update' | 'delete' | 'truncate')[];
  readonly enabled: boolean;
  readonly function: string;
  readonly writes: TriggerWrites;
}

/** What the text of a trigger's function says that it writes. */
export interface TriggerWrites {
  /** `schema.table` of each table that it names. */
  readonly tables: readonly string[];
  /** There is more that its text does not tell. */
  readonly more: boolean;
}
