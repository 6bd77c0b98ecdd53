import { randomUUID } from 'node:crypto';
import type { ManifestInput } from '../../../manifest/schema/root.ts';
import { readObligations } from '../../../database/requests/obligations.ts';
import type { obligation } from '../../../workflows/obligations.ts';
import { historyOf, recordedHistories, type Recorded } from '../../support/replay.ts';
import { withWorker } from '../../support/worker.ts';
import { jobWorld, MANIFEST, type JobWorld } from '../job/world.ts';
import { erased } from './support.ts';

/** Eight years from each row's own time, so that a row's day can be today. */
function tables(): ManifestInput['tables'] {
  const invoice = MANIFEST.tables!['shop.public.invoice']!;
  const { from: _, ...floor } = invoice.floor!;
  return { ...MANIFEST.tables, 'shop.public.invoice': { ...invoice, floor } };
}

/** An obligation of customer 9, two of whose invoices the law keeps, after `prepare`. */
function discharging(prepare: (world: JobWorld) => Promise<unknown>): Recorded['scenarios'][string] {
  return async () => {
    const world = await jobWorld({ manifest: { tables: tables() } });
    try {
      await world.shop(`insert into invoice values (9000, 9, now() - interval '2 years', 'x')`);
      const request = await erased(world, 9);
      const [found] = await readObligations(world.project.home, { request, open: false, limit: 1 });
      await prepare(world);
      return await withWorker({ manifest: world.project.manifest, env: world.env }, async (client, taskQueue) => {
        const workflowId = `obligation-${randomUUID()}`;
        await client.workflow.start<typeof obligation>('obligation', { taskQueue, workflowId, args: [found!.id] });
        return historyOf(client, workflowId);
      });
    } finally {
      await world.close();
    }
  };
}

/** The day of these invoices comes: by their own time, since stores judge by their own clock. */
const ages = (world: JobWorld, ...ids: number[]) =>
  world.shop(`update invoice set issued_at = now() - interval '9 years' where invoice_id = any ($1)`, [ids]);

recordedHistories({
  workflow: 'obligation',
  canaries: ['canary', 'Canary'],
  swapped: ['eraseObliged', 'closeObligation'],
  scenarios: {
    discharged: discharging((world) => ages(world, 91, 9000)),
    'open-again': discharging((world) => ages(world, 91)),
    'nothing-due': discharging(() => Promise.resolve()),
    held: discharging(async (world) => {
      await ages(world, 91, 9000);
      await world.probity(['hold', 'add', '--subject', 'customer', '--key', '-', '--reason', 'case 12'], { input: '9\n' });
    }),
  },
});
