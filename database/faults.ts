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

/** Instants of a request behind its steps: in the search, while it is certified and closed, and before a recipient's answer is written down. */
export const REQUEST_FAULT_POINTS = [
  'scan after range',
  'finish before certificate',
  'finish after certificate',
  'finish after removal',
  'finish before close',
  'notice after answer',
] as const;

export type RequestFaultPoint = (typeof REQUEST_FAULT_POINTS)[number];

/** Called at each point; does nothing in production. */
export type Faults = (point: FaultPoint | RequestFaultPoint) => void | Promise<void>;

export const noFaults: Faults = () => undefined;

/** Instants of the loops that tell what has committed to whoever must know; see docs/serving.md. */
export const LOOP_FAULT_POINTS = [
  'outbox before start',
  'outbox after start',
  'sink after append',
  'replica after read',
  'replica after write',
  'refresh after chunk',
  'refresh after swap',
] as const;

export type LoopFaultPoint = (typeof LOOP_FAULT_POINTS)[number];

export type LoopFaults = (point: LoopFaultPoint) => void | Promise<void>;

export const noLoopFaults: LoopFaults = () => undefined;
