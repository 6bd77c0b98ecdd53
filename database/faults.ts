/** Named instants around a step at which tests kill the process; see docs/architecture.md, "Exactly once". */
export const FAULT_POINTS = [
  'before transaction',
  'after change',
  'before commit',
  'after commit',
  'before heartbeat',
  'before return',
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number];

/** Called at each point; does nothing in production. */
export type Faults = (point: FaultPoint) => void | Promise<void>;

export const noFaults: Faults = () => undefined;
