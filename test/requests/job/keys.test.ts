import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestWorkflowId, startRequest } from '../../../client/requests/start.ts';
import { dispatchOutbox } from '../../../database/serving/outbox.ts';
import { until } from '../../retention/support.ts';
import { withWorker } from '../../support/worker.ts';
import { approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

const OTHERS: readonly (readonly [name: string, env: () => Record<string, string>, said: string, customer: number])[] = [
  [
    'signing',
    () => ({ PROBITY_SIGNING_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }),
    'another signing key',
    1,
  ],
  ['master', () => ({ PROBITY_MASTER_KEY: randomBytes(32).toString('base64') }), 'another master key', 2],
];

const PURCHASES = 'select from purchase where customer_id = $1';

test.each(OTHERS)(
  'a worker with another %s key says so at once and changes nothing; one with the right key goes on',
  async (name, other, said, customer) => {
    const { manifest } = world.project;
    const taskQueue = `keys-${randomBytes(4).toString('hex')}`;
    const id = await approvedErasure(world, customer);
    const logged: string[] = [];
    const statusOf = async (): Promise<string> => (await world.probity(['request', 'status', id])).out;
    await withWorker(
      { manifest, env: { ...world.env, ...other() } },
      async (client) => {
        await dispatchOutbox(world.project.home, (found) =>
          found.request === id ? startRequest(client, found, taskQueue) : Promise.resolve(),
        );
        await until('the status says it', async () => (await statusOf()).includes(said), 60_000);
      },
      { taskQueue, log: (message, attributes) => logged.push(`${message} ${JSON.stringify(attributes)}`) },
    );
    expect(logged.join('\n')).toContain(`${name} key is another than the one that ${id}`);
    const status = await statusOf();
    expect(status).toContain('NOT DONE');
    expect(status).toContain(`give every worker the same PROBITY_${name.toUpperCase()}_KEY`);
    // Said once, however often it was tried.
    expect(status.match(/waits for a person/g)).toHaveLength(1);
    expect(await world.shop(PURCHASES, [customer])).toHaveLength(3);

    await withWorker(
      { manifest, env: world.env },
      async (client) =>
        expect(await client.workflow.getHandle(requestWorkflowId(id)).result()).toMatchObject({
          state: 'closed',
          serial: expect.any(Number) as number,
        }),
      { taskQueue },
    );
    expect(await world.shop(PURCHASES, [customer])).toEqual([]);
    expect(await statusOf()).not.toContain('NOT DONE');
  },
);
