import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import { MICROS_PER_MS, type SubjectFacts } from '../../domain/permission/types.ts';
import { canonicalJson } from '../../domain/canonical.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { ErasureGround, ErasureScope, StoreErasure } from '../../domain/requests/model.ts';
import { membersHash, type ErasurePlan, type PlannedAsk, type PlannedClass, type StorePlan } from '../../domain/requests/plan.ts';
import { erasureScope } from '../../domain/requests/remaining.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { translating } from '../errors.ts';
import { readHistories, readManyFacts, type HistoryRecord } from '../permission/history.ts';
import type { Store } from '../store.ts';
import { countErasure } from './erasure/count.ts';
import { analyseKeys, removeOtherKeys, writeKeys, type RunKey } from './erasure/keys.ts';
import { openErasure } from './erasure/target.ts';
import { identitiesOf } from './identities.ts';
import type { RequestRow } from './model.ts';
import { manifestsAt, requestPeople, type Applied } from './plans.ts';
import { writePeople } from './run-people.ts';

export interface PlanningRequests {
  readonly home: Store;
  readonly stores: ReadonlyMap<string, Store>;
  /** In force now: where data stands. What may be kept is judged by the one that was in force when each request came. */
  readonly manifest: Manifest;
  readonly manifestHash: string;
  /** The plan's number: the request's, or the batch's. */
  readonly id: string;
  readonly rows: readonly RequestRow[];
  readonly run: string;
  readonly asOf: Date;
  readonly progress?: (store: string) => void;
}

export interface PlannedRequests {
  /** Null: of none of them anybody is known. */
  readonly plan: ErasurePlan | null;
  /** Requests behind which nobody of the manifest's subjects is known: the plan is about the others. */
  readonly unknown: readonly string[];
}

/** People of one class whose rows are changed in one transaction. Fewer make more statements, more hold locks for longer; see docs/benchmarks.md. */
export const PEOPLE_AT_ONCE = 250;

/**
 * Plans what requests for erasure, withdrawals and objections do, store by store, and counts it; as many statements for one person as for
 * thousands. Writes nothing but the run's keys and whose they are, which stay for the run. A plan with problems cannot be carried out.
 */
export async function planRequests(request: PlanningRequests): Promise<PlannedRequests> {
  const { home, stores, manifest, run, id } = request;
  const { people, unknown } = await peopleOf(request);
  if (people.length === 0) return { plan: null, unknown };
  const classes = classesOf(people);
  const keys = await keysOf(stores, manifest, classes);
  await writePeople(home, run, classes.flatMap(({ people: some }) => some.map(({ row, person }) => ({ person, request: row.id })))); // prettier-ignore
  const plans: StorePlan[] = [];
  for (const name of Object.keys(manifest.stores).sort()) {
    const store = stores.get(name)!;
    request.progress?.(name);
    const catalog = await readCatalog(store);
    const erasures = classes.map(({ first }) => planErasure(first.subject, first.scope, catalog, manifest, first.before?.manifest));
    const planned = erasures.flatMap((erasure, of) => (erasure.tables.length + erasure.problems.length > 0 ? [{ erasure, of }] : []));
    // Whoever holds nothing anywhere is known at home all the same, for as long as the run lasts.
    const here = name === home.name ? classes.map((_, of) => of) : planned.map(({ of }) => of);
    if (here.length === 0) continue;
    const written = here.map((of) => ({ subject: classes[of]!.first.subject, keys: keys[of]! }));
    await removeOtherKeys(store, run, written.flatMap((it) => it.keys)); // prettier-ignore
    for (const it of written) await writeKeys(store, run, it.subject, it.keys);
    await analyseKeys(store);
    for (const { erasure, of } of planned) plans.push(await counted(store, manifest, erasure, run, of));
  }
  const plan: ErasurePlan = {
    job: 'requests',
    organisation: manifest.organisation,
    manifest: request.manifestHash,
    mode: manifest.mode,
    asOf: request.asOf.toISOString(),
    timezone: manifest.timezone,
    request: id,
    members: membersHash(people.map(({ row }) => row.id)),
    people: people.length,
    asks: asksOf(people),
    classes: classes.map(({ planned }) => planned),
    run,
    stores: plans,
  };
  return { plan, unknown };
}

/** Who asked, and what ends for them. */
interface Asker {
  readonly row: RequestRow;
  readonly subject: string;
  readonly key: string;
  /** In force when it came; null: none was ever applied. */
  readonly before: Applied | null;
  readonly scope: ErasureScope;
}

/** In the order of the requests' numbers. What ends is judged by what held the moment before each request came. */
async function peopleOf({ home, manifest, rows }: PlanningRequests): Promise<{ people: Asker[]; unknown: string[] }> {
  const sorted = rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const known = await requestPeople(home, sorted.map(({ id }) => id)); // prettier-ignore
  const found = sorted.map((row) => ({ row, who: known.get(row.id)?.find(({ subject }) => subject in manifest.subjects) }));
  const askers = found.flatMap(({ row, who }) => (who === undefined ? [] : [{ row, ...who }]));
  const unknown = found.flatMap(({ row, who }) => (who === undefined ? [row.id] : []));
  return translating(home, async () => {
    const before = await manifestsAt(home.db, askers.map(({ row }) => row.receivedAt)); // prettier-ignore
    const rules = new Map<Manifest, ReturnType<typeof permissionRules>>();
    const said = new Map<string, { histories: ReadonlyMap<string, HistoryRecord[]>; facts: (key: string) => SubjectFacts }>();
    for (const [subject, some] of Map.groupBy(askers, (it) => it.subject)) {
      const keys = [...new Set(some.map(({ key }) => key))];
      const [histories, facts] = [await readHistories(home.db, subject, keys), await readManyFacts(home.db, subject, keys)];
      said.set(subject, { histories, facts });
    }
    const people = askers.map(({ row, subject, key }, at): Asker => {
      const inForce = before[at] ?? null;
      const by = inForce?.manifest ?? manifest;
      if (!rules.has(by)) rules.set(by, permissionRules(by));
      const { histories, facts } = said.get(subject)!;
      const scope = scopeOf(row, histories.get(key) ?? [], facts(key), by, rules.get(by)!);
      return { row, subject, key, before: inForce, scope };
    });
    return { people, unknown };
  });
}

function scopeOf(
  row: RequestRow,
  history: readonly HistoryRecord[],
  facts: SubjectFacts,
  before: Manifest,
  rules: ReturnType<typeof permissionRules>,
): ErasureScope {
  const at = row.receivedAt.getTime() * MICROS_PER_MS - 1;
  const ask = (purpose: string) => permission(rules, history, facts, { purpose, channel: null, at });
  const answers = Object.fromEntries(Object.keys(before.purposes).map((purpose) => [purpose, ask(purpose)]));
  const upheld = history.filter(({ decision }) => decision === 'objection_upheld').map(({ purpose }) => purpose);
  const asked = {
    kind: row.kind,
    grounds: row.grounds as readonly ErasureGround[],
    purposes: row.purpose === null ? [] : [row.purpose],
    channel: null,
    upheld,
  };
  return erasureScope(asked, { regime: facts.regime, answers }, before);
}

interface AskerClass {
  readonly planned: PlannedClass;
  readonly first: Asker;
  /** With their ordinals in the run. */
  readonly people: readonly (Asker & { readonly person: number })[];
}

/** In an order of their own, so that the same people make the same classes whenever they are planned. */
function classesOf(people: readonly Asker[]): AskerClass[] {
  const numbered = people.map((it, person) => ({ ...it, person }));
  const alike = Map.groupBy(numbered, ({ subject, before, scope }) => canonicalJson({ subject, before: before?.hash ?? null, scope }));
  return [...alike]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, some]) => {
      const first = some[0]!;
      const { subject, scope, before } = first;
      return { planned: { subject, before: before?.hash ?? null, scope, people: some.length }, first, people: some };
    });
}

function asksOf(people: readonly Asker[]): PlannedAsk[] {
  const alike = Map.groupBy(people, ({ row: { kind, grounds, purpose } }) => canonicalJson({ kind, grounds: [...grounds], purpose }));
  return [...alike]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, some]) => {
      const { kind, grounds, purpose } = some[0]!.row;
      return { kind, grounds, purpose, people: some.length };
    });
}

/** By class: the subjects' keys, and their identities as their own table has them, in chunks that are numbered through the run. */
async function keysOf(stores: ReadonlyMap<string, Store>, manifest: Manifest, classes: readonly AskerClass[]): Promise<RunKey[][]> {
  const identities = await identitiesOf(stores, manifest, classes.flatMap(({ people }) => people)); // prettier-ignore
  let chunks = 0;
  return classes.map(({ people }, of) => {
    const from = chunks;
    chunks += Math.ceil(people.length / PEOPLE_AT_ONCE);
    return people.flatMap(({ subject, key, person }, at): RunKey[] => {
      const declared = manifest.subjects[subject]!;
      const parts = declared.key.length === 1 ? [key] : (JSON.parse(key) as string[]);
      const one = { chunk: from + Math.floor(at / PEOPLE_AT_ONCE), person, class: of };
      const known = identities(subject, key).map(([identity, value]): RunKey => ({ ...one, identity, parts: [value] }));
      return [{ ...one, identity: KEY_IDENTITY, parts }, ...known];
    });
  });
}

async function counted(store: Store, manifest: Manifest, erasure: StoreErasure, run: string, of: number): Promise<StorePlan> {
  if (erasure.problems.length > 0) return { class: of, erasure, heldPeople: 0, counts: {}, tables: [], missingIndexes: [], seconds: 0 };
  const target = await openErasure(store, manifest, erasure);
  const { heldPeople, counts, tables, missingIndexes, seconds } = await countErasure(target, { runId: run, chunk: null, class: of });
  return { class: of, erasure, heldPeople, counts, tables, missingIndexes: missingIndexes.map((it) => it.sql), seconds };
}
