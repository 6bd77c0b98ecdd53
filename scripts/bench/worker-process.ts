import { Context } from '@temporalio/activity';
import { DefaultLogger, NativeConnection, Runtime, type WorkerInterceptors } from '@temporalio/worker';
import type { Faults } from '../../database/faults.ts';
import { createProbityWorker } from '../../worker/worker.ts';
import { clock, type FromWorker, type Span, type ToWorker, type WorkerRecord, type WorkerSetup } from './worker-messages.ts';

/** The worker in a process of its own, as it is deployed. It differs from `worker/main.ts` only in that it notes when things happen. */
let activities: Span[] = [];
let steps: Span[] = [];
const begun = new Map<string, number>();

const say = (message: FromWorker): void => void process.send?.(message);

/** Lanes take turns in one process; the activity that asks tells them apart. */
const faults: Faults = (point) => {
  const { activityId, activityType, workflowExecution } = Context.current().info;
  const key = `${workflowExecution?.runId ?? ''}/${activityId}`;
  if (point === 'before transaction') begun.set(key, clock());
  else if (point === 'after commit') steps.push({ name: activityType, from: begun.get(key) ?? Number.NaN, to: clock() });
};

const interceptors: WorkerInterceptors = {
  activity: [
    () => ({
      inbound: {
        execute: async (input, next) => {
          const from = clock();
          try {
            return await next(input);
          } finally {
            activities.push({ name: Context.current().info.activityType, from, to: clock() });
          }
        },
      },
    }),
  ],
};

function collect(): WorkerRecord {
  const record: WorkerRecord = { activities, steps, rssMb: (process.resourceUsage().maxRSS * 1024) / 1e6 };
  [activities, steps] = [[], []];
  begun.clear();
  return record;
}

async function run(setup: WorkerSetup, stopped: Promise<void>): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const connection = await NativeConnection.connect({ address: setup.address });
  const { manifest, env, namespace, taskQueue } = setup;
  const { worker, close } = await createProbityWorker({
    manifest,
    env,
    connection,
    namespace,
    taskQueue,
    faults,
    worker: { interceptors },
  });
  say({ kind: 'ready' });
  await worker.runUntil(stopped);
  await close();
  await connection.close();
}

let stop: () => void = () => undefined;
const stopped = new Promise<void>((resolve) => (stop = resolve));
// The benchmark that was killed must not leave a worker behind.
process.on('disconnect', () => process.exit(1));
// Ctrl-C in the terminal is the benchmark's to answer.
process.on('SIGINT', () => undefined);
process.on('message', (message: ToWorker) => {
  if (message.kind === 'setup') {
    run(message.setup, stopped).then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  } else if (message.kind === 'collect') say({ kind: 'record', record: collect() });
  else stop();
});
