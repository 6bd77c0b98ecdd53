import { loadClientConnectConfig } from '@temporalio/envconfig';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { requireManifest } from '../client/manifest.ts';
import { faultsFrom } from './faults.ts';
import { createProbityWorker, TASK_QUEUE } from './worker.ts';

/** Runs a worker until SIGINT or SIGTERM. Settings: see docs/worker.md. */
export async function runWorker(env: NodeJS.ProcessEnv): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: ['SIGINT', 'SIGTERM'] });
  const { manifest } = await requireManifest(env['PROBITY_MANIFEST'] ?? 'probity.yaml');
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const connection = await NativeConnection.connect(connectionOptions);
  const taskQueue = env['PROBITY_TASK_QUEUE'] ?? TASK_QUEUE;
  const { worker, close } = await createProbityWorker({
    manifest,
    env,
    connection,
    taskQueue,
    ...(namespace === undefined ? {} : { namespace }),
    faults: faultsFrom(env['PROBITY_FAULT']),
  });
  process.stdout.write(`probity worker ready on task queue ${taskQueue}\n`);
  try {
    await worker.run();
  } finally {
    await close();
    await connection.close();
  }
}

if (import.meta.main) await runWorker(process.env);
