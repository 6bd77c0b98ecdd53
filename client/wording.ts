import { classify, SENTENCES } from '../database/sqlstates.ts';

/** The domain's own words for what is shown to people, for rooms that may not import values from it. */
export { alongRows, describeReason, plannedRows, planHash, ruleText } from '../domain/retention/plan.ts';
export { isClosed } from '../domain/runs.ts';

const ENDINGS: Readonly<Record<string, string>> = {
  ...SENTENCES,
  rows: 'they were still there after the last pass: run again',
  'not reached': 'the run ended before they were reached: run again',
  unexpected: 'an error that the worker’s log tells',
};

/** Why rows failed, from an SQLSTATE or from what ended their table. */
export function describeFailure(reason: string): string {
  if (Object.hasOwn(ENDINGS, reason)) return ENDINGS[reason]!;
  return /^[0-9A-Z]{5}$/.test(reason) ? `${SENTENCES[classify(reason).kind]} (SQLSTATE ${reason})` : reason;
}
