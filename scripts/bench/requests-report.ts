import type { Machine } from './machine.ts';
import { table } from './report.ts';
import { median } from './statistics.ts';

export interface Single {
  readonly ms: readonly number[];
  /** Most of one request. */
  readonly activities: number;
  readonly handMs: number;
}

export interface Bulk {
  readonly people: number;
  readonly kind: string;
  readonly parts: readonly { readonly part: string; readonly ms: number }[];
  /** Null: not compared. */
  readonly handMs: number | null;
}

export interface RequestsResults {
  readonly machine: Machine;
  readonly load: number;
  readonly customers: number;
  readonly small: number;
  readonly single: Single;
  readonly bulk: readonly Bulk[];
  readonly withdrawal: Bulk;
}

const SINGLE_TARGET_MS = 1_200;
const MOST_ACTIVITIES = 8;
const RATE_TARGET = 300;
const HAND_SHARE = 0.25;
const GROWTH = 1.1;

const totalMs = ({ parts }: Bulk): number => parts.reduce((sum, { ms }) => sum + ms, 0);
const rate = (bulk: Bulk): number => (bulk.people / totalMs(bulk)) * 1_000;
/** From the approval to the certificate: what a user's statements are compared with. */
const carriedMs = ({ parts }: Bulk): number => parts.at(-1)!.ms;

/** The section as Markdown. */
export function requestsReport({ machine, load, customers, small, single, bulk, withdrawal }: RequestsResults, command: string): string {
  const [first, last] = [bulk[0]!, bulk.at(-1)!];
  const growth = totalMs(last) / last.people / (totalMs(first) / first.people);
  const targets: readonly (readonly [string, number, string, boolean])[] = [
    ['one request, median ms', median(single.ms), `≤ ${SINGLE_TARGET_MS}`, median(single.ms) <= SINGLE_TARGET_MS],
    ['activities of one request', single.activities, `≤ ${MOST_ACTIVITIES}`, single.activities <= MOST_ACTIVITIES],
    [`people/s, batch of ${number(first.people)}, all included`, rate(first), `≥ ${RATE_TARGET}`, rate(first) >= RATE_TARGET],
    [`by hand ÷ ours, ${number(last.people)} people, from approval to certificate`, last.handMs! / carriedMs(last), `≥ ${HAND_SHARE}`, last.handMs! / carriedMs(last) >= HAND_SHARE],
    [`cost a person, ${number(last.people)} ÷ ${number(first.people)}`, growth, `≤ ${GROWTH}`, growth <= GROWTH],
  ]; // prettier-ignore
  const ms = (value: number): string => number(Math.round(value));
  const lines = [...bulk, withdrawal].map((it) => [
    `${number(it.people)} ${it.kind}s in one batch`,
    ...['opened', 'planned', 'approved', 'carried out, searched, certified'].map((part) => ms(it.parts.find((found) => found.part === part)?.ms ?? 0)),
    ms(totalMs(it)),
    rate(it).toFixed(0),
    it.handMs === null ? '–' : ms(it.handMs),
    it.handMs === null ? '–' : (it.handMs / carriedMs(it)).toFixed(2),
  ]); // prettier-ignore
  return [
    `Written by \`${command}\` on ${machine.date}; do not edit. ${machine.cpu}, ${machine.cores} cores, PostgreSQL ${machine.postgres}, Node ${machine.node}, ${machine.temporal}; load before
it began ${load.toFixed(1)}. Postgres, Temporal, the worker and the caller share the machine.${load > machine.cores ? ` **The machine had other work:** compare the ratios, and measure again when it is quiet.` : ''}`,
    `A customer and eight linked tables, every reference indexed; a tenth of the customers has 50 events. *By hand* is one transaction: the keys in a temporary table, one DELETE … USING for each table, children
first, without request, plan, approval, holds, search or certificate.`,
    `### One request, among ${number(small)} customers (about a million rows)\n\nOpened, verified, planned, approved, carried out, every text searched, certified: median ${ms(median(single.ms))} ms of ${single.ms.length} (${ms(Math.min(...single.ms))} to ${ms(Math.max(...single.ms))}), ${single.activities} activities. By hand, without a
search: ${single.handMs.toFixed(0)} ms.`,
    `### Many in one batch, among ${number(customers)} customers\n\n${table(['', 'opened ms', 'planned', 'approved', 'carried out, searched, certified', 'all ms', 'people/s', 'by hand ms', 'by hand ÷ carried out'], lines)}\n\nThe withdrawals are in force when they are recorded; in force in every store and counted as such after ${ms(withdrawal.parts.find(({ part }) => part === 'in force everywhere')?.ms ?? 0)} ms more, which *all* includes.`,
    `### Targets: ${targets.filter(([, , , reached]) => reached).length} of ${targets.length} reached\n\n${table(
      ['', 'measured', 'wanted', ''],
      targets.map(([what, measured, wanted, reached]) => [what, measured >= 10 ? ms(measured) : measured.toFixed(2), wanted, reached ? 'reached' : 'MISSED']),
    )}`,
  ].join('\n\n'); // prettier-ignore
}

function number(value: number): string {
  return value.toLocaleString('en');
}
