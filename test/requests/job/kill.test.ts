import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRequest } from '../../../client/requests/start.ts';
import { dispatchOutbox } from '../../../database/serving/outbox.ts';
import type { erasure } from '../../../workflows/erasures.ts';
import { withClient, withWorker } from '../../support/worker.ts';
import { startWorkerProcess } from '../keeper/support.ts';
import { approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

/**
 * A death is noticed by a missing heartbeat, some 15 seconds later: so points that differ for what is committed, and all at the same time. A world
 * each for those inside a step, behind which its tables stay leased.
 */
const IN_STEPS = ['after change:1', 'before commit:1', 'after commit:1'];
/** One world for all of these. Of eight parts of two searches, of which two are read at a time; and of two stores whose keys are removed. */
const BEHIND_STEPS = [
  'scan after range:3',
  'finish before certificate:1',
  'finish after certificate:1',
  'finish after removal:1',
  'finish before close:1',
];
const LIMIT_MS = 240_000;

let undisturbed: unknown;
let worlds: readonly JobWorld[] = [];
beforeAll(async () => {
  worlds = await Promise.all([...IN_STEPS, 'behind'].map(() => jobWorld()));
  const [world] = worlds;
  const id = await approvedErasure(world!, 20);
  await world!.carryOut(id);
  undisturbed = await left(world!, 20, id);
}, LIMIT_MS);
afterAll(async () => {
  for (const world of worlds) await world.close();
});

/** What is left of a customer and of their request, and what was certified, with nothing in it that differs from one to the next. */
async function left(world: JobWorld, customer: number, id: string): Promise<unknown> {
  const counts = [
    await world.shop(`select count(*)::int as n from purchase where customer_id = $1`, [customer]),
    await world.shop(`select count(*)::int as n from page_view where customer_id = $1`, [customer]),
    await world.shop(`select count(*)::int as n from invoice where customer_id = $1`, [customer]),
    await world.shop(`select payload -> 'contact' as contact from event where event_id = $1`, [customer]),
    await world.shop(`select count(*)::int as n from customer where customer_id = $1 and email ilike '%canary%'`, [customer]),
    await world.support(`select count(*)::int as n from ticket where ticket_id = $1`, [customer]),
  ];
  const of = (table: string): string => `select count(*)::int as n from probity.${table}`;
  const certificates = await world.shop<{ run: string }>(
    `select c.run_id as run from probity.certificate c where c.document -> 'certificate' ->> 'request' = $1`,
    [id],
  );
  const run = certificates[0]?.run;
  const working = ['run_key', 'run_search', 'run_scan', 'run_word', 'run_hit', 'run_person'].map(
    (table) => `${of(table)} where run_id = $1`,
  );
  const told = [
    await world.shop(working.join(' union all '), [run]),
    await world.support(working.slice(0, 4).join(' union all '), [run]),
    await world.shop(`${of('obligation')} where request_id = $1`, [id]),
    await world.shop(`${of('tombstone')} where request_id = $1`, [id]),
    await world.shop(`select e.verb, e.state, e.code from probity.request_event e where e.request_id = $1 order by e.event_id`, [id]),
  ];
  const { certificate } = JSON.parse((await world.probity(['request', 'certificate', id])).out) as {
    certificate: { outcome: string; tables: readonly { cutOff: unknown }[]; statements: readonly string[] };
  };
  return {
    counts,
    certificates: certificates.length,
    told,
    outcome: certificate.outcome,
    tables: certificate.tables.map(({ cutOff: _cutOff, ...table }) => table),
    statements: certificate.statements.map((it) => it.replace(/\d+:\d+:[\d,]*/, '').replace(/until \S+/, '')),
  };
}

/** Approves the erasure of a customer for each fault and has it begun, on a queue of its own; gives their numbers. */
async function begun(world: JobWorld, faults: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [index] of faults.entries()) ids.push(await approvedErasure(world, 21 + index));
  await withClient((client) => dispatchOutbox(world.project.home, (found) => startRequest(client, found, `kill-${found.request}`)));
  return ids;
}

/** A worker process dies at `fault`, another worker follows it. */
async function killed(world: JobWorld, id: string, fault: string): Promise<void> {
  const taskQueue = `kill-${id}`;
  expect(await startWorkerProcess(world, taskQueue, fault).ended, `the worker reaches "${fault}"`).toBe('SIGKILL');
  const follows = { manifest: world.project.manifest, env: world.env };
  const result = await withWorker(follows, (client) => client.workflow.getHandle<typeof erasure>(`request-${id}`).result(), { taskQueue });
  expect(result, fault).toMatchObject({ state: 'closed' });
}

test('nothing is left, and it is certified once', () => {
  expect(undisturbed).toMatchObject({
    counts: [[{ n: 0 }], [{ n: 0 }], [{ n: 1 }], [{ contact: {} }], [{ n: 0 }], [{ n: 0 }]],
    certificates: 1,
  });
});

test(
  'a worker that is killed with -9 inside or behind the transaction of a step, in the search or while it certifies, changes nothing but time',
  async () => {
    const dying = worlds.flatMap((world, index) => {
      const faults = index < IN_STEPS.length ? [IN_STEPS[index]!] : BEHIND_STEPS;
      const ids = begun(world, faults);
      return faults.map(async (fault, nth) => {
        const id = (await ids)[nth]!;
        await killed(world, id, fault);
        expect(await left(world, 21 + nth, id), fault).toEqual(undisturbed);
      });
    });
    const ended = await Promise.allSettled(dying);
    expect(ended.flatMap((it) => (it.status === 'rejected' ? [it.reason as unknown] : []))).toEqual([]);
  },
  LIMIT_MS,
);
