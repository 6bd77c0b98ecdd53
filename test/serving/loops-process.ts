import { connectTemporal } from '../../client/temporal.ts';
import { requireManifest } from '../../client/manifest.ts';
import { faultsFrom } from '../../worker/faults.ts';
import { startProbityLoops } from '../../worker/loops.ts';

/** The loops in a process of their own, as a worker runs them: to be killed. */
const { manifest } = await requireManifest(process.env['PROBITY_MANIFEST'] ?? '');
const temporal = await connectTemporal();
startProbityLoops({
  manifest,
  taskQueue: process.env['PROBITY_TASK_QUEUE'] ?? '',
  client: () => Promise.resolve(temporal.client),
  faults: faultsFrom(process.env['PROBITY_FAULT']),
  log: (message, attributes) => void process.stdout.write(`${message} ${JSON.stringify(attributes)}\n`),
});
