import { generateKeyPairSync } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { start } from '../../client/retention.ts';
import { applyManifest } from '../../database/runs.ts';
import { openStore } from '../../database/store.ts';
import { parseManifestValue, type LoadedManifest } from '../../manifest/load.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { startChild, type Child } from './child.ts';
import { RUN_DATABASE } from './clones.ts';
import { AS_OF, KEEP, TABLE } from './dataset.ts';
import type { BenchServices } from './server.ts';
import { largest } from './statistics.ts';
import { clock, type FromWorker, type ToWorker, type WorkerRecord } from './worker-messages.ts';

const TASK_QUEUE = 'bench';

/** How a competitor of ours differs from the manifest's defaults. */
export type Purge = NonNullable<ManifestInput['purge']>;

export interface OurRun {
  readonly rows: number;
  /** Machine's clock, milliseconds: first step's begin to last step's commit, and the start call to its result. */
  readonly execution: { readonly from: number; readonly to: number };
  readonly whole: { readonly from: number; readonly to: number };
  readonly historyEvents: number;
  readonly record: WorkerRecord;
}

/** One worker in its own process and a client, for every run of ours. */
export interface Ours {
  /** Purges the run database once. Throws unless the run was complete. */
  readonly purge: (purge: Purge) => Promise<OurRun>;
  readonly stop: () => Promise<void>;
}

function manifestFor(purge: Purge): LoadedManifest {
  const loaded = parseManifestValue({
    organisation: 'Benchmark',
    mode: 'enforce',
    stores: { shop: { url: '${SHOP_URL}' } },
    purposes: { use: { basis: 'contract', description: 'Use' } },
    tables: { [`shop.public.${TABLE}`]: { purposes: ['use'], retention: { keep: KEEP, after: 'at' } } },
    purge,
  } satisfies ManifestInput);
  if (loaded.manifest === null) throw new Error(`The benchmark's own manifest is refused: ${JSON.stringify(loaded.problems)}`);
  return loaded;
}

export async function startOurs(services: BenchServices): Promise<Ours> {
  const { manifest } = manifestFor({});
  if (manifest === null) throw new Error('no manifest');
  const { privateKey } = generateKeyPairSync('ed25519');
  const env = {
    SHOP_URL: services.url(RUN_DATABASE),
    PROBITY_SIGNING_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const worker: Child<ToWorker, FromWorker> = startChild('worker-process.ts');
  const ready = worker.next('ready');
  worker.send({ kind: 'setup', setup: { manifest, env, ...services.temporal, taskQueue: TASK_QUEUE } });
  await ready;
  const connection = await Connection.connect({ address: services.temporal.address });
  const client = new Client({ connection, namespace: services.temporal.namespace });

  const collect = async (): Promise<WorkerRecord> => {
    const answer = worker.next('record');
    worker.send({ kind: 'collect' });
    return (await answer).record;
  };

  return {
    purge: async (purge) => {
      const { manifest: wanted, hash } = manifestFor(purge);
      const store = openStore({ name: 'shop', url: services.url(RUN_DATABASE), applicationName: 'bench set-up' });
      if (wanted !== null && hash !== null) await applyManifest(store.db, wanted, hash, 'benchmark');
      await store.close();
      await collect();
      const from = clock();
      const handle = await start(client, { actor: 'benchmark', asOf: AS_OF, only: null, dryRun: false, taskQueue: TASK_QUEUE });
      const result = await handle.result();
      const to = clock();
      if (result.outcome !== 'complete') throw new Error(`The run ended ${result.outcome}`);
      const record = await collect();
      const steps = record.steps.filter((step) => step.name === 'purgeLane' || step.name === 'dropExpired');
      return {
        rows: result.changed,
        execution: { from: steps.reduce((first, step) => Math.min(first, step.from), Infinity), to: largest(steps.map((step) => step.to)) },
        whole: { from, to },
        historyEvents: await historyEvents(client, handle.workflowId),
        record,
      };
    },
    stop: async () => {
      worker.send({ kind: 'stop' });
      await worker.ended();
      await connection.close();
    },
  };
}

/** Of the run from its first history to its last: each continue-as-new begins another. */
async function historyEvents(client: Client, workflowId: string): Promise<number> {
  let events = 0;
  let runId: string | null = (await client.workflow.getHandle(workflowId).describe()).runId;
  while (runId !== null) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    events += history.events?.length ?? 0;
    const previous: string | null | undefined = history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
    runId = previous === undefined || previous === null || previous === '' ? null : previous;
  }
  return events;
}
