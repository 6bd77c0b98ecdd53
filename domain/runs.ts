/** Where a run stands, as the home store records it. `parked` and `waiting` need a person. */
export const RUN_STATES = [
  'planning',
  'waiting',
  'running',
  'paused',
  'parked',
  'observed',
  'complete',
  'incomplete',
  'cancelled',
  'failed',
] as const;

export type RunState = (typeof RUN_STATES)[number];

/** A run that ended; it keeps its state for ever. */
export function isClosed(state: RunState): boolean {
  return ['observed', 'complete', 'incomplete', 'cancelled', 'failed'].includes(state);
}
