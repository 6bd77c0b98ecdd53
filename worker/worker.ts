import { createRequire } from 'node:module';
import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { bundleWorkflows } from './bundle.ts';
import { probityActivities, type ProbityActivitiesOptions } from './activities.ts';

/** Where jobs of ours wait, unless told otherwise. */
export const TASK_QUEUE = 'probity';

// A cancelled lane learns of it with its next beat that is let through.
const HEARTBEAT_THROTTLE = '1 second';
// Two lanes for each of a few tables at a time; each holds a connection.
const MAX_ACTIVITIES = 8;

export interface ProbityWorkerOptions extends ProbityActivitiesOptions {
  readonly connection: NativeConnection;
  readonly namespace?: string;
  readonly taskQueue?: string;
  /** Anything else that Temporal's worker takes. */
  readonly worker?: Partial<WorkerOptions>;
}

export interface ProbityWorker {
  readonly worker: Worker;
  /** Closes the connections to the stores; call it when the worker has stopped. The Temporal connection is the caller's. */
  readonly close: () => Promise<void>;
}

/** The file that a worker of somebody else names as, or re-exports from, its `workflowsPath`. */
export const workflowsPath = createRequire(import.meta.url).resolve(
  import.meta.url.endsWith('.ts') ? '../workflows/index.ts' : '../workflows/index.js',
);

/** A worker that runs every job of ours. */
export async function createProbityWorker(options: ProbityWorkerOptions): Promise<ProbityWorker> {
  const given = options.worker?.workflowBundle ?? options.worker?.workflowsPath;
  const bundle = given === undefined ? await bundleWorkflows(workflowsPath) : null;
  const { activities, close } = probityActivities(options);
  const worker = await Worker.create({
    connection: options.connection,
    namespace: options.namespace ?? 'default',
    taskQueue: options.taskQueue ?? TASK_QUEUE,
    ...(bundle && { workflowBundle: { codePath: bundle.codePath } }),
    activities,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    maxConcurrentActivityTaskExecutions: MAX_ACTIVITIES,
    ...options.worker,
  }).finally(() => bundle?.remove());
  return { worker, close };
}
