/** What a platform team takes into its own worker: see docs/worker.md. */
export { probityActivities, type ProbityActivities, type ProbityActivitiesOptions } from './worker/activities.ts';
export { createProbityWorker, TASK_QUEUE, workflowsPath, type ProbityWorker, type ProbityWorkerOptions } from './worker/worker.ts';
export { defineManifest } from './manifest/define.ts';
export type { ManifestInput } from './manifest/schema/root.ts';
export type { Manifest } from './manifest/model.ts';
