import { sql, type Kysely } from 'kysely';
import type { DetachedPartition } from '../../domain/catalog.ts';

/**
 * The questions to `pg_catalog`, one set-based query each, so that a thousand tables cost what ten do. Everything is
 * qualified and nothing goes through `information_schema`, which hides what our role does not own.
 */

/**
 * Relations that somebody may declare: permanent, not the system's, ours, the sample's mark, or an extension's own.
 * `r` ordinary, `p` partitioned, `f` foreign, `v` view, `m` materialized view.
 */
const wanted = sql`
  wanted as (
    select c.oid, c.relname, n.nspname, c.relkind, c.relpersistence, c.relowner, c.relnamespace, c.reltuples, c.relispartition,
           c.relrowsecurity, c.relforcerowsecurity, c.relpartbound
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'f', 'v', 'm')
       and c.relpersistence <> 't'
       and n.nspname !~ '^pg_'
       and n.nspname not in ('information_schema', 'probity', 'probity_sample')
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  )`;

export interface ServerRow {
  readonly version: number;
  readonly database: string;
  readonly role: string;
  readonly superuser: boolean;
  readonly bypass_rls: boolean;
}

export async function readServer(db: Kysely<unknown>): Promise<ServerRow> {
  const { rows } = await sql<ServerRow>`
    select pg_catalog.current_setting('server_version_num')::int as version,
           pg_catalog.current_database() as database,
           r.rolname as role, r.rolsuper as superuser, r.rolbypassrls as bypass_rls
      from pg_catalog.pg_roles r
     where r.rolname = current_user`.execute(db);
  return rows[0]!;
}

export interface TableRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly relkind: 'r' | 'p' | 'f' | 'v' | 'm';
  readonly unlogged: boolean;
  readonly rls_enabled: boolean;
  readonly rls_forced: boolean;
  readonly rls_filters: boolean;
  readonly can_select: boolean;
  readonly can_update: boolean;
  readonly can_delete: boolean;
  readonly is_owner: boolean;
  readonly reltuples: number;
  readonly bytes: number;
  readonly partition_of: number | null;
  readonly detach_pending: boolean;
  readonly bound: string | null;
  readonly is_default: boolean;
  readonly strategy: 'r' | 'l' | 'h' | null;
  /** Attribute names of the partition key in order; null for an expression. */
  readonly partition_columns: readonly (string | null)[] | null;
  readonly inherits: boolean;
  readonly inherited: boolean;
}

export async function readTables(db: Kysely<unknown>): Promise<readonly TableRow[]> {
  const { rows } = await sql<TableRow>`
    with ${wanted}
    select w.oid::int8 as oid, w.nspname as schema, w.relname as name, w.relkind::text as relkind,
           w.relpersistence = 'u' as unlogged,
           w.relrowsecurity as rls_enabled, w.relforcerowsecurity as rls_forced,
           pg_catalog.row_security_active(w.oid) as rls_filters,
           s.usage and pg_catalog.has_table_privilege(w.oid, 'select') as can_select,
           s.usage and pg_catalog.has_table_privilege(w.oid, 'update') as can_update,
           s.usage and pg_catalog.has_table_privilege(w.oid, 'delete') as can_delete,
           pg_catalog.pg_has_role(w.relowner, 'usage') as is_owner,
           w.reltuples::float8 as reltuples,
           case when w.relkind in ('r', 'm') then coalesce(pg_catalog.pg_total_relation_size(w.oid), 0) else 0 end as bytes,
           case when w.relispartition then i.inhparent::int8 end as partition_of,
           coalesce(i.inhdetachpending, false) as detach_pending,
           pg_catalog.pg_get_expr(w.relpartbound, w.oid) as bound,
           exists (select from pg_catalog.pg_partitioned_table d where d.partdefid = w.oid) as is_default,
           p.partstrat::text as strategy,
           case when p.partrelid is not null then array(
             select a.attname::text
               from pg_catalog.unnest(p.partattrs::int2[]) with ordinality as k(attnum, position)
               left join pg_catalog.pg_attribute a on a.attrelid = w.oid and a.attnum = k.attnum and k.attnum > 0
              order by k.position) end as partition_columns,
           not w.relispartition and i.inhparent is not null as inherits,
           w.relkind <> 'p' and exists (select from pg_catalog.pg_inherits c where c.inhparent = w.oid) as inherited
      from wanted w
      cross join lateral (select pg_catalog.has_schema_privilege(w.relnamespace, 'usage') as usage) s
      left join pg_catalog.pg_inherits i on i.inhrelid = w.oid and i.inhseqno = 1
      left join pg_catalog.pg_partitioned_table p on p.partrelid = w.oid
     order by w.nspname, w.relname`.execute(db);
  return rows;
}

export interface ColumnRow {
  readonly relation: number;
  readonly name: string;
  readonly type: string;
  readonly base_type: string;
  readonly category: string;
  readonly nullable: boolean;
  readonly generated: 's' | 'v' | '';
  readonly is_identity: boolean;
  readonly has_default: boolean;
  readonly comment: string | null;
}

export async function readColumns(db: Kysely<unknown>): Promise<readonly ColumnRow[]> {
  const { rows } = await sql<ColumnRow>`
    with recursive ${wanted},
    domain as (
      select t.oid, t.typbasetype as base, t.typnotnull as required, t.typdefaultbin is not null as defaulted
        from pg_catalog.pg_type t where t.typtype = 'd'
      union all
      -- A domain over a domain: one row for each step down; the last one ends at a type that is no domain.
      select d.oid, t.typbasetype, t.typnotnull or d.required, t.typdefaultbin is not null or d.defaulted
        from domain d join pg_catalog.pg_type t on t.oid = d.base and t.typtype = 'd'
    )
    select a.attrelid::int8 as relation, a.attname as name,
           pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
           b.typname as base_type, b.typcategory::text as category,
           not a.attnotnull and not coalesce(d.required, false) as nullable,
           a.attgenerated::text as generated,
           a.attidentity <> '' as is_identity,
           (a.atthasdef and a.attgenerated = '') or coalesce(d.defaulted, false) as has_default,
           pg_catalog.col_description(a.attrelid, a.attnum) as comment
      from wanted w
      join pg_catalog.pg_attribute a on a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
      left join domain d on d.oid = a.atttypid
            and not exists (select from pg_catalog.pg_type n where n.oid = d.base and n.typtype = 'd')
      join pg_catalog.pg_type b on b.oid = coalesce(d.base, a.atttypid)
     order by a.attrelid, a.attnum`.execute(db);
  return rows;
}

export interface ConstraintRow {
  readonly relation: number;
  readonly name: string;
  readonly contype: 'p' | 'f' | 'c';
  readonly columns: readonly string[];
  readonly referenced: number | null;
  readonly referenced_columns: readonly string[];
  readonly on_delete: 'a' | 'r' | 'c' | 'n' | 'd';
  readonly match: 's' | 'f';
  readonly deferrable: boolean;
  readonly enforced: boolean;
  readonly validated: boolean;
  readonly period: boolean;
  readonly definition: string | null;
}

/** Since this version constraints may be NOT ENFORCED, and keys may be over a PERIOD. */
const VERSION_WITH_PERIODS = 180000;

/** Primary keys, foreign keys and checks. A partition's copy of its parent's foreign key (`conparentid`) is left out. */
export async function readConstraints(db: Kysely<unknown>, version: number): Promise<readonly ConstraintRow[]> {
  const modern = version >= VERSION_WITH_PERIODS;
  const { rows } = await sql<ConstraintRow>`
    with ${wanted}
    select k.conrelid::int8 as relation, k.conname as name, k.contype::text as contype,
           array(select a.attname::text
                   from pg_catalog.unnest(k.conkey) with ordinality as u(attnum, position)
                   join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
                  order by u.position) as columns,
           nullif(k.confrelid, 0)::int8 as referenced,
           array(select a.attname::text
                   from pg_catalog.unnest(k.confkey) with ordinality as u(attnum, position)
                   join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.attnum
                  order by u.position) as referenced_columns,
           k.confdeltype::text as on_delete, k.confmatchtype::text as match, k.condeferrable as deferrable,
           ${modern ? sql`k.conenforced` : sql`true`} as enforced,
           k.convalidated as validated,
           ${modern ? sql`k.conperiod` : sql`false`} as period,
           case when k.contype = 'c' then pg_catalog.pg_get_constraintdef(k.oid) end as definition
      from wanted w
      join pg_catalog.pg_constraint k on k.conrelid = w.oid
     where k.contype in ('p', 'c') or (k.contype = 'f' and k.conparentid = 0)
     order by k.conrelid, k.conname`.execute(db);
  return rows;
}

export interface IndexRow {
  readonly relation: number;
  readonly name: string;
  readonly method: string;
  /** Names of the key columns in order; null for an expression. */
  readonly key: readonly (string | null)[];
  readonly is_unique: boolean;
  readonly partial: boolean;
  readonly valid: boolean;
}

export async function readIndexes(db: Kysely<unknown>): Promise<readonly IndexRow[]> {
  const { rows } = await sql<IndexRow>`
    with ${wanted}
    select i.indrelid::int8 as relation, c.relname as name, m.amname as method,
           array(select a.attname::text
                   from pg_catalog.unnest(i.indkey::int2[]) with ordinality as u(attnum, position)
                   left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum and u.attnum > 0
                  where u.position <= i.indnkeyatts
                  order by u.position) as key,
           i.indisunique as is_unique, i.indpred is not null as partial,
           i.indisvalid and i.indisready and i.indislive as valid
      from wanted w
      join pg_catalog.pg_index i on i.indrelid = w.oid
      join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_am m on m.oid = c.relam
     order by i.indrelid, c.relname`.execute(db);
  return rows;
}

export interface TriggerRow {
  readonly relation: number;
  readonly name: string;
  /** Bits of `pg_trigger.tgtype`. */
  readonly bits: number;
  readonly enabled: boolean;
  readonly function: string;
  readonly language: string;
  readonly source: string;
  /** The search path that the function sets for itself. */
  readonly path: string | null;
}

/** Triggers of the owner; those by which Postgres implements constraints are internal. `R` fires only on a replica. */
export async function readTriggers(db: Kysely<unknown>): Promise<readonly TriggerRow[]> {
  const { rows } = await sql<TriggerRow>`
    with ${wanted}
    select t.tgrelid::int8 as relation, t.tgname as name, t.tgtype::int as bits, t.tgenabled in ('O', 'A') as enabled,
           f.oid::pg_catalog.regproc::text as function, l.lanname as language, f.prosrc as source,
           (select pg_catalog.substr(c, 13) from pg_catalog.unnest(f.proconfig) c where pg_catalog.starts_with(c, 'search_path=')) as path
      from wanted w
      join pg_catalog.pg_trigger t on t.tgrelid = w.oid and not t.tgisinternal
      join pg_catalog.pg_proc f on f.oid = t.tgfoid
      join pg_catalog.pg_language l on l.oid = f.prolang
     order by t.tgrelid, t.tgname`.execute(db);
  return rows;
}

export interface RuleRow {
  readonly relation: number;
  readonly name: string;
}

/** Rewrite rules on INSERT, UPDATE and DELETE; the one on SELECT is what a view is. */
export async function readRules(db: Kysely<unknown>): Promise<readonly RuleRow[]> {
  const { rows } = await sql<RuleRow>`
    with ${wanted}
    select r.ev_class::int8 as relation, r.rulename as name
      from wanted w
      join pg_catalog.pg_rewrite r on r.ev_class = w.oid and r.ev_type <> '1' and r.ev_enabled <> 'D'
     order by r.ev_class, r.rulename`.execute(db);
  return rows;
}

/** Intents of purges to drop a partition that were neither carried out nor taken back, of partitions that are still there. */
export async function readDetached(db: Kysely<unknown>): Promise<readonly DetachedPartition[]> {
  const { rows: may } = await sql<{ it: boolean | null }>`
    select pg_catalog.bool_and(pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select')) as it
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'probity' and c.relname = 'step'`.execute(db);
  if (may[0]?.it !== true) return [];
  const { rows } = await sql<DetachedPartition>`
    select s.next_cursor ->> 'unit' as table, s.body ->> 'table' as parent, s.next_cursor ->> 'bound' as bound, s.run_id as run
      from probity.step s
      join pg_catalog.pg_namespace n on n.nspname = pg_catalog.split_part(s.next_cursor ->> 'unit', '.', 1)
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = pg_catalog.split_part(s.next_cursor ->> 'unit', '.', 2)
     where s.kind = 'detach-intent' and not c.relispartition
       and not exists (select from probity.step d
                        where d.run_id = s.run_id and d.kind = 'drop' and d.next_cursor ->> 'unit' = s.next_cursor ->> 'unit')
     order by 1, 4`.execute(db);
  return rows;
}
