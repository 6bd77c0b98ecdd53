import { readCatalog } from '../../database/catalog.ts';
import { addEvents } from '../../database/requests/events.ts';
import { planIdOf, planMembers } from '../../database/requests/batches.ts';
import { foundHash, foundIndex, readFound } from '../../database/requests/found-rows.ts';
import { readPlanned } from '../../database/requests/planned.ts';
import { currentPlan } from '../../database/requests/plans.ts';
import { readScanScope } from '../../database/requests/scan.ts';
import { recordLooks } from '../../database/requests/vault.ts';
import { tellWorkers } from '../../database/requests/verbs.ts';
import { readManifest } from '../../database/runs.ts';
import { inTransaction } from '../../database/store.ts';
import { OFFICER } from '../../domain/requests/actor.ts';
import { passagesIn, type Span } from '../../domain/requests/passages.ts';
import { redacting } from '../../domain/requests/redactable.ts';
import { redactionText } from '../../domain/requests/redaction.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import { actorOf } from '../actors.ts';
import { recordDecision, type RecordedDecision } from '../decisions.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { noSuchRequest } from './change.ts';
import { foundHits, refuseMember } from './plan.ts';
import { reasonToLook } from './reveal.ts';

/** A row in which the search found somebody. Personal data, of others too: for the eyes of whoever asked, and for no log. */
export interface ShownRow {
  /** Its primary key, by column; of a table without one its place. */
  readonly row: Readonly<Record<string, string>>;
  readonly identities: readonly string[];
  /** What stands around each passage, which is what would be redacted; or the whole value. */
  readonly passages: readonly { readonly before: string; readonly found: string; readonly after: string }[];
}

export interface ShownPlace {
  /** `store.schema.table.column` */
  readonly column: string;
  readonly rows: number;
  readonly shown: readonly ShownRow[];
  /** What `redact` names: of all its rows, as they are now. */
  readonly hash: string;
  /** Why it cannot be redacted; null: it can. */
  readonly refused: string | null;
}

/** Characters before and behind a passage. */
const AROUND = 40;

/**
 * What the search found, row by row: for somebody who must decide whether it is the person's. That an officer looked, and why, has committed
 * before anything is read, and nothing of it is stored. Throws `Refused` for whoever is no officer, and for a request that does not wait for it.
 */
export async function showFound(
  project: Project,
  member: string,
  { why, page, size }: { readonly why: string; readonly page: number; readonly size: number },
  token: string,
): Promise<{ readonly places: readonly ShownPlace[]; readonly page: number; readonly pages: number }> {
  const reason = reasonToLook(why);
  await requireHome(project);
  const { home } = project;
  const actor = await actorOf(home.db, token);
  if (!actor.roles.includes(OFFICER)) throw new Refused(`${actor.name} may not look at what was found: that needs the role ${OFFICER}`);
  const id = await planIdOf(home, member);
  const bound = await currentPlan(home.db, id);
  const places = [...new Set((await foundHits(project, id)).map(({ store, table, column }) => `${store}.${table}.${column}`))];
  if (bound === null || places.length === 0) throw new Refused(`${id} waits for nothing of the kind: probity request status ${id}`);
  await recordLooks(home, await planMembers(home.db, id), actor, reason);
  const manifest = (await readManifest(home.db, bound.plan.manifest)) ?? project.manifest;
  const all: ShownPlace[] = [];
  let [skip, left, total] = [(page - 1) * size, size, 0];
  for (const name of places) {
    const { store, place, scope, catalog } = await placeOf(project, name);
    const rows = await readFound(store, { ...scope }, bound.plan.run, place);
    const index = await foundIndex(store, scope, bound.plan.run, bound.plan.people === 1);
    const some = rows.slice(skip, skip + left);
    const key = scope.tables.find(({ table }) => table === place.table)?.primaryKey ?? null;
    const way = redacting(catalog, manifest, place.table, place.column);
    if (some.length > 0)
      all.push({
        column: name,
        rows: rows.length,
        hash: foundHash(bound.plan.run, place, rows),
        refused: 'refused' in way ? way.refused : null,
        shown: some.map((row) => ({
          row: rowName(key, row.location),
          identities: [...new Set(row.hits.map(({ identity }) => identity))],
          passages: row.value === null ? [] : around(row.value, passagesIn(row.value, index(row))),
        })),
      });
    [skip, left, total] = [Math.max(0, skip - rows.length), left - some.length, total + rows.length];
  }
  return { places: all, page, pages: Math.max(1, Math.ceil(total / size)) };
}

/**
 * Decides, signed, that what was shown in a column (`hash`, or its first digits) is redacted: a worker replaces the passages in exactly those rows,
 * and searches the table again. Throws `Refused` as `recordDecision` does, where it cannot be done, and where something else stands there by now.
 */
export async function redactHits(
  project: Project,
  id: string,
  { about, hash, reason }: { readonly about: string; readonly hash: string; readonly reason: string },
  token: string,
): Promise<RecordedDecision> {
  await requireHome(project);
  const { home } = project;
  await refuseMember(project, id, 'redact');
  const planned = await readPlanned(home, id);
  if (planned === null) throw noSuchRequest(id);
  const bound = await currentPlan(home.db, id);
  const hits = planned.state === 'running' && bound !== null ? await foundHits(project, id) : [];
  if (bound === null || !hits.some(({ store, table, column }) => `${store}.${table}.${column}` === about))
    throw new Refused(`${id} has nothing open in ${about}: probity request found ${id}`);
  const { store, place, scope, catalog } = await placeOf(project, about);
  const way = redacting(catalog, (await readManifest(home.db, bound.plan.manifest)) ?? project.manifest, place.table, place.column);
  if ('refused' in way) throw new Refused(`${about} cannot be redacted: ${way.refused}`);
  const found = foundHash(bound.plan.run, place, await readFound(store, scope, bound.plan.run, place));
  if (!found.startsWith(hash)) throw new Refused(`${about} is not what was shown any more: probity request found ${id} --rows`);
  const order = {
    requestId: id,
    planHash: bound.hash,
    decision: 'redact',
    about: redactionText({ column: about, found }),
    reason,
  } as const;
  const recorded = await recordDecision(project, order, token);
  await inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    const { actor } = recorded.decision.statement;
    await addEvents(trx, [
      { id, verb: 'redact', state: planned.state, actor, at: null, code: reason.slice(0, 40), evidence: null, note: null },
    ]);
    await tellWorkers(trx, id);
  });
  return recorded;
}

async function placeOf(project: Project, name: string) {
  const table = name.slice(0, name.lastIndexOf('.'));
  const store = project.stores.get(storeOf(table));
  if (store === undefined) throw new Refused(`The manifest names no store ${storeOf(table)}`);
  const catalog = await readCatalog(store);
  const scope = await readScanScope(store, catalog, project.manifest);
  return { store, catalog, scope, place: { table: inStore(table), column: name.slice(name.lastIndexOf('.') + 1) } };
}

function rowName(key: readonly string[] | null, location: string): Record<string, string> {
  if (key === null) return { row: location };
  const parts = JSON.parse(location) as string[];
  return Object.fromEntries(key.map((column, at) => [column, parts[at] ?? '']));
}

function around(text: string, spans: readonly Span[]): ShownRow['passages'] {
  if (spans.length === 0) return [{ before: '', found: text.slice(0, 2 * AROUND), after: '' }];
  return spans.map(([from, to]) => ({
    before: text.slice(Math.max(0, from - AROUND), from),
    found: text.slice(from, to),
    after: text.slice(to, to + AROUND),
  }));
}
