import { createHash } from 'node:crypto';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { PurposeViews, StoreViews } from '../../domain/views/model.ts';
import { ident, tableRef } from '../identifiers.ts';
import { CHANNELS_VIEW, channelsViewQuery, tableViewQuery } from './definition.ts';
import { keptChanges } from './kept.ts';
import { neededColumns } from './needs.ts';
import { MARK, OWNER, type SchemaState, type ViewState } from './state.ts';

export interface ViewChange {
  readonly kind: 'create' | 'replace' | 'drop' | 'grant' | 'revoke';
  /** In words: names of objects and roles only. */
  readonly what: string;
  readonly statements: readonly RawBuilder<unknown>[];
}

/** Objects that the views read and that are the same in every store. */
const OWN_TABLES = ['probity.permission_span', 'probity.pseudonym', 'probity.pseudonym_key'];

/** What makes the store's views those that are planned, in order; empty when they are. `readers`: roles that may be granted anything. */
export function viewChanges(db: Kysely<unknown>, planned: StoreViews, state: ViewState, readers: ReadonlySet<string>): ViewChange[] {
  const known = new Map(state.schemas.map((schema) => [schema.name, schema]));
  const gone = state.schemas.filter((schema) => schema.ours && !planned.purposes.some((it) => it.schema === schema.name));
  const kept = keptChanges(planned, state);
  return [
    ...kept.before,
    ...(planned.purposes.length > 0 ? ownerRole(state) : []),
    ...ownerGrants(planned, state),
    ...gone.map(dropSchema),
    ...planned.purposes.flatMap((purpose) => ofPurpose(db, purpose, known.get(purpose.schema), readers)),
    ...kept.after,
  ];
}

/** Removes every schema of ours, and what its owner was granted. The role stays: other databases of the cluster may use it. */
export function dropChanges(state: ViewState): ViewChange[] {
  const nothing: StoreViews = { store: '', purposes: [], findings: [] };
  const ours = state.schemas.filter((schema) => schema.ours);
  const roles = [...new Set(ours.flatMap((schema) => schema.readers))].sort();
  const asking = roles.map((role): ViewChange => ({
    kind: 'revoke',
    what: `execute on probity.serving_open() from ${role}`,
    statements: [sql`revoke execute on function probity.serving_open() from ${ident(role)}`],
  }));
  return [...ours.map(dropSchema), ...asking, ...ownerGrants(nothing, state), ...keptChanges(nothing, state).after];
}

function ownerRole({ owner }: ViewState): ViewChange[] {
  const create = sql`do $$ begin create role ${ident(OWNER)} nologin noinherit; exception when duplicate_object or unique_violation then null; end $$`;
  const member = sql`grant ${ident(OWNER)} to current_user`;
  if (!owner.exists) return [{ kind: 'create', what: `role ${OWNER}`, statements: [create, member] }];
  return owner.ours ? [] : [{ kind: 'grant', what: `role ${OWNER} to us`, statements: [member] }];
}

/** Just the columns that are needed. `revoke` on a table takes its columns along. */
function ownerGrants(planned: StoreViews, state: ViewState): ViewChange[] {
  const needed = new Map<string, ReadonlySet<string>>(neededColumns(planned));
  if (planned.purposes.length > 0) for (const table of OWN_TABLES) needed.set(table, new Set(['*']));
  const owner = ident(OWNER);
  const schemas = new Set([...needed.keys()].map((table) => table.slice(0, table.indexOf('.'))));
  const usage = [...schemas]
    .filter((schema) => !state.usable.has(schema))
    .map((schema): ViewChange => ({
      kind: 'grant',
      what: `usage of schema ${schema} to ${OWNER}`,
      statements: [sql`grant usage on schema ${ident(schema)} to ${owner}`],
    }));
  const tables = new Set([...needed.keys(), ...state.readable.keys()]);
  const changed = [...tables].sort().flatMap((table): ViewChange[] => {
    const [wanted, has] = [needed.get(table) ?? new Set<string>(), state.readable.get(table) ?? new Set<string>()];
    if (wanted.size === has.size && [...wanted].every((column) => has.has(column))) return [];
    const revoke = has.size === 0 ? [] : [sql`revoke all on ${tableRef(table)} from ${owner}`];
    const columns = wanted.has('*') ? sql`` : sql` (${sql.join([...wanted].sort().map((column) => ident(column)))})`;
    const grant = wanted.size === 0 ? [] : [sql`grant select${columns} on ${tableRef(table)} to ${owner}`];
    const named = wanted.has('*') ? '' : ` (${[...wanted].sort().join(', ')})`;
    const what = wanted.size === 0 ? `${table} from ${OWNER}` : `select on ${table}${named} to ${OWNER}`;
    return [{ kind: wanted.size === 0 ? 'revoke' : 'grant', what, statements: [...revoke, ...grant] }];
  });
  const looks = [...state.usable]
    .filter((schema) => !schemas.has(schema))
    .map((schema): ViewChange => ({
      kind: 'revoke',
      what: `usage of schema ${schema} from ${OWNER}`,
      statements: [sql`revoke usage on schema ${ident(schema)} from ${owner}`],
    }));
  return [...usage, ...changed, ...looks];
}

function dropSchema({ name, views }: SchemaState): ViewChange {
  const statements = [...views.map((view) => sql`drop view ${ident(name, view.name)}`), sql`drop schema ${ident(name)}`];
  return { kind: 'drop', what: `schema ${name} with ${views.length} view${views.length === 1 ? '' : 's'}`, statements };
}

function ofPurpose(db: Kysely<unknown>, purpose: PurposeViews, now: SchemaState | undefined, allowed: ReadonlySet<string>): ViewChange[] {
  const { schema, readers } = purpose;
  const comment = sql.lit(
    `${MARK} what the purpose ${purpose.purpose} may see. Made by \`probity views apply\`, which undoes changes made here.`,
  );
  const made: ViewChange[] =
    now === undefined
      ? [
          {
            kind: 'create',
            what: `schema ${schema}`,
            statements: [
              sql`create schema ${ident(schema)} authorization ${ident(OWNER)}`,
              sql`comment on schema ${ident(schema)} is ${comment}`,
            ],
          },
        ]
      : [];
  const wanted = definitions(db, purpose);
  const views = wanted.flatMap((view): ViewChange[] => {
    const there = now?.views.find((it) => it.name === view.name);
    if (there?.asMade === true && there.mark.startsWith(`${MARK} ${view.hash} `)) return [];
    const drop = there === undefined ? [] : [sql`drop view ${ident(schema, view.name)}`];
    const what = `view ${schema}.${view.name}`;
    return [{ kind: there === undefined ? 'create' : 'replace', what, statements: [...drop, ...createView(schema, view)] }];
  });
  const gone = (now?.views ?? [])
    .filter((view) => !wanted.some((it) => it.name === view.name))
    .map((view): ViewChange => ({
      kind: 'drop',
      what: `view ${schema}.${view.name}`,
      statements: [sql`drop view ${ident(schema, view.name)}`],
    }));
  const granting = readers.filter((role) => allowed.has(role));
  const stale = (now?.grantees ?? []).filter((role) => role === null || !granting.includes(role));
  const revoked = stale.map((role): ViewChange => {
    const from = role === null ? sql`public` : ident(role);
    const statements = [
      sql`revoke all on all tables in schema ${ident(schema)} from ${from}`,
      sql`revoke all on schema ${ident(schema)} from ${from}`,
    ];
    return { kind: 'revoke', what: `${schema} from ${role ?? 'public'}`, statements };
  });
  const changed = views.length > 0;
  const granted = granting
    .filter((role) => changed || now?.readers.includes(role) !== true)
    .map((role): ViewChange => {
      const statements = [
        sql`grant usage on schema ${ident(schema)} to ${ident(role)}`,
        sql`grant select on all tables in schema ${ident(schema)} to ${ident(role)}`,
        // A view reads tables with its owner's rights, but calls functions with its reader's.
        sql`grant execute on function probity.serving_open() to ${ident(role)}`,
      ];
      return { kind: 'grant', what: `select on ${schema} to ${role}`, statements };
    });
  return [...made, ...gone, ...views, ...revoked, ...granted];
}

interface Definition {
  readonly name: string;
  readonly query: RawBuilder<unknown>;
  readonly hash: string;
}

/** The views of a purpose with the hashes by which a change is noticed. */
export function definitions(db: Kysely<unknown>, purpose: PurposeViews): Definition[] {
  const tables = purpose.views.map((view) => ({ name: view.name, query: tableViewQuery(purpose, view) }));
  const channels = purpose.channels.length === 0 ? [] : [{ name: CHANNELS_VIEW, query: channelsViewQuery(purpose) }];
  return [...tables, ...channels].map((view) => ({ ...view, hash: createHash('sha256').update(view.query.compile(db).sql).digest('hex') }));
}

/**
 * Owned by the owner of the views because its role makes it. The comment keeps two hashes: of what we asked for, and of how Postgres keeps
 * it, so that a view replaced by hand is noticed too.
 */
function createView(schema: string, { name, query, hash }: Definition): RawBuilder<unknown>[] {
  const view = ident(schema, name);
  return [
    sql`set local role ${ident(OWNER)}`,
    sql`create view ${view} with (security_barrier = true) as ${query}`,
    sql`do $$ begin execute format('comment on view %I.%I is %L', ${sql.lit(schema)}, ${sql.lit(name)}, ${sql.lit(`${MARK} ${hash} `)} || md5(pg_get_viewdef(format('%I.%I', ${sql.lit(schema)}, ${sql.lit(name)})::regclass))); end $$`,
    sql`reset role`,
  ];
}
