import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, type WorkerOptions, type WorkflowBundle } from '@temporalio/worker';
import type { Faults } from '../../database/faults.ts';
import type { Manifest } from '../../manifest/model.ts';
import { createProbityWorker, workflowsPath } from '../../worker/worker.ts';
import { temporalAddress, temporalNamespace } from './temporal.ts';

const quiet = new DefaultLogger('ERROR');
Runtime.install({ logger: new DefaultLogger('WARN', (entry) => quiet.log(entry.level, entry.message, entry.meta)) });

let bundle: Promise<WorkflowBundle> | undefined;
/** Made once for all workers of a test file. */
export const workflowBundle = (): Promise<WorkflowBundle> => (bundle ??= bundleWorkflowCode({ workflowsPath, logger: quiet }));

/** A client of this run's Temporal server, or of another one. */
export async function withClient<T>(
  act: (client: Client) => Promise<T>,
  address = temporalAddress(),
  namespace = temporalNamespace(),
): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await act(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
}

/** What a worker works for. */
export interface Workplace {
  readonly manifest: Manifest;
  readonly env: Readonly<Record<string, string>>;
}

export interface TestWorkerOptions {
  readonly faults?: Faults;
  readonly address?: string;
  /** Of a worker that is followed by this one; left out: one that nobody else has. */
  readonly taskQueue?: string;
  readonly log?: (message: string, attributes: Readonly<Record<string, unknown>>) => void;
  /** Instead of the worker's own. */
  readonly activities?: WorkerOptions['activities'];
}

/** Runs a worker in this process for as long as `act` takes, on a task queue of its own. */
export async function withWorker<T>(
  { manifest, env }: Workplace,
  act: (client: Client, taskQueue: string) => Promise<T>,
  { faults, address = temporalAddress(), taskQueue = `test-${randomBytes(4).toString('hex')}`, activities, log }: TestWorkerOptions = {},
): Promise<T> {
  const connection = await NativeConnection.connect({ address });
  const { worker, close } = await createProbityWorker({
    manifest,
    env,
    connection,
    namespace: temporalNamespace(),
    taskQueue,
    ...(faults && { faults }),
    ...(log && { log }),
    worker: { workflowBundle: await workflowBundle(), ...(activities && { activities }) },
  });
  try {
    return await worker.runUntil(withClient((client) => act(client, taskQueue), address));
  } finally {
    await close();
    await connection.close();
  }
}
