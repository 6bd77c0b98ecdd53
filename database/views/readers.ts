import { sql, type Kysely } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import type { ViewFinding } from '../../domain/views/model.ts';
import type { Manifest } from '../../manifest/model.ts';
import { OWNER } from './state.ts';

export interface CheckedReaders {
  /** Roles that may be granted views. */
  readonly fit: ReadonlySet<string>;
  readonly findings: readonly ViewFinding[];
}

interface RoleRow {
  role: string;
  found: boolean;
  through: string | null;
  why: string | null;
}
interface GrantRow {
  role: string;
  relation: string;
  grantee: string | null;
}

/** Roles by which a member reads everything, whatever it was granted. */
const ALL_POWERFUL = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
];

/**
 * Whether the readers that the manifest names can see people only through the views. Who can pass by them is granted nothing. What cannot
 * be told from the catalog: functions that run with the rights of their owner.
 */
export async function checkReaders(db: Kysely<unknown>, manifest: Manifest, catalog: Catalog): Promise<CheckedReaders> {
  const roles = [...new Set(Object.values(manifest.purposes).flatMap((purpose) => purpose.readers))].sort();
  if (roles.length === 0) return { fit: new Set(), findings: [] };
  const oids = baseTables(manifest, catalog);
  const powers = await sql<RoleRow>`
    with reader as (select name as role, to_regrole(quote_ident(name)) as oid from unnest(${roles}::text[]) name)
    select r.role, r.oid is not null as found, m.rolname as through, case
        when m.rolsuper then 'is a superuser'
        when m.rolbypassrls then 'bypasses row-level security'
        when m.rolcreaterole then 'may grant itself roles'
        when m.rolname = ${OWNER} then 'owns the views'
        when m.rolname = any (${ALL_POWERFUL}::text[]) then 'reads every table'
        when exists (select from pg_class c where c.relowner = m.oid and c.oid = any (${oids}::oid[])) then 'owns tables'
        when exists (select from pg_namespace n where n.nspowner = m.oid and n.nspname = 'probity') then 'owns the schema probity'
      end as why
    from reader r left join pg_roles m on pg_has_role(r.oid, m.oid, 'member')
      -- A superuser is a member of everything; once is enough to say so.
      and (m.oid = r.oid or not (select x.rolsuper from pg_roles x where x.oid = r.oid))
    order by 1, 3`.execute(db);
  const grants = await sql<GrantRow>`
    with recursive reader as (select name as role, to_regrole(quote_ident(name)) as oid from unnest(${roles}::text[]) name),
    base as (
      select c.oid from pg_class c where c.oid = any (${oids}::oid[])
        or c.relnamespace = to_regnamespace('probity') and c.relkind in ('r', 'p', 'v', 'm', 'S')
      union
      -- Views over them, and views over those; ours are what readers are for.
      select v.oid from base b join pg_depend d on d.refobjid = b.oid and d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass
      join pg_rewrite w on w.oid = d.objid join pg_class v on v.oid = w.ev_class
      where v.relowner is distinct from to_regrole(${OWNER})
    ), granted as (
      select b.oid, x.grantee from base b join pg_class c on c.oid = b.oid cross join aclexplode(c.relacl) x where x.grantee <> c.relowner
      union
      select b.oid, x.grantee from base b join pg_attribute a on a.attrelid = b.oid cross join aclexplode(a.attacl) x
    )
    select distinct r.role, g.oid::regclass::text as relation, case when g.grantee <> 0 then pg_get_userbyid(g.grantee) end as grantee
    from granted g join reader r on g.grantee = 0 or pg_has_role(r.oid, g.grantee, 'member')
    where not exists (select from pg_roles x where x.oid = r.oid and x.rolsuper)
    order by 1, 2, 3`.execute(db);
  const findings = [...powers.rows.flatMap(powerFinding), ...grants.rows.map(grantFinding)];
  const unfit = new Set(findings.map((finding) => finding.about));
  return { fit: new Set(roles.filter((role) => !unfit.has(role))), findings };
}

/** Every table of the manifest with its partitions. */
function baseTables(manifest: Manifest, catalog: Catalog): string[] {
  const root = (name: string): string => {
    const parent = catalog.tables[name]?.partitionOf ?? null;
    return parent === null ? name : root(parent);
  };
  return Object.entries(catalog.tables)
    .filter(([name]) => `${catalog.store}.${root(name)}` in manifest.tables)
    .map(([, table]) => String(table.oid));
}

function powerFinding({ role, found, through, why }: RoleRow): ViewFinding[] {
  if (!found)
    return [{ code: 'reader', purpose: null, about: role, message: 'there is no such role', fix: `create role ${quoted(role)} nologin` }];
  if (why === null || through === null) return [];
  const itself = through === role;
  return [
    {
      code: 'reader',
      purpose: null,
      about: role,
      message: itself ? `it ${why}, so no view can keep anything from it` : `it is a member of ${through}, which ${why}`,
      fix: itself ? 'name another role under `readers`' : `revoke ${quoted(through)} from ${quoted(role)}`,
    },
  ];
}

function grantFinding({ role, relation, grantee }: GrantRow): ViewFinding {
  const to = grantee === null ? 'public' : quoted(grantee);
  const how = grantee === role ? '' : grantee === null ? ', as everybody can' : `, through ${grantee}`;
  return {
    code: 'read_directly',
    purpose: null,
    about: role,
    message: `it has rights on ${relation} itself${how}`,
    fix: `revoke all on ${relation} from ${to}`,
  };
}

/** For statements that a person copies, never for ones that we run. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
