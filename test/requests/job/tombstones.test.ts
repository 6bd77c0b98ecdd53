import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSink } from '../../../database/serving/sink.ts';
import { temporaryFolder } from '../../support/folders.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
const folder = join(temporaryFolder('job-sink'), 'later');
const env = { JOB_SINK: join(folder, 'sink.jsonl'), JOB_SINK_KEY: randomBytes(32).toString('base64') };

beforeAll(async () => {
  world = await jobWorld({ manifest: { sink: { file: '${JOB_SINK}', key: '${JOB_SINK_KEY}' } }, env });
});
afterAll(() => world.close());

async function approved(customer: number): Promise<string> {
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = $1`, [customer]);
  const opened = await world.probity(
    [
      ...['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--actor', 'helpdesk'],
      ...['--verified-by', 'login', '--evidence', 'SESSION-1'],
    ],
    { input: `${customer}\n` },
  );
  const id = /R-\d+/.exec(opened.out)![0];
  const planned = await world.probity(['request', 'plan', id]);
  const hash = /--plan ([0-9a-f]{12})/.exec(planned.out)![1]!;
  expect((await world.probity(['request', 'approve', id, '--plan', hash], { token: world.tokens.anna })).code).toBe(0);
  return id;
}

const erased = async (where: 'shop' | 'support', value: string): Promise<unknown> =>
  (await world[where]<{ it: boolean }>(`select probity.is_erased('customer', 'email', $1, '2020-01-01') as it`, [value]))[0]!.it;

test('nothing is certified before the tombstone is in every store and in the sink', async () => {
  const id = await approved(1);
  const carried = world.carryOut(id);
  for (let waited = 0; (await world.shop('select from probity.tombstone')).length === 0; waited++) {
    if (waited > 600) throw new Error('waited in vain for the tombstone');
    await sleep(50);
  }
  await sleep(1_500);
  expect(await world.shop('select from probity.certificate')).toEqual([]);
  mkdirSync(folder);
  expect(await carried).toMatchObject({ state: 'closed' });
  const certificate = (await world.probity(['request', 'certificate', id])).out;
  expect(certificate).toContain('1 person has a tombstone of keyed hashes for P2Y');
  expect(certificate).toContain('the tombstones are in the sink outside the store');
  for (const where of ['shop', 'support'] as const) {
    expect([await erased(where, 'PERSON1@canary.example '), await erased(where, 'person2@canary.example')]).toEqual([true, false]);
  }
  const entries = [];
  for await (const line of openSink({ file: '${JOB_SINK}', key: '${JOB_SINK_KEY}' }, env).read())
    if (line.kind === 'entry') entries.push(line.entry);
  expect(entries.map(({ kind }) => kind)).toEqual(['tombstone_key', 'erasure']);
  expect(entries[1]!.body).toMatchObject({ request_id: id, subject: 'customer', ended: null, request: { kind: 'erasure' } });
  // The number of the customer, its address and number, and the address's hash under which somebody may consent whom nobody knows yet.
  expect((entries[1]!.body['hashes'] as { identity: string }[]).map(({ identity }) => identity).sort()).toEqual([
    'email',
    'key',
    'key',
    'phone',
  ]);
  expect([certificate, JSON.stringify(entries), readFileSync(env.JOB_SINK, 'utf8')].join()).not.toMatch(/canary|5550001/i);
});
