import { randomInt } from 'node:crypto';
import { readCatalog } from '../database/catalog.ts';
import { StoreError } from '../database/errors.ts';
import { listHolds, placeHold, releaseHold } from '../database/holds.ts';
import { wakeHeld } from '../database/serving/outbox.ts';
import { countHeldBySubject, countHeldByTable, countNamed, reached, reachedElsewhere } from '../database/retention/held.ts';
import { namesOf } from '../database/retention/names.ts';
import type { Store } from '../database/store.ts';
import { namesOthers, type PersonName } from '../domain/retention/elsewhere.ts';
import { storeEdges } from '../domain/retention/graph.ts';
import { parseConditions, type Hold, type TableHold } from '../domain/retention/hold.ts';
import { keyParts } from '../domain/subject-key.ts';
import { nearest } from '../manifest/nearest.ts';
import { isKnown } from './consent/show.ts';
import { durability, type Durability } from './durability.ts';
import { isMigrated } from './migrate.ts';
import type { Project } from './project.ts';
import { NotMigrated, Refused } from './refused.ts';
import { findTable } from './tables.ts';
import { inStore, storeOf } from '../manifest/ids.ts';

export interface HoldOptions {
  /** Null: one is made up. */
  readonly id: string | null;
  readonly reason: string;
  readonly actor: string;
  readonly until: Date | null;
}

export interface PlacedHold {
  readonly id: string;
  /** Rows that are under it now, by `store.schema.table`. */
  readonly rows: Readonly<Record<string, number>>;
  /** Stores in which it is in force. */
  readonly stores: readonly string[];
  /** Stores of the manifest that it does not reach: no path leads from their rows to the subject. */
  readonly notReached: readonly string[];
  /** False: the subject's own table has nobody with this key. */
  readonly known: boolean;
  readonly durability: Durability;
}

/** Letters that nobody mistakes for others: a hold's id is read out over the telephone. */
const LETTERS = '23456789ABCDEFGHJKMNPQRSTVWXYZ';
const ID_LENGTH = 6;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;

/** Holds the rows of a table that a condition names. Throws `Refused` when column, operator or value do not fit. */
export async function holdTable(
  project: Project,
  options: HoldOptions & { readonly table: string; readonly where: string | null },
): Promise<PlacedHold> {
  const id = holdId(options);
  const tableId = findTable(project.manifest, options.table);
  const [name, table] = [storeOf(tableId), inStore(tableId)];
  const store = await holdingStore(project, name);
  const conditions = options.where === null ? [] : parseConditions(options.where);
  if (conditions === null) {
    throw new Refused(`--where is a list of comparisons: column = 'text', <>, <, <=, >, >=, is null, is not null, joined by and`);
  }
  const catalog = await readCatalog(store);
  const columns = (catalog.tables[table]?.columns ?? []).map((column) => column.name);
  for (const { column } of conditions) {
    const near = nearest(column, columns);
    if (!columns.includes(column)) throw new Refused(`${tableId} has no column ${column}${near === null ? '' : `; did you mean ${near}?`}`);
  }
  const scope: TableHold = { kind: 'table', table, conditions };
  const rows = await countHeldByTable(store, catalog, scope).catch((error: unknown) => {
    if (error instanceof StoreError && ['raised', 'schema', 'other'].includes(error.kind)) {
      throw new Refused(
        `A value of --where does not fit its column (SQLSTATE ${error.code}): ${conditions.map(({ column }) => typed(column)).join(', ')}`,
      );
    }
    throw error;
  });
  await place(project, store, { id, scope, ...rest(options) });
  return { id, rows: { [tableId]: rows }, stores: [name], notReached: [], known: true, durability: await durability(project) };

  function typed(column: string): string {
    const type = catalog.tables[table]?.columns.find((candidate) => candidate.name === column)?.type;
    return `${column} is ${type ?? 'unknown'}`;
  }
}

/**
 * Holds every row that belongs to a subject, in each store in which a path leads to it, or to a column that names it. Throws `Refused` for a
 * subject that is not there, unless `unknown` insists: rows of somebody whose own row has gone may still name them.
 */
export async function holdSubject(
  project: Project,
  options: HoldOptions & {
    readonly subject: string;
    /** As the ledger spells it. */
    readonly key: string;
    readonly store: string | null;
    readonly unknown: boolean;
  },
): Promise<PlacedHold> {
  const id = holdId(options);
  const { manifest } = project;
  const subject = manifest.subjects[options.subject];
  if (subject === undefined)
    throw new Refused(`The manifest knows no subject ${options.subject}; it knows ${Object.keys(manifest.subjects).join(', ') || 'none'}`);
  const key = keyParts(options.key, subject.key.length);
  const known = await isKnown(project, options.subject, options.key);
  if (!known && !options.unknown)
    throw new Refused(
      `${subject.table} has no ${options.subject} with this key: the hold was not placed. Look at the key, or insist with --unknown if rows elsewhere may still name them`,
    );
  const names = await namesElsewhere(project, options.subject, options.key);
  const rows: Record<string, number> = {};
  const stores: Store[] = [];
  const notReached: string[] = [];
  for (const [name, store] of project.stores) {
    const catalog = await readCatalog(store);
    const edges = storeEdges(catalog, manifest);
    const wanted = options.store === null || options.store === name;
    const named = reachedElsewhere(edges, manifest, catalog, options.subject);
    if (!wanted || reached(edges, manifest, name, options.subject).length + named.size === 0) {
      notReached.push(name);
      continue;
    }
    const counts = {
      ...(await countHeldBySubject(store, edges, manifest, options.subject, key)),
      ...(await countNamed(store, named, names)),
    };
    for (const [table, count] of Object.entries(counts)) rows[`${name}.${table}`] = count;
    stores.push(await holdingStore(project, name));
  }
  if (stores.length === 0)
    throw new Refused(`No path leads to ${options.subject} in ${options.store ?? 'any store'}: nothing would be held`);
  const scope = { kind: 'subject', subject: options.subject, key } as const;
  for (const store of stores) await place(project, store, { id, scope, ...rest(options) }, namesOthers(manifest, store.name) ? names : []);
  return { id, rows, stores: stores.map((store) => store.name), notReached, known, durability: await durability(project) };
}

/** By which stores that have not the subject's own table may name it; nothing where there is no such store. */
async function namesElsewhere({ manifest, stores }: Project, subject: string, key: string): Promise<readonly PersonName[]> {
  if (![...stores.keys()].some((store) => namesOthers(manifest, store))) return [];
  const [names = []] = await namesOf([{ subject, key }], { manifest, storeNamed: (name) => stores.get(name)! });
  return names;
}

export interface ListedHold extends Hold {
  readonly stores: readonly string[];
  readonly releasedAt: string | null;
}

/** Holds of all stores, each once, newest first. */
export async function holds(project: Project, options: { readonly released: boolean }): Promise<ListedHold[]> {
  const found = new Map<string, ListedHold>();
  for (const [name, store] of project.stores) {
    if (!(await isMigrated(store, false))) continue;
    for (const hold of await listHolds(store, options)) {
      const known = found.get(hold.id);
      found.set(hold.id, known === undefined ? { ...hold, stores: [name] } : { ...known, stores: [...known.stores, name] });
    }
  }
  return [...found.values()].sort((a, b) => (a.placedAt < b.placedAt ? 1 : -1));
}

export interface ReleasedHold {
  /** Stores in which it was in force. */
  readonly stores: readonly string[];
  readonly durability: Durability;
}

/** Ends a hold in every store. Throws `Refused` when none is in force. */
export async function release(project: Project, id: string, by: string, reason: string): Promise<ReleasedHold> {
  const released: string[] = [];
  for (const [name, store] of project.stores) {
    if ((await isMigrated(store, false)) && (await releaseHold(store, id, by, reason, queued(project)))) released.push(name);
  }
  if (released.length === 0) throw new Refused(`No hold ${id} is in force`);
  if (await isMigrated(project.home, true)) await wakeHeld(project.home);
  return { stores: released, durability: await durability(project) };
}

function queued({ manifest }: Project): { readonly sink: boolean } {
  return { sink: manifest.sink !== null };
}

function rest({ reason, actor, until }: HoldOptions): Pick<Hold, 'reason' | 'actor' | 'endsAt'> {
  return { reason, actor, endsAt: until?.toISOString() ?? null };
}

function holdId({ id, until, reason }: HoldOptions): string {
  if (reason.trim() === '') throw new Refused('A hold needs a reason');
  if (until !== null && until.getTime() <= Date.now()) throw new Refused('The hold would have ended already');
  if (id === null) return `H-${Array.from({ length: ID_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')}`;
  if (!ID.test(id)) throw new Refused('A hold’s id is up to 40 letters, digits, dots, dashes and underscores');
  return id;
}

async function holdingStore(project: Project, name: string): Promise<Store> {
  const store = project.stores.get(name);
  if (store === undefined) throw new Refused(`The manifest names no store ${name}`);
  if (!(await isMigrated(store, false))) throw new NotMigrated(name, 'missing');
  return store;
}

async function place(project: Project, store: Store, hold: Omit<Hold, 'placedAt'>, names: readonly PersonName[] = []): Promise<void> {
  try {
    await placeHold(store, hold, queued(project), names);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'constraint')
      throw new Refused(`There is already a hold ${hold.id} in ${store.name}`);
    throw error;
  }
}
