import type { Certificate, FoundInKept, TableOutcome } from '../evidence/certificate.ts';
import type { EvidenceRecord } from '../evidence/chain.ts';
import { foundText } from './kept.ts';
import { groundsText } from './kinds.ts';
import { namedRows, planStores, unsearchedText, type ErasurePlan, type PlannedAsk } from './plan.ts';
import { redactionStatements } from './redaction.ts';
import { scanSentence, type ScanResult } from './scan.ts';

/** The kind of the step that says how a store stands at the end. */
export const CLOSING = 'closing';

/** What became of each table of a plan, told from the evidence alone. */
export function erasureOutcomes(plan: ErasurePlan, records: readonly EvidenceRecord[]): TableOutcome[] {
  const rule = plan.asks.map(askText).join('; ');
  return planStores(plan).flatMap((store) => {
    const steps = records.filter(({ body }) => body.store === store && body.kind !== CLOSING);
    const gone = added(steps, /^(erased|masked|detached):/);
    const stays = staying(steps);
    const needed = neededRows(steps);
    const closed = closingOf(store, records) !== null;
    return [...plannedIn(plan, store)].map(([table, planned]): TableOutcome => {
      const of = (outcome: string): number => gone[`${outcome}:${table}`] ?? 0;
      const { masked: asNeeded = 0, asTheyAre = 0 } = needed.get(table) ?? {};
      const masked = of('masked') + asNeeded;
      const kept = { ...endingIn(stays, `:${table}`), ...(asTheyAre === 0 ? {} : { pinned: asTheyAre }) };
      const stay = Object.values(kept).reduce((sum, rows) => sum + rows, 0);
      return {
        table: `${store}.${table}`,
        rule,
        cutOff: plan.asOf,
        planned,
        erased: of('erased'),
        masked,
        failed: closed ? 0 : Math.max(0, planned - of('erased') - masked - stay),
        withOthers: 0,
        kept,
        along: of('detached') === 0 ? {} : { [`detached:${table}`]: of('detached') },
      };
    });
  });
}

/** Rows by table, of all classes together, whatever becomes of them. */
function plannedIn(plan: ErasurePlan, store: string): ReadonlyMap<string, number> {
  const planned = new Map<string, number>();
  for (const it of plan.stores.flatMap(({ erasure, tables }) => (erasure.store === store ? tables : [])))
    planned.set(it.table, (planned.get(it.table) ?? 0) + namedRows(it));
  return planned;
}

/** `erasure, Art. 17(1)(a)`, `withdrawal of newsletter` */
export function askText({ kind, grounds, purpose }: PlannedAsk): string {
  if (kind === 'erasure') return `erasure, ${groundsText(grounds)}`;
  return purpose === null ? kind : `${kind} of ${purpose === '*' ? 'all purposes' : purpose}`;
}

/**
 * Rows that stay, by why. Each chunk tells it by its first step that nothing was held in: a hold hides why rows will stay when it is released, such as
 * a floor. That step finds what earlier ones have masked as rows for which a purpose goes on: these are told as masked, and only once.
 */
function staying(steps: readonly EvidenceRecord[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const its of Map.groupBy(steps, ({ body }) => body.range).values()) {
    const free = its.findIndex(({ body }) => !isHeld(body));
    // Still held: then no step tells more than the last one.
    const telling = free < 0 ? its.length - 1 : free;
    const masked = added(its.slice(0, telling), /^masked:/);
    for (const [name, rows] of Object.entries(added(its.slice(telling, telling + 1), /^(kept|held)(:|$)/))) {
      const before = name.startsWith(KEPT_FOR_PURPOSE) ? (masked[`masked:${name.slice(KEPT_FOR_PURPOSE.length)}`] ?? 0) : 0;
      if (rows > before) sums[name] = (sums[name] ?? 0) + rows - before;
    }
  }
  return sums;
}

/** As steps count rows that would go, are needed by rows that stay, and so are masked; before the name of the table. */
export const MASKED_PINNED = 'masked:pinned';

/**
 * Rows that would go and that others need, by table: masked, or as they are. Each chunk tells it by its last step that nothing was held in: what needed
 * a row may have gone with somebody else's meanwhile, and then the row went too, masked or not.
 */
function neededRows(steps: readonly EvidenceRecord[]): ReadonlyMap<string, { readonly masked: number; readonly asTheyAre: number }> {
  const sums = new Map<string, { masked: number; asTheyAre: number }>();
  for (const its of Map.groupBy(steps, ({ body }) => body.range).values()) {
    const free = its.findLast(({ body }) => !isHeld(body));
    const telling = added(free === undefined ? its.slice(-1) : [free], /^(masked:)?pinned:/);
    const found = added(its, /^(masked:)?pinned:/);
    for (const table of new Set(Object.keys(found).map((name) => name.replace(/^(masked:)?pinned:/, '')))) {
      const before = found[`${MASKED_PINNED}:${table}`] ?? 0;
      const now = (telling[`pinned:${table}`] ?? 0) + (telling[`${MASKED_PINNED}:${table}`] ?? 0);
      const masked = free === undefined ? before : Math.min(before, now);
      const sum = sums.get(table) ?? { masked: 0, asTheyAre: 0 };
      sums.set(table, { masked: sum.masked + masked, asTheyAre: sum.asTheyAre + Math.max(0, now - masked) });
    }
  }
  return sums;
}

/** As steps count rows that stay since a purpose goes on, before the name of the table. */
const KEPT_FOR_PURPOSE = 'kept:purpose:';

function added(steps: readonly EvidenceRecord[], named: RegExp): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { body } of steps)
    for (const [name, rows] of Object.entries(body.counts)) if (named.test(name)) sums[name] = (sums[name] ?? 0) + rows;
  return sums;
}

function endingIn(counts: Readonly<Record<string, number>>, suffix: string): Record<string, number> {
  const matching = Object.entries(counts).filter(([name]) => name.endsWith(suffix));
  return Object.fromEntries(matching.map(([name, rows]) => [name.slice(0, -suffix.length), rows]));
}

function closingOf(store: string, records: readonly EvidenceRecord[]): EvidenceRecord['body'] | null {
  return records.filter(({ body }) => body.store === store && body.kind === CLOSING).at(-1)?.body ?? null;
}

/** Whether rows stay, by a closing statement, only since somebody holds them. */
export function isHeld({ counts }: EvidenceRecord['body']): boolean {
  return Object.entries(counts).some(([name, rows]) => name.startsWith('held') && rows > 0);
}

/** Stores in which rows are held, by their last closing statement. */
export function heldStores(plan: ErasurePlan, records: readonly EvidenceRecord[]): string[] {
  return planStores(plan).filter((store) => {
    const closing = closingOf(store, records);
    return closing !== null && isHeld(closing);
  });
}

/** Rows of which the planned change is still to be made, by the closing statements; null: a store has made none. */
export function remainingRows(plan: ErasurePlan, records: readonly EvidenceRecord[]): number | null {
  const changing = new Set(plan.stores.flatMap(({ erasure, tables }) => (tables.length > 0 ? [erasure.store] : [])));
  const closings = [...changing].map((store) => closingOf(store, records));
  if (closings.some((it) => it === null)) return null;
  return closings.reduce((sum, body) => sum + (body?.counts['remaining'] ?? 0), 0);
}

/**
 * `complete` only when nothing is unexplained, every declared place was looked at, and nothing waits for its day; `complete with obligations`
 * when rows do; `scan-limited` when places could not be seen, or what is known of the people was not searched for.
 */
export function erasureOutcome(
  plan: ErasurePlan,
  records: readonly EvidenceRecord[],
  outcomes: readonly TableOutcome[],
  scans: readonly ScanResult[],
): Certificate['outcome'] {
  const remaining = remainingRows(plan, records);
  // A scan that was never begun has no ranges.
  const unfinished = scans.some(
    ({ rangesDone, rangesTotal, columnsScanned, hits }) =>
      rangesDone < rangesTotal || (rangesTotal === 0 && columnsScanned > 0) || hits.length > 0,
  );
  if (remaining !== 0 || unfinished || heldStores(plan, records).length > 0 || outcomes.some(({ failed }) => failed > 0))
    return 'incomplete';
  if ((plan.unsearched ?? []).length > 0) return 'scan-limited';
  if (scans.some(({ notScanned, notSearched, outside }) => notScanned.length + notSearched.length + outside.length > 0))
    return 'scan-limited';
  const waits = outcomes.some(({ kept }) => Object.keys(kept).some((reason) => reason.startsWith('kept:floor')));
  return waits ? 'complete with obligations' : 'complete';
}

/** Where texts of the people stay, in rows that the plan keeps: nobody shall believe them gone. Does not limit what a certificate says. */
export function foundInKept(scans: readonly ScanResult[]): FoundInKept[] {
  return scans.flatMap(({ store, kept }) => kept.map((it) => ({ ...it, table: `${store}.${it.table}` })));
}

/** What a reader may hold us to, and what the certificate does not reach. */
export function erasureStatements(plan: ErasurePlan, records: readonly EvidenceRecord[], scans: readonly ScanResult[]): string[] {
  const closings = planStores(plan).map((name) => {
    const closing = closingOf(name, records);
    if (closing === null) return `${name}: no closing statement was made`;
    const left = closing.counts['remaining'] ?? 0;
    return `${name}: ${closing.range ?? 'at an unknown snapshot'} every planned row was read again, and ${left === 0 ? 'none' : String(left)} is left to be erased or masked`;
  });
  const about = plan.people === 1 ? [] : [`about ${plan.people} requests, of which the numbers have the SHA-256 ${plan.members}`];
  const seen = scans.map((scan) => `${scan.store}: the scan read ${scanSentence(scan)}`);
  const unsearched = (plan.unsearched ?? []).map((it) => `not searched for: ${unsearchedText(it)}`);
  const kept = foundInKept(scans).map((it) => `${it.table}: ${foundText(it)}`);
  return [
    ...about,
    ...closings,
    ...masksOf(plan),
    ...floorsOf(plan),
    ...redactionStatements(records),
    ...seen,
    ...kept,
    ...unsearched,
    ...BEYOND,
  ];
}

/** Which columns of rows that stay were masked, and which the company chose to leave. */
function masksOf(plan: ErasurePlan): string[] {
  const found = plan.stores.flatMap(({ erasure, tables }) =>
    tables.flatMap(({ table, masked, pinned, columns }) => {
      const id = `${erasure.store}.${table}`;
      const spared = erasure.tables.find((it) => it.table === table)?.spared ?? [];
      return [
        ...(columns.length === 0 ? [] : [`${id}: masked in rows that stay: ${columns.map(({ column }) => column).join(', ')}`]),
        ...(masked + pinned === 0
          ? []
          : spared.map(
              ({ column, because }) =>
                `${id}: ${column} stays in rows that stay, as the manifest says${because === null ? '' : `: ${because}`}`,
            )),
      ];
    }),
  );
  return [...new Set(found)];
}

/** Rows under a floor by table, and the end of the last of them. */
function floorsOf(plan: ErasurePlan): string[] {
  const floors = plan.stores.flatMap(({ erasure, tables }) =>
    tables.flatMap(({ table, floor }) => (floor === null ? [] : [{ table: `${erasure.store}.${table}`, ...floor }])),
  );
  return [...Map.groupBy(floors, ({ table }) => table)].map(([table, some]) => {
    const rows = some.reduce((sum, it) => sum + it.rows, 0);
    // Times in UTC of one form: the greatest text is the last.
    const until = some.some((it) => it.until === null)
      ? null
      : some
          .map((it) => it.until ?? '')
          .sort()
          .at(-1)!;
    return `${table}: ${rows} rows stay by law ${until === null ? 'for an unknown time' : `until ${until}`}`;
  });
}

/** Never in reach of a statement in the store, whatever the manifest says. */
const BEYOND = [
  'beyond reach: backups, write-ahead logs and standbys keep what they hold until they expire; who is restored from them is to be erased again',
];
