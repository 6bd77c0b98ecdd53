import { permission } from '../../domain/permission/permission.ts';
import { permissionRules } from '../../domain/permission/rules.ts';
import { MICROS_PER_MS, type SubjectFacts } from '../../domain/permission/types.ts';
import type { Catalog } from '../../domain/catalog.ts';
import { canonicalJson } from '../../domain/canonical.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import { KEY_IDENTITY } from '../../domain/requests/graph.ts';
import type { ErasureGround, ErasureScope, StoreErasure } from '../../domain/requests/model.ts';
import {
  membersHash,
  type ErasurePlan,
  type PlannedAsk,
  type PlannedClass,
  type PlannedDoubt,
  type Unsearched,
  type StorePlan,
} from '../../domain/requests/plan.ts';
import { kindsOf, undeclared, type PersonKind } from '../../domain/requests/person-kinds.ts';
import { erasureScope } from '../../domain/requests/remaining.ts';
import type { Ambiguous, ResolvedPerson } from '../../domain/requests/resolve.ts';
import type { KeyProvider } from '../../domain/requests/vault.ts';
import { keyParts } from '../../domain/subject-key.ts';
import { columnParts } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { translating } from '../errors.ts';
import { readHistories, readManyFacts, type HistoryRecord } from '../permission/history.ts';
import type { Store } from '../store.ts';
import { countErasure } from './erasure/count.ts';
import { analyseKeys, removeOtherKeys, writeKeys, type People as KeyPeople, type RunKey } from './erasure/keys.ts';
import { openErasure } from './erasure/target.ts';
import { heldAnywhere } from './held.ts';
import type { RequestRow } from './model.ts';
import { manifestsAt, type Applied } from './plans.ts';
import { resolvePeople } from './resolve.ts';
import { writePeople } from './run-people.ts';
import { readSeeds } from './seeds.ts';

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
  /** Where what requesters gave is read; null or nothing: no master key is here, and the run's keys are what is known of it. */
  readonly vault?: KeyProvider | null;
  readonly progress?: (store: string) => void;
}

export interface PlannedRequests {
  /** Null: of none of them anybody is known. */
  readonly plan: ErasurePlan | null;
  /** Requests that the plan is not about, since nobody of the manifest's subjects is known behind them, or several might be. */
  readonly unknown: readonly string[];
  /** Of these, why: a sentence that names no person and says what to do. */
  readonly why: ReadonlyMap<string, string>;
}

/** People of one class whose rows are changed in one transaction. Fewer make more statements, more hold locks for longer; see docs/benchmarks.md. */
export const PEOPLE_AT_ONCE = 250;

/**
 * Plans what requests for erasure, withdrawals and objections do, store by store, and counts it; as many statements for one person as for
 * thousands. Writes nothing but the run's keys and whose they are, which stay for the run. A plan with problems cannot be carried out.
 */
export async function planRequests(request: PlanningRequests): Promise<PlannedRequests> {
  const { home, stores, manifest, run, id } = request;
  const catalogs = new Map<string, Catalog>();
  for (const name of Object.keys(manifest.stores)) catalogs.set(name, await readCatalog(stores.get(name)!));
  const { askers, rows, apart, shared, unsearched, ...left } = await peopleOf(request, catalogs);
  if (askers.length === 0) return { plan: null, ...left };
  const classes = classesOf(askers);
  const keys = keysOf(manifest, classes);
  await writePeople(home, run, rows.map(({ id: request }, person) => ({ person, request }))); // prettier-ignore
  const counting: { readonly store: Store; readonly planned: readonly { readonly erasure: StoreErasure; readonly of: number }[] }[] = [];
  const plans: StorePlan[] = [];
  for (const name of Object.keys(manifest.stores).sort()) {
    const store = stores.get(name)!;
    const catalog = catalogs.get(name)!;
    const erasures = classes.map(({ first }) => planErasure(first.kind.subject, first.scope, catalog, manifest, first.before?.manifest));
    const planned = erasures.flatMap((erasure, of) => (erasure.tables.length + erasure.problems.length > 0 ? [{ erasure, of }] : []));
    // Whoever holds nothing anywhere is known at home all the same, for as long as the run lasts.
    const here = name === home.name ? classes.map((_, of) => of) : planned.map(({ of }) => of);
    if (here.length === 0) continue;
    const written = here.map((of) => ({ subject: classes[of]!.first.kind.subject, keys: keys[of]! }));
    await removeOtherKeys(store, run, written.flatMap((it) => it.keys)); // prettier-ignore
    for (const it of written) await writeKeys(store, run, it.subject, it.keys);
    await analyseKeys(store);
    counting.push({ store, planned });
  }
  // Once the keys stand in all stores: what one of them holds, none of them changes.
  for (const { store, planned } of counting) {
    request.progress?.(store.name);
    const heldElsewhere = await heldAnywhere(counting.map((it) => it.store).filter((it) => it !== store), run); // prettier-ignore
    for (const { erasure, of } of planned)
      plans.push(await counted(store, manifest, erasure, { runId: run, chunk: null, class: of, heldElsewhere }));
  }
  const plan: ErasurePlan = {
    job: 'requests',
    organisation: manifest.organisation,
    manifest: request.manifestHash,
    mode: manifest.mode,
    asOf: request.asOf.toISOString(),
    timezone: manifest.timezone,
    request: id,
    members: membersHash(rows.map((row) => row.id)),
    people: rows.length,
    asks: asksOf(rows),
    classes: classes.map(({ planned }) => planned),
    run,
    ...(apart.length > 0 && { apart }),
    ...(shared.length > 0 && { shared }),
    ...(unsearched.length > 0 && { unsearched }),
    stores: plans,
  };
  return { plan, ...left };
}

/** Somebody who asked, as one kind of subject: whoever is two kinds stands in two classes. */
interface Asker {
  readonly row: RequestRow;
  /** Ordinal within the run. */
  readonly person: number;
  readonly kind: PersonKind;
  /** In force when it came; null: none was ever applied. */
  readonly before: Applied | null;
  readonly scope: ErasureScope;
}

interface People extends Omit<PlannedRequests, 'plan'> {
  readonly apart: readonly PlannedDoubt[];
  readonly shared: readonly PlannedDoubt[];
  readonly unsearched: readonly Unsearched[];
  readonly askers: readonly Asker[];
  /** Of whom anybody is known, in the order of their numbers. */
  readonly rows: readonly RequestRow[];
}

/** In the order of the requests' numbers. What ends is judged by what held the moment before each request came. */
async function peopleOf(request: PlanningRequests, catalogs: ReadonlyMap<string, Catalog>): Promise<People> {
  const { home, stores, manifest, run, vault = null } = request;
  const sorted = request.rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const seeds = await readSeeds(home, manifest, sorted.map(({ id }) => id), { run, vault }); // prettier-ignore
  const people = await resolvePeople(stores, manifest, sorted.map(({ id }) => seeds.get(id)!), catalogs); // prettier-ignore
  const found = sorted.map((row, at) => {
    const seed = seeds.get(row.id)!;
    return { row, seed, resolved: people[at]!, kinds: kindsOf(manifest, seed.subject, people[at]!) };
  });
  const isClear = ({ resolved, kinds }: (typeof found)[number]): boolean => resolved.ambiguous.length === 0 && kinds.length > 0;
  const clear = found.filter(isClear);
  const left = found.filter((it) => !isClear(it));
  return translating(home, async () => {
    const before = await manifestsAt(home.db, clear.map(({ row }) => row.receivedAt)); // prettier-ignore
    const rules = new Map<Manifest, ReturnType<typeof permissionRules>>();
    const said = new Map<string, { histories: ReadonlyMap<string, HistoryRecord[]>; facts: (key: string) => SubjectFacts }>();
    const known = clear.flatMap(({ resolved, seed }) => [...resolved.keys, { subject: seed.subject ?? '', key: seed.key ?? '' }]);
    for (const [subject, some] of Map.groupBy(known, (it) => it.subject)) {
      const keys = [...new Set(some.map(({ key }) => key))];
      const [histories, facts] = [await readHistories(home.db, subject, keys), await readManyFacts(home.db, subject, keys)];
      said.set(subject, { histories, facts });
    }
    const askers = clear.flatMap(({ row, seed, resolved, kinds }, person): Asker[] => {
      const inForce = before[person] ?? null;
      const by = inForce?.manifest ?? manifest;
      if (!rules.has(by)) rules.set(by, permissionRules(by));
      // As who they asked first: it says under which law they are.
      const keys = [{ subject: seed.subject ?? '', key: seed.key ?? '' }, ...resolved.keys];
      const facts = keys.map(({ subject, key }) => {
        const { histories, facts: factsOf } = said.get(subject)!;
        return { subject, history: histories.get(key) ?? [], facts: factsOf(key) };
      });
      const scope = scopeOf(row, facts, by, rules.get(by)!);
      return kinds.map((kind) => ({ row, person, kind, before: inForce, scope }));
    });
    return {
      askers,
      rows: clear.map(({ row }) => row),
      unknown: left.map(({ row }) => row.id),
      why: new Map(left.map(({ row, resolved }) => [row.id, doubtText(row.id, resolved)])),
      apart: doubtsOf(clear.flatMap(({ resolved }) => resolved.apart), (rows) => rows.reduce((sum, it) => sum + it, 0)), // prettier-ignore
      // Many may have one placeholder: its rows are not counted for each.
      shared: doubtsOf(clear.flatMap(({ resolved }) => resolved.shared), (rows) => Math.max(...rows)), // prettier-ignore
      unsearched: unsearchedOf(clear),
    };
  });
}

/** One person has one scope, whatever they are known as: what goes on for them as one kind keeps what they are as another. */
function scopeOf(
  row: RequestRow,
  known: readonly { readonly subject: string; readonly history: readonly HistoryRecord[]; readonly facts: SubjectFacts }[],
  before: Manifest,
  rules: ReturnType<typeof permissionRules>,
): ErasureScope {
  const at = row.receivedAt.getTime() * MICROS_PER_MS - 1;
  const ask = (purpose: string) => {
    const answers = known.map(({ history, facts }) => permission(rules, history, facts, { purpose, channel: null, at }));
    return answers.find(({ allowed }) => allowed) ?? answers[0]!;
  };
  const kinds = new Set(known.map(({ subject }) => before.subjects[subject]?.table));
  // A purpose that ends with a column of employees is about employees: it keeps nothing of a customer.
  const concerned = Object.entries(before.purposes).filter(([, { ends }]) => ends === null || kinds.has(columnParts(ends).table));
  const answers = Object.fromEntries(concerned.map(([purpose]) => [purpose, ask(purpose)]));
  const decided = known.flatMap(({ history }) => history).filter(({ decision }) => decision === 'objection_upheld');
  const upheld = [...new Set(decided.map(({ purpose }) => purpose))];
  const asked = {
    kind: row.kind,
    grounds: row.grounds as readonly ErasureGround[],
    purposes: row.purpose === null ? [] : [row.purpose],
    channel: null,
    upheld,
  };
  return erasureScope(asked, { regime: known[0]!.facts.regime, answers }, before);
}

interface AskerClass {
  readonly planned: PlannedClass;
  readonly first: Asker;
  readonly people: readonly Asker[];
}

/** In an order of their own, so that the same people make the same classes whenever they are planned. */
function classesOf(askers: readonly Asker[]): AskerClass[] {
  const alike = Map.groupBy(askers, ({ kind: { subject }, before, scope }) =>
    canonicalJson({ subject, before: before?.hash ?? null, scope }),
  );
  return [...alike]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, some]) => {
      const first = some[0]!;
      const { kind, scope, before } = first;
      return { planned: { subject: kind.subject, before: before?.hash ?? null, scope, people: some.length }, first, people: some };
    });
}

/** Why a person must find out first whom a request is about. */
export function doubtText(id: string, { ambiguous }: ResolvedPerson): string {
  const [first] = ambiguous;
  if (first === undefined)
    return 'nobody of the subjects that the manifest declares is known behind it: a person must find out who it is about';
  const what = ambiguous.map(({ subject, identity, rows }) => `${rows} of ${subject} would be this one person by ${identity}`).join(', ');
  const about = `${first.subject}.${first.identity}`;
  return `${what}. A person must find out. If all of them are: probity request identity ${id} --accept ${about}. If not: --reject ${about}, and give the key of each that is, with --subject ${first.subject}`;
}

/** How many people share an identity with others, by whose it is. */
function doubtsOf(found: readonly Ambiguous[], rowsOf: (rows: readonly number[]) => number): PlannedDoubt[] {
  const alike = Map.groupBy(found, ({ subject, identity }) => `${subject}.${identity}`);
  return [...alike]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, some]) => {
      const { subject, identity } = some[0]!;
      return { subject, identity, people: some.length, rows: rowsOf(some.map(({ rows }) => rows)) };
    });
}

function unsearchedOf(people: readonly { readonly resolved: ResolvedPerson; readonly kinds: readonly PersonKind[] }[]): Unsearched[] {
  const found = people.flatMap(({ resolved, kinds }): Omit<Unsearched, 'people'>[] => [
    ...resolved.rejected.map((identity) => ({ identity, why: 'rejected' as const })),
    // What stands for no value says nothing of them.
    ...resolved.shared.flatMap((it) => (it.placeholder ? [] : [{ identity: `${it.subject}.${it.identity}`, why: 'shared' as const }])),
    ...undeclared(resolved, kinds).map((identity) => ({ identity, why: 'undeclared' as const })),
  ]);
  return [...Map.groupBy(found, canonicalJson)].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, some]) => ({ ...some[0]!, people: some.length })); // prettier-ignore
}

function asksOf(rows: readonly RequestRow[]): PlannedAsk[] {
  const alike = Map.groupBy(rows, ({ kind, grounds, purpose }) => canonicalJson({ kind, grounds: [...grounds], purpose }));
  return [...alike]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, some]) => {
      const { kind, grounds, purpose } = some[0]!;
      return { kind, grounds, purpose, people: some.length };
    });
}

/** By class: the subjects' keys and identities, in chunks that are numbered through the run. */
function keysOf(manifest: Manifest, classes: readonly AskerClass[]): RunKey[][] {
  let chunks = 0;
  return classes.map(({ people }, of) => {
    const from = chunks;
    chunks += Math.ceil(people.length / PEOPLE_AT_ONCE);
    return people.flatMap(({ kind, person }, at): RunKey[] => {
      const one = { chunk: from + Math.floor(at / PEOPLE_AT_ONCE), person, class: of };
      const columns = manifest.subjects[kind.subject]!.key.length;
      const keys = kind.keys.map((key) => ({ ...one, identity: KEY_IDENTITY, parts: keyParts(key, columns) }));
      return [...keys, ...kind.identities.map(({ identity, value }) => ({ ...one, identity, parts: [value] }))];
    });
  });
}

async function counted(store: Store, manifest: Manifest, erasure: StoreErasure, people: KeyPeople): Promise<StorePlan> {
  const of = people.class;
  if (erasure.problems.length > 0) return { class: of, erasure, heldPeople: 0, counts: {}, tables: [], missingIndexes: [], seconds: 0 };
  const target = await openErasure(store, manifest, erasure);
  const { heldPeople, counts, tables, missingIndexes, seconds } = await countErasure(target, people);
  return { class: of, erasure, heldPeople, counts, tables, missingIndexes: missingIndexes.map((it) => it.sql), seconds };
}
