import type { Certificate, TableOutcome } from '../evidence/certificate.ts';
import type { EvidenceRecord } from '../evidence/chain.ts';
import { groundsText } from './kinds.ts';
import type { ErasurePlan, StorePlan } from './plan.ts';
import { scanSentence, type ScanResult } from './scan.ts';

/** The kind of the step that says how a store stands at the end. */
export const CLOSING = 'closing';

/** What became of each table of a plan, told from the evidence alone. */
export function erasureOutcomes(plan: ErasurePlan, records: readonly EvidenceRecord[]): TableOutcome[] {
  return plan.stores.flatMap((store) => {
    const steps = records.filter(({ body }) => body.store === store.erasure.store && body.kind !== CLOSING);
    const gone = added(steps, /^(erased|masked|detached):/);
    // What stays is told by the first step of each chunk: a later one finds masked rows as rows that stay.
    const stays = added(firstOfEach(steps), /^(kept|held|pinned)(:|$)/);
    return store.tables.map((table): TableOutcome => {
      const of = (outcome: string): number => gone[`${outcome}:${table.table}`] ?? 0;
      const planned = table.erased + table.masked;
      return {
        table: `${store.erasure.store}.${table.table}`,
        rule: ruleText(plan),
        cutOff: plan.asOf,
        planned,
        erased: of('erased'),
        masked: of('masked'),
        failed: closingOf(store, records) === null ? Math.max(0, planned - of('erased') - of('masked')) : 0,
        withOthers: 0,
        kept: endingIn(stays, `:${table.table}`),
        along: of('detached') === 0 ? {} : { [`detached:${table.table}`]: of('detached') },
      };
    });
  });
}

function ruleText({ kind, grounds, purpose }: ErasurePlan): string {
  if (kind === 'erasure') return `erasure, ${groundsText(grounds)}`;
  return purpose === null ? kind : `${kind} of ${purpose === '*' ? 'all purposes' : purpose}`;
}

function firstOfEach(steps: readonly EvidenceRecord[]): EvidenceRecord[] {
  const seen = new Set<string | null>();
  return steps.filter(({ body }) => !seen.has(body.range) && seen.add(body.range));
}

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

function closingOf({ erasure }: StorePlan, records: readonly EvidenceRecord[]): EvidenceRecord['body'] | null {
  return records.filter(({ body }) => body.store === erasure.store && body.kind === CLOSING).at(-1)?.body ?? null;
}

/** Whether rows stay, by a closing statement, only since somebody holds them. */
export function isHeld({ counts }: EvidenceRecord['body']): boolean {
  return Object.entries(counts).some(([name, rows]) => name.startsWith('held') && rows > 0);
}

/** Stores in which rows are held, by their last closing statement. */
export function heldStores(plan: ErasurePlan, records: readonly EvidenceRecord[]): string[] {
  const held = plan.stores.filter((store) => {
    const closing = closingOf(store, records);
    return closing !== null && isHeld(closing);
  });
  return held.map(({ erasure }) => erasure.store);
}

/** Rows of which the planned change is still to be made, by the closing statements; null: a store has made none. */
export function remainingRows(plan: ErasurePlan, records: readonly EvidenceRecord[]): number | null {
  const closings = plan.stores.filter(({ tables }) => tables.length > 0).map((store) => closingOf(store, records));
  if (closings.some((it) => it === null)) return null;
  return closings.reduce((sum, body) => sum + (body?.counts['remaining'] ?? 0), 0);
}

/**
 * `complete` only when nothing is unexplained, every declared place was looked at, and nothing waits for its day; `complete with obligations`
 * when rows do; `scan-limited` when places could not be seen.
 */
export function erasureOutcome(
  plan: ErasurePlan,
  records: readonly EvidenceRecord[],
  outcomes: readonly TableOutcome[],
  scans: readonly ScanResult[],
): Certificate['outcome'] {
  const remaining = remainingRows(plan, records);
  const unfinished = scans.some(({ rangesDone, rangesTotal, hits }) => rangesDone < rangesTotal || hits.length > 0);
  if (remaining !== 0 || unfinished || heldStores(plan, records).length > 0 || outcomes.some(({ failed }) => failed > 0))
    return 'incomplete';
  if (scans.some(({ notScanned, notSearched, outside }) => notScanned.length + notSearched.length + outside.length > 0))
    return 'scan-limited';
  const waits = outcomes.some(({ kept }) => Object.keys(kept).some((reason) => reason.startsWith('kept:floor')));
  return waits ? 'complete with obligations' : 'complete';
}

/** What a reader may hold us to, and what the certificate does not reach. */
export function erasureStatements(plan: ErasurePlan, records: readonly EvidenceRecord[], scans: readonly ScanResult[]): string[] {
  const closings = plan.stores.map((store) => {
    const { store: name } = store.erasure;
    const closing = closingOf(store, records);
    if (closing === null) return `${name}: no closing statement was made`;
    const left = closing.counts['remaining'] ?? 0;
    return `${name}: ${closing.range ?? 'at an unknown snapshot'} every planned row was read again, and ${left === 0 ? 'none' : String(left)} is left to be erased or masked`;
  });
  const floors = plan.stores.flatMap(({ erasure, tables }) =>
    tables.flatMap(({ table, floor }) =>
      floor === null
        ? []
        : [
            `${erasure.store}.${table}: ${floor.rows} rows stay by law ${floor.until === null ? 'for an unknown time' : `until ${floor.until}`}`,
          ],
    ),
  );
  const seen = scans.map((scan) => `${scan.store}: the scan read ${scanSentence(scan)}`);
  return [...closings, ...floors, ...seen, ...BEYOND];
}

/** Never in reach of a statement in the store, whatever the manifest says. */
const BEYOND = [
  'beyond reach: backups, write-ahead logs and standbys keep what they hold until they expire; who is restored from them is to be erased again',
];
