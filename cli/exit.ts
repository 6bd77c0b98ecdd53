/** What the command's exit code tells a scheduler. */
export const EXIT = {
  done: 0,
  /** Findings, or partly failed. */
  findings: 1,
  /** Wrong usage, or a manifest with errors. */
  usage: 2,
  /** Waits for a person: an approval, a pause, a parked run. */
  person: 3,
  /** A service is out of reach. */
  unreachable: 4,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
