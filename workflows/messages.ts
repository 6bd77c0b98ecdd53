import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Approval, RetentionProgress } from './retention.types.ts';

/** Stops at the next batch; what is committed stays. */
export const pauseSignal = defineSignal('pause');
/** Goes on after a pause, or after a person has looked at a parked run. */
export const resumeSignal = defineSignal('resume');
export const progressQuery = defineQuery<RetentionProgress>('progress');
/** Something was done that the keeper should know of before its next hour. */
export const lookSignal = defineSignal('look');
/** Bound to the plan's hash: another plan is another approval. */
export const approveUpdate = defineUpdate<void, [Approval]>('approve');
