import { storeOf } from '../../manifest/ids.ts';
import { canonicalJson } from '../canonical.ts';
import type { Catalog } from '../catalog.ts';
import { referenceTarget, type Referring } from '../retention/graph.ts';
import { companions } from './companions.ts';
import type { ReferenceGuess } from './references.ts';
import { draftedRoles, type Said } from './role-rules.ts';
import type { SharedGuess } from './shared.ts';
import type { SubjectGuess } from './subjects.ts';
import type { SurveyedTable } from './survey.ts';
import { waysOf, type Way } from './ways.ts';

interface Drafted {
  readonly catalogs: Readonly<Record<string, Catalog>>;
  readonly governed: readonly SurveyedTable[];
  readonly subjects: readonly SubjectGuess[];
  readonly shared: readonly SharedGuess[];
}

/**
 * The references of a draft, with what each means for its row: `check` asks no more, and a person sees what was taken for granted. Foreign keys
 * become lines of their own where something must be said of them.
 */
export function guessRoles(guessed: readonly ReferenceGuess[], draft: Drafted): readonly ReferenceGuess[] {
  const order = (it: ReferenceGuess): number => draft.governed.findIndex(({ id }) => it.from.startsWith(`${id}.`));
  const all = Object.entries(draft.catalogs).reduce(
    (references, [store, catalog]) => ofStore({ ...catalog, store }, references, draft),
    guessed,
  );
  return all.toSorted((one, other) => order(one) - order(other));
}

/** Where tables refer to each other in a circle, something that was decided later may make one unclear again. */
const VISITS = 3;

function ofStore(catalog: Catalog, guessed: readonly ReferenceGuess[], draft: Drafted): readonly ReferenceGuess[] {
  const tables = draft.governed.filter(({ store }) => store === catalog.store);
  const visits = new Map<SurveyedTable, number>();
  let references = guessed;
  const referring = (): Referring => ({ ...people(draft), references });
  let ways = waysOf(catalog, referring());
  for (let table = next(); table !== null; table = next()) {
    visits.set(table, (visits.get(table) ?? 0) + 1);
    const own = ways.filter((it) => it.table === table.local);
    const said = draftedRoles(own, table, isReferredByPeople(table, draft.subjects));
    const before = references;
    for (const way of own) references = say(references, table, way, own, said.get(way) ?? null, referring());
    if (references !== before) ways = waysOf(catalog, referring());
  }
  // Of what leads to nobody in the end nothing can be said.
  const leads = (it: ReferenceGuess) => ways.some((way) => isNamedBy(it, `${catalog.store}.${way.table}`, way, referring()));
  return references.flatMap((it) => {
    if (it.as === null || storeOf(it.from) !== catalog.store || leads(it)) return [it];
    return guessed.filter(same(it));
  });

  /** What others hang on comes first: whose it is decides whom they lead to. */
  function next(): SurveyedTable | null {
    const unclear = new Set(ways.flatMap(({ table, role }) => (role === 'unclear' ? [table] : [])));
    const open = tables.filter((it) => {
      const seen = visits.get(it) ?? 0;
      return seen === 0 || (seen < VISITS && unclear.has(it.local));
    });
    const waits = (it: SurveyedTable): boolean =>
      ways.some(({ table, target }) => table === it.local && open.some((other) => other !== it && other.local === target));
    const named = (it: SurveyedTable): boolean => ways.some(({ table, subject }) => table === it.local && subject !== null);
    return open.find((it) => !waits(it)) ?? open.find(named) ?? open[0] ?? null;
  }
}

function say(
  references: readonly ReferenceGuess[],
  table: SurveyedTable,
  way: Way,
  own: readonly Way[],
  said: Said | null,
  referring: Referring,
): readonly ReferenceGuess[] {
  const at = references.findIndex((it) => isNamedBy(it, table.id, way, referring));
  const role = said?.as ?? way.role;
  const along = role === 'owner' || role === 'unclear' ? [] : companions(way.column, table, own.flatMap(({ columns }) => columns)); // prettier-ignore
  if (role === 'unclear' || (said === null && along.length === 0)) return references;
  const known = references[at];
  // The second visit says the last word.
  const reason = known === undefined || known.as !== null ? said?.reason ?? way.because : `${known.reason}; ${said?.reason ?? way.because}`; // prettier-ignore
  const it = { from: `${table.id}.${way.column}`, when: way.when, to: known?.to ?? way.to, as: role, with: along, reason };
  return at < 0 ? [...references, it] : references.with(at, it);
}

function isNamedBy(it: ReferenceGuess, table: string, way: Way, referring: Referring): boolean {
  const meaning = (to: string): string => canonicalJson(referenceTarget(to, referring));
  return it.from === `${table}.${way.column}` && canonicalJson(it.when) === canonicalJson(way.when) && meaning(it.to) === meaning(way.to);
}

const same =
  (one: ReferenceGuess) =>
  (other: ReferenceGuess): boolean =>
    one.from === other.from && one.to === other.to && canonicalJson(one.when) === canonicalJson(other.when);

function isReferredByPeople(table: SurveyedTable, subjects: readonly SubjectGuess[]): boolean {
  return subjects.some((it) => it.table.store === table.store && it.table.table.foreignKeys.some((key) => key.references === table.local));
}

function people({ subjects, shared }: Drafted): Pick<Referring, 'subjects' | 'shared'> {
  return {
    subjects: Object.fromEntries(
      subjects.map((it) => [it.name, { table: it.table.id, key: it.key, identities: it.identities, birth: null }]),
    ),
    shared: shared.map((it) => ({ table: it.table.id, owners: it.owners.id, onErase: 'detach', lastOwner: 'delete' })),
  };
}
