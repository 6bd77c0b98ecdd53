import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { DefaultLogger, NativeConnection, Runtime, type NativeConnectionOptions } from '@temporalio/worker';
import { requireManifest } from '../client/manifest.ts';
import { connectTemporal, type TemporalClient } from '../client/temporal.ts';
import { faultsFrom } from './faults.ts';
import { startProbityLoops } from './loops.ts';
import { createProbityWorker, TASK_QUEUE } from './worker.ts';

const RETRY_MS = 2_000;

/**
 * Runs a worker, and the loops beside it, until SIGINT or SIGTERM. Where no Temporal answers the loops run nevertheless (replicas would close
 * without them) and it is tried again. Settings: see docs/worker.md.
 */
export async function runWorker(env: NodeJS.ProcessEnv): Promise<void> {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: ['SIGINT', 'SIGTERM'] });
  const { manifest } = await requireManifest(env['PROBITY_MANIFEST'] ?? 'probity.yaml');
  const taskQueue = env['PROBITY_TASK_QUEUE'] ?? TASK_QUEUE;
  const faults = faultsFrom(env['PROBITY_FAULT']);
  const temporal = lazyClient(env);
  const loops = startProbityLoops({ manifest, taskQueue, env, faults, client: temporal.client, log: complain });
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig();
    const connection = await connectPatiently(connectionOptions);
    if (connection === null) return;
    const { worker, close } = await createProbityWorker({
      manifest,
      env,
      connection,
      taskQueue,
      ...(namespace === undefined ? {} : { namespace }),
      faults,
      log: complain,
    });
    process.stdout.write(`probity worker ready on task queue ${taskQueue}\n`);
    try {
      await worker.run();
    } finally {
      await close();
      await connection.close();
    }
  } finally {
    await loops.stop();
    await temporal.close();
  }
}

function complain(message: string, attributes: Readonly<Record<string, unknown>>): void {
  process.stderr.write(`${message} ${JSON.stringify(attributes)}\n`);
}

/** Null when the process was told to stop meanwhile. */
async function connectPatiently(options: NativeConnectionOptions): Promise<NativeConnection | null> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    for (let told = false; !stopping.signal.aborted; told = true) {
      try {
        return await NativeConnection.connect(options);
      } catch {
        if (!told) complain('no Temporal answers, trying again', { address: options.address ?? 'localhost:7233' });
        await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
    return null;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** One connection for all who ask, made when the first does, and again as long as that fails. */
function lazyClient(env: NodeJS.ProcessEnv): { readonly client: () => Promise<Client>; readonly close: () => Promise<void> } {
  let connected: Promise<TemporalClient> | null = null;
  return {
    client: async () => {
      connected ??= connectTemporal(env);
      try {
        return (await connected).client;
      } catch (error) {
        connected = null;
        throw error;
      }
    },
    close: async () => (await connected?.catch(() => null))?.close(),
  };
}

if (import.meta.main) await runWorker(process.env);
