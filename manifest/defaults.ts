/** What a manifest that does not say gets. Each default prefers keeping rows, and the owner's applications, over speed. */
export const DEFAULTS = {
  timezone: 'UTC',
  mode: 'observe',
  regime: 'gdpr',
  /** Two lanes already reach the speed of one plain DELETE; more would compete with the owner's applications. */
  lanes: 2,
  /** More lanes on one table only queue for its indexes and its write-ahead log. */
  mostLanes: 32,
  batchMs: 200,
  /** Shorter is all overhead; longer holds row locks and snapshots for so long that people notice. */
  leastBatchMs: 10,
  mostBatchMs: 10_000,
  /** Half of the time at rest: a purge is never urgent, the owner's applications are. */
  duty: 0.5,
  leastDuty: 0.01,
  /** One missed night is made up the next morning; older misses are covered by the run that follows. */
  catchUp: 'PT12H',
  /** Long enough for a pause of a busy database, short enough that a withdrawal is soon felt everywhere. */
  leaseMs: 5_000,
  /** Below this every hiccup closes the views; above it "at once" is no longer true. */
  leastLeaseMs: 1_000,
  mostLeaseMs: 3_600_000,
  /** Whoever signs off for the data protection officer; one is enough, since nobody can approve what they opened. */
  approvalRoles: ['approver'],
  /** A night's withdrawals of a company that a person would not look at one by one, and few enough that a mistake is found in time. */
  envelope: { people: 500, rows: 50_000, at: '02:00' },
  /** Of one plan: beyond it a plan takes minutes, and its transaction locks that many requests. */
  mostPeople: 10_000,
  /** Longer than any outage: after a month without an answer a person must find another way. A weekend's delay is nothing. */
  notices: { patienceDays: 30, silentAfterDays: 3, mostDays: 366 },
  own: { consent_proof: 'P3Y', requests: 'P3Y', tombstones: 'P2Y', complaint_window: 'P6M' },
} as const;

/** Jobs that a schedule may name; `RUNNABLE_JOBS` are those that this version runs. */
export const JOBS = ['retention', 'quality', 'bias', 'segments', 'surveys', 'requests', 'consents'] as const;
export const RUNNABLE_JOBS: readonly string[] = ['retention', 'consents'];
