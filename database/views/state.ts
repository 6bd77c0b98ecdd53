import { sql, type Kysely } from 'kysely';
import { SCHEMA_PREFIX } from '../../domain/views/plan.ts';
import { readKept } from './kept.ts';

/** Owns every view; can neither log in nor pass row-level security. One of this name in a cluster, since roles are the cluster's. */
export const OWNER = 'probity_views';
/** What a comment of ours begins with: a schema without it is somebody else's and never touched. */
export const MARK = 'probity views:';

export interface ViewState {
  readonly owner: { readonly exists: boolean; readonly privileged: boolean; readonly ours: boolean };
  /** Schemas with our prefix. */
  readonly schemas: readonly SchemaState[];
  /** Columns that the owner of the views can read, by `schema.table`; `*` for all. */
  readonly readable: ReadonlyMap<string, ReadonlySet<string>>;
  /** Schemas that the owner of the views was given a look into. */
  readonly usable: ReadonlySet<string>;
  /** Whose pseudonyms are kept. */
  readonly kept: readonly { readonly purpose: string; readonly subject: string; readonly domain: string }[];
}

export interface SchemaState {
  readonly name: string;
  readonly ours: boolean;
  readonly views: readonly { readonly name: string; readonly mark: string; readonly asMade: boolean }[];
  /** Who may look into it, or read something in it; null is everybody. */
  readonly grantees: readonly (string | null)[];
  /** Of those, who has all that a reader needs. */
  readonly readers: readonly string[];
}

interface OwnerRow {
  exists: boolean;
  privileged: boolean;
  ours: boolean;
}
interface SchemaRow {
  name: string;
  mark: string | null;
}
interface ViewRow {
  schema: string;
  name: string;
  mark: string | null;
  as_made: boolean;
}
interface GrantRow {
  schema: string;
  relation: string | null;
  grantee: string | null;
}
interface ReadableRow {
  relation: string;
  column: string;
}

/** What is there now, from the catalog alone. */
export async function readViewState(db: Kysely<unknown>): Promise<ViewState> {
  const like = `${SCHEMA_PREFIX.replace('_', '\\_')}%`;
  const owner = await sql<OwnerRow>`
    select true as exists, r.rolsuper or r.rolbypassrls or r.rolcanlogin as privileged, pg_has_role(r.oid, 'member') as ours
    from pg_roles r where r.rolname = ${OWNER}`.execute(db);
  const schemas = await sql<SchemaRow>`
    select n.nspname as name, obj_description(n.oid, 'pg_namespace') as mark from pg_namespace n where n.nspname like ${like} order by 1`.execute(
    db,
  );
  const views = await sql<ViewRow>`
    select n.nspname as schema, c.relname as name, obj_description(c.oid, 'pg_class') as mark,
      pg_get_userbyid(c.relowner) = ${OWNER} and c.reloptions @> array['security_barrier=true']
        and coalesce(obj_description(c.oid, 'pg_class') like '%' || md5(pg_get_viewdef(c.oid)), false) as as_made
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname like ${like} and c.relkind = 'v' order by 1, 2`.execute(
    db,
  );
  const grants = await sql<GrantRow>`
    select n.nspname as schema, null as relation, case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end as grantee
    from pg_namespace n cross join aclexplode(n.nspacl) a where n.nspname like ${like} and a.grantee <> n.nspowner
    union
    select n.nspname, c.relname, case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end
    from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(c.relacl) a
    where n.nspname like ${like} and a.grantee <> c.relowner order by 1, 2, 3`.execute(db);
  const readable = await sql<ReadableRow>`
    select n.nspname || '.' || c.relname as relation, '*' as column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(c.relacl) x
    where pg_get_userbyid(x.grantee) = ${OWNER} and c.relowner <> x.grantee and c.relkind in ('r', 'p', 'f')
    union
    select n.nspname || '.' || c.relname, a.attname
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(a.attacl) x
    where pg_get_userbyid(x.grantee) = ${OWNER} and c.relowner <> x.grantee and not a.attisdropped order by 1, 2`.execute(db);
  const usable = await sql<{ name: string }>`
    select n.nspname as name from pg_namespace n cross join aclexplode(n.nspacl) x
    where pg_get_userbyid(x.grantee) = ${OWNER} and x.grantee <> n.nspowner and x.privilege_type = 'USAGE' order by 1`.execute(db);
  const callers = await sql<{ role: string | null }>`
    select case when x.grantee <> 0 then pg_get_userbyid(x.grantee) end as role
    from pg_proc p cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x where p.oid = to_regprocedure('probity.serving_open()')`.execute(
    db,
  );
  const mayAsk = (role: string): boolean => callers.rows.some((it) => it.role === null || it.role === role);
  return {
    owner: owner.rows[0] ?? { exists: false, privileged: false, ours: false },
    schemas: schemas.rows.map(({ name, mark }): SchemaState => {
      const own = views.rows.filter((view) => view.schema === name);
      const granted = grants.rows.filter((grant) => grant.schema === name);
      const grantees = [...new Set(granted.map((grant) => grant.grantee))];
      const wanted = [null, ...own.map((view) => view.name)];
      const complete = grantees.filter((who) =>
        wanted.every((relation) => granted.some((it) => it.grantee === who && it.relation === relation)),
      );
      return {
        name,
        ours: mark?.startsWith(MARK) === true,
        views: own.map((view) => ({ name: view.name, mark: view.mark ?? '', asMade: view.as_made })),
        grantees,
        readers: complete.filter((who): who is string => who !== null && mayAsk(who)),
      };
    }),
    readable: new Map(
      [...Map.groupBy(readable.rows, (row) => row.relation)].map(([table, rows]) => [table, new Set(rows.map((row) => row.column))]),
    ),
    usable: new Set(usable.rows.map((row) => row.name)),
    kept: await readKept(db),
  };
}
