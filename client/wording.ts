/** The domain's own words for what is shown to people, for rooms that may not import values from it. */
export { describeReason, plannedRows, planHash, ruleText } from '../domain/retention/plan.ts';
export { isClosed } from '../domain/runs.ts';
