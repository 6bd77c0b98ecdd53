/** Why an approved request waits although it was approved: for workers with the right keys, who then go on by themselves. */
export const KEY_WAITS = ['other_signing_key', 'other_master_key'] as const;

export type KeyWait = (typeof KEY_WAITS)[number];

/** Before the SQLSTATE, or the code of ours, of an error that another attempt would meet again. */
export const STOPPED = 'stopped_';
