/** What the step is held to. Milliseconds, 99th percentiles. */
export const WITHDRAWAL_TARGET_MS = 50;
export const SINGLE_TARGET_MS = 1;
export const BATCH_TARGET_MS = 20;
export const LAG_TARGET_MS = 5_000;
