import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CertificateFile } from '../../../domain/evidence/certificate.ts';
import type { NoticeBody } from '../../../domain/requests/notices.ts';
import { until } from '../../retention/support.ts';
import { startWorkerProcess } from '../keeper/support.ts';
import { ACKNOWLEDGED, approvedErasure, approvePlan, MAILER, startRecipient, type Recipient } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let answer: { readonly status: number; readonly text: string } = ACKNOWLEDGED;
let mailer: Recipient;
let world: JobWorld;
beforeAll(async () => {
  mailer = await startRecipient(() => answer);
  world = await jobWorld({ env: { MAILER_URL: mailer.url }, manifest: { recipients: { mailer: MAILER } } });
});
afterAll(async () => {
  await world.close();
  await mailer.close();
});

const statesOf = async (...ids: readonly string[]): Promise<string[]> =>
  (await world.shop<{ state: string }>(`select state from probity.request where request_id = any ($1) order by request_id`, [ids])).map(
    ({ state }) => state,
  );
const certificatesOf = (id: string) =>
  world.shop(`select from probity.certificate where document -> 'certificate' ->> 'request' = $1`, [id]);
const saidOf = async (id: string, verb: string): Promise<number> =>
  (await world.shop(`select from probity.request_event where request_id = $1 and verb = $2`, [id, verb])).length;
const told = async (id: string): Promise<string[]> => {
  const { certificate } = JSON.parse((await world.probity(['request', 'certificate', id])).out) as CertificateFile;
  return certificate.statements.filter((it) => it.startsWith('recipient '));
};

test('a recipient whose answer dies with the worker hears it again by the same id, and it is certified once', async () => {
  answer = ACKNOWLEDGED;
  const id = await approvedErasure(world, 1);
  const taskQueue = `telling-${randomUUID()}`;
  expect(await startWorkerProcess(world, taskQueue, 'notice after answer:1').ended).toBe('SIGKILL');
  expect(mailer.heard).toHaveLength(1);
  expect(await statesOf(id)).toEqual(['running']);
  expect(await certificatesOf(id)).toEqual([]);

  const other = startWorkerProcess(world, taskQueue);
  try {
    await until('the request is closed', async () => (await statesOf(id))[0] === 'closed');
  } finally {
    await other.stop();
  }
  const [first, second, ...more] = mailer.heard;
  expect(more).toEqual([]);
  expect(second).toEqual(first);
  expect(await certificatesOf(id)).toHaveLength(1);
  expect(await saidOf(id, 'acknowledge')).toBe(1);
  expect(await told(id)).toEqual([expect.stringMatching(/^recipient mailer: told about 1 person and acknowledged at /)]);
}, 120_000);

test('a recipient hears of a whole batch at once, and the certificate of all of them waits for it', async () => {
  answer = { status: 204, text: '' };
  const before = mailer.heard.length;
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id in (2, 3)`);
  const open = ['request', 'open', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--verified-by', 'login', '--evidence', 'S-1'];
  const ids: string[] = [];
  for (const customer of [2, 3]) ids.push(/R-\d+/.exec((await world.probity(open, { input: `${customer}\n` })).out)![0]);
  const shown = (await world.probity(['request', 'plan', ...ids])).out;
  const batch = /B-\d+/.exec(shown)![0];
  await approvePlan(world, batch, shown);
  expect(await world.carryOut(batch)).toMatchObject({ state: 'recipients', serial: null });

  const posts = mailer.heard.slice(before);
  expect(posts).toHaveLength(1);
  const { people } = JSON.parse(posts[0]!.body) as NoticeBody;
  expect(people.flatMap(({ identities }) => identities['email']).toSorted()).toEqual(['Person2@canary.example', 'Person3@canary.example']);
  expect(await statesOf(...ids)).toEqual(['running', 'running']);
  const status = async (id: string): Promise<string> => (await world.probity(['request', 'status', id])).out;
  expect(await status(batch)).toContain('recipients have still to hear of it');
  for (const id of ids) expect(await status(id)).toMatch(new RegExp(`Goes with {3}${batch}.*waits for a person \\(recipients\\)`, 's'));
  for (const id of [batch, ...ids]) expect((await world.probity(['request', 'certificate', id])).code).toBe(3);
  // Who comes back while others are still told is not erased again.
  await world.shop(`insert into page_view values (200000, 2, '/back')`);
  // Until somebody says so, of all of them.
  expect((await world.probity(['request', 'acknowledge', ids[0]!, '--recipient', 'mailer'])).code).toBe(2);
  expect(await world.carryOut(batch)).toMatchObject({ state: 'recipients' });
  expect((await world.probity(['request', 'acknowledge', batch, '--recipient', 'mailer'])).code).toBe(0);
  expect(await world.carryOut(batch)).toMatchObject({ state: 'closed' });
  expect(await world.shop(`select from page_view where customer_id = 2`)).toHaveLength(1);
  expect(mailer.heard).toHaveLength(before + 1);
  expect(await statesOf(...ids)).toEqual(['closed', 'closed']);
  expect(await certificatesOf(batch)).toHaveLength(1);
  for (const id of [batch, ...ids])
    expect(await told(id)).toEqual([expect.stringMatching(/^recipient mailer: told about 2 people and acknowledged at /)]);
}, 60_000);
