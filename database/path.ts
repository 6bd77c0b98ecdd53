import { StoreError, translating } from './errors.ts';
import type { Store } from './store.ts';
import type { Creator, Intruder, SearchPath } from '../domain/catalog.ts';

/** What is asked of a store before it is trusted with a statement: its name, and the tables that the manifest declares there. */
export interface Asked {
  readonly name: string;
  /** As `schema.table`. */
  readonly declared: ReadonlySet<string>;
}

/** Only we say so: something of a stranger's stands where our statements look for operators, functions and types. */
export const STRANGERS_OBJECT = 'PB020';

/** Schemas whose objects can be taken for what a statement names: those of the path, and ours. */
const PLACE = `
  place as (
    select n.oid, n.nspname from pg_catalog.pg_namespace n
     where n.nspname operator(pg_catalog.<>) 'pg_catalog'
       and (n.nspname operator(pg_catalog.=) 'probity' or n.nspname operator(pg_catalog.=) any (pg_catalog.current_schemas(false)))
  )`;

const TRUSTED = `
  trusted as (
    select r.oid from pg_catalog.pg_roles r
     where r.rolsuper or r.rolname operator(pg_catalog.=) any (array[current_user, session_user, 'pg_database_owner'])
    union all
    select d.datdba from pg_catalog.pg_database d where d.datname operator(pg_catalog.=) pg_catalog.current_database()
    union all
    select c.relowner from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
     where pg_catalog.concat(n.nspname, '.', c.relname) operator(pg_catalog.=) any ($1::pg_catalog.text[])
       and c.relkind operator(pg_catalog.=) any ('{r,p,v,m,f}'::"char"[])
  )`;

/**
 * What strangers own in the schemas of the path, in ours, and among the casts, if it bears a name that somebody else's object has too: Postgres
 * prefers an operator or function for exactly a column's type to its own for a wider one, however late in the path, and would run it as our
 * role. A type can take the place of a function that converts to it. (docs/decisions/0023-whose-operators.md)
 *
 * Trusted is whoever can run code as our role anyway: superusers, the owner of the database, our role, and who owns a table that the manifest
 * declares (a trigger of theirs does it). So is what belongs to an extension of theirs. A role that we are a member of is not: until Postgres 16
 * everybody can make us one of theirs.
 *
 * Every operator is named in full, since this runs before we know what a bare one is.
 */
const INTRUDERS = `
  with ${PLACE}, ${TRUSTED},
  found as (
    select 'operator' as kind, o.oprowner as owner, 'pg_catalog.pg_operator'::pg_catalog.regclass as class, o.oid
      from pg_catalog.pg_operator o
     where o.oid operator(pg_catalog.>=) 16384 and o.oprnamespace operator(pg_catalog.=) any (array(select p.oid from place p))
       and exists (select from pg_catalog.pg_operator s
                    where s.oprname operator(pg_catalog.=) o.oprname and s.oprowner operator(pg_catalog.<>) o.oprowner)
    union all
    select 'function', f.proowner, 'pg_catalog.pg_proc'::pg_catalog.regclass, f.oid
      from pg_catalog.pg_proc f
     where f.oid operator(pg_catalog.>=) 16384 and f.pronamespace operator(pg_catalog.=) any (array(select p.oid from place p))
       and (exists (select from pg_catalog.pg_proc s
                     where s.proname operator(pg_catalog.=) f.proname and s.proowner operator(pg_catalog.<>) f.proowner)
         or exists (select from pg_catalog.pg_type s
                     where s.typname operator(pg_catalog.=) f.proname and s.typowner operator(pg_catalog.<>) f.proowner))
    union all
    -- The type of a table's rows has the table's name; it stands in nobody's place unless the path puts its schema before Postgres's own.
    select 'type', t.typowner, 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid
      from pg_catalog.pg_type t
     where t.oid operator(pg_catalog.>=) 16384 and t.typnamespace operator(pg_catalog.=) any (array(select p.oid from place p))
       and t.typcategory operator(pg_catalog.<>) 'A'
       and (t.typrelid operator(pg_catalog.=) 0 or 'pg_catalog' operator(pg_catalog.=) any (pg_catalog.current_schemas(false)))
       and (exists (select from pg_catalog.pg_proc s
                     where s.proname operator(pg_catalog.=) t.typname and s.proowner operator(pg_catalog.<>) t.typowner)
         or exists (select from pg_catalog.pg_type s
                     where s.typname operator(pg_catalog.=) t.typname and s.typowner operator(pg_catalog.<>) t.typowner))
    union all
    select 'cast', f.proowner, 'pg_catalog.pg_cast'::pg_catalog.regclass, c.oid
      from pg_catalog.pg_cast c join pg_catalog.pg_proc f on f.oid operator(pg_catalog.=) c.castfunc
     where c.oid operator(pg_catalog.>=) 16384
    union all
    -- Our own schema: nobody else's business.
    select 'schema', n.nspowner, 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid
      from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) 'probity'
    union all
    select 'table', c.relowner, 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid
      from pg_catalog.pg_class c
     where c.relkind operator(pg_catalog.=) any ('{r,p,v,m,f}'::"char"[])
       and c.relnamespace operator(pg_catalog.=) (select n.oid from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) 'probity')
  )
  select f.kind, (pg_catalog.pg_identify_object(f.class, f.oid, 0)).identity as name, r.rolname as owner
    from found f join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) f.owner
   where not exists (select from trusted t where t.oid operator(pg_catalog.=) f.owner)
     and not exists (select from pg_catalog.pg_depend d
                       join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
                       join trusted t on t.oid operator(pg_catalog.=) e.extowner
                      where d.classid operator(pg_catalog.=) f.class and d.objid operator(pg_catalog.=) f.oid
                        and d.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                        and d.deptype operator(pg_catalog.=) 'e')
   order by 1, 2`;

/** Whoever else may put something there at any time. A schema of our role's own name, which the usual path begins with, may be made too. */
const CREATORS = `
  with ${PLACE}, ${TRUSTED},
  allowed as (
    select 'schema' as kind, p.nspname as name, n.nspowner as owner, coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
      from place p join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.oid
    union all
    select 'database', d.datname, d.datdba, coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))
      from pg_catalog.pg_database d
     where d.datname operator(pg_catalog.=) pg_catalog.current_database()
       and pg_catalog.strpos(pg_catalog.current_setting('search_path'), '$user') operator(pg_catalog.>) 0
       and not exists (select from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) current_user)
  )
  select a.kind, a.name, r.rolname as role
    from allowed a cross join lateral pg_catalog.aclexplode(a.acl) g
    left join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) g.grantee
   where g.privilege_type operator(pg_catalog.=) 'CREATE'
     and not exists (select from trusted t where t.oid operator(pg_catalog.=) g.grantee)
   order by 1, 2, 3 nulls first`;

type Ask = (text: string, values: readonly unknown[]) => Promise<{ readonly rows: readonly unknown[] }>;

/** Throws the `StoreError` that says what has to go. `ask` sends one statement over the very connection that is to be used. */
export async function refuseIntruders(store: Asked, ask: Ask): Promise<void> {
  const { rows } = await ask(INTRUDERS, [[...store.declared]]);
  const [first] = rows as readonly Intruder[];
  if (first === undefined) return;
  const { kind, name, owner } = first;
  const mended = kind === 'schema' || kind === 'table' ? 'give it to our role' : 'drop it, or give it to a role that is trusted';
  const more = rows.length > 1 ? ` (and ${rows.length - 1} more)` : '';
  throw new StoreError({
    store: store.name,
    code: STRANGERS_OBJECT,
    kind: 'permission',
    retryable: false,
    sentence: `the ${kind} ${name} of the role ${owner}${more} could run in our name: ${mended}, see P160 of probity check`,
  });
}

/** What `check` says about the path that our role's sessions begin with. */
export async function readPath(store: Pick<Store, 'name' | 'declared' | 'pool'>): Promise<SearchPath> {
  const ask = (text: string): Promise<{ rows: unknown[] }> => store.pool.query(text, [[...store.declared]]);
  return translating(store, async () => ({
    intruders: (await ask(INTRUDERS)).rows as Intruder[],
    creators: (await ask(CREATORS)).rows as Creator[],
  }));
}
