import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decisions, verifyDecision } from '../../../client/decisions.ts';
import { noticesHash, noticesOf } from '../../../client/requests/notices.ts';
import { newsWorkflowId, startNews } from '../../../client/requests/start.ts';
import { readSigningKey } from '../../../client/signing.ts';
import { dueNews } from '../../../database/requests/news.ts';
import { pruneRequests } from '../../../database/requests/prune.ts';
import { withClient, withWorker } from '../../support/worker.ts';
import { ACKNOWLEDGED, MAILER, startRecipient, type Recipient } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let mailer: Recipient;
let world: JobWorld;
beforeAll(async () => {
  mailer = await startRecipient(() => ACKNOWLEDGED);
  world = await jobWorld({
    env: { MAILER_URL: mailer.url },
    manifest: {
      recipients: {
        mailer: MAILER,
        agency: { role: 'controller', receives: ['customer.*'], notify: { task: 'dpo' } },
        // Receives nothing.
        printer: { role: 'processor', receives: [], notify: { task: 'dpo' } },
      },
    },
  });
});
afterAll(async () => {
  await world.close();
  await mailer.close();
});

interface Heard {
  readonly kind: string;
  readonly people: readonly { readonly subject: string; readonly identities: Readonly<Record<string, readonly string[]>> }[];
}
const heard = (): Heard[] => mailer.heard.map(({ body }) => JSON.parse(body) as Heard);
const due = () => dueNews(world.project.home, { limit: 100 });
const said = async (...args: readonly string[]): Promise<string> => (await world.probity(['request', ...args])).out;
const keysLeft = () => world.shop(`select k.run_id from probity.run_key k union all select p.run_id from probity.run_person p`);

/** As the sweeper does it. */
async function told(): Promise<void> {
  await withWorker({ manifest: world.project.manifest, env: world.env }, async (client, taskQueue) => {
    for (const { request } of await due()) {
      await startNews(client, request, taskQueue);
      await client.workflow.getHandle(newsWorkflowId(request)).result();
    }
  });
}

test('recipients hear of a restriction once it is in force, and of its end', async () => {
  const id = /R-\d+/.exec(
    (await world.probity(['request', 'open', '--kind', 'restriction', '--subject', 'customer'], { input: '1\n' })).out,
  )![0];
  expect(await due()).toEqual([]);
  await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
  expect(await due()).toEqual([{ request: id, news: 'restriction' }]);
  await told();
  expect(await due()).toEqual([]);
  expect(heard()).toMatchObject([{ kind: 'restriction', people: [{ identities: { email: ['Person1@canary.example'] } }] }]);
  expect(JSON.stringify(heard())).not.toMatch(/"key"|phone/);
  expect(await said('status', id)).toContain('Told        agency (restriction) task open · mailer (restriction) acknowledged');
  expect(await said('recipients', id)).toContain('restriction');
  expect((await keysLeft()).length).toBeGreaterThan(0);
  expect((await world.probity(['request', 'told', id, '--recipient', 'agency'])).code).toBe(0);
  expect(await keysLeft()).toEqual([]);
  // Told to the person, it is closed and stays in force.
  expect((await world.probity(['request', 'reply', id, '--sent'])).code).toBe(0);
  expect(await due()).toEqual([]);

  await world.probity(['consent', 'record', '--subject', 'customer', '--decision', 'restriction_lifted'], { input: '1\n' });
  expect(await due()).toEqual([{ request: id, news: 'restriction_lifted' }]);
  await told();
  expect(heard().map(({ kind }) => kind)).toEqual(['restriction', 'restriction_lifted']);
  expect((await world.probity(['request', 'told', id, '--recipient', 'agency'])).code).toBe(0);
  expect(await said('status', id)).toContain('mailer (restriction lifted) acknowledged');
  expect(await keysLeft()).toEqual([]);
  expect(await due()).toEqual([]);

  const history = await withClient((client) => client.workflow.getHandle(newsWorkflowId(id)).fetchHistory());
  const text = JSON.stringify(history, (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString() : value));
  expect(text).toContain(id);
  expect(text).not.toMatch(/canary/i);
}, 60_000);

test('recipients hear of a rectification once it is answered, and of one that was refused never', async () => {
  const before = heard().length;
  const open = ['request', 'open', '--kind', 'rectification', '--subject', 'customer', '--verified-by', 'login', '--evidence', 'S-1'];
  const ids = [];
  for (const customer of [2, 3]) ids.push(/R-\d+/.exec((await world.probity(open, { input: `${customer}\n` })).out)![0]);
  expect(await due()).toEqual([]);
  await world.probity(['request', 'reply', ids[0]!, '--sent']);
  await world.probity(['request', 'refuse', ids[1]!, '--article', '12(5)-unfounded']);
  expect(await due()).toEqual([{ request: ids[0], news: 'rectification' }]);
  await told();
  await told();
  expect(heard().slice(before)).toMatchObject([{ kind: 'rectification', people: [{ identities: { email: ['Person2@canary.example'] } }] }]);
  expect(await said('status', ids[0]!)).toContain('agency (rectification) task open');
  expect(await said('status', ids[0]!)).not.toContain('certificate');
  expect((await keysLeft()).length).toBeGreaterThan(0);
  await world.probity(['request', 'told', ids[0]!, '--recipient', 'agency']);
  expect(await keysLeft()).toEqual([]);
}, 60_000);

test('a recipient of a restriction is given up by whoever may decide, signed over what it was to be told', async () => {
  const opened = await world.probity(['request', 'open', '--kind', 'restriction', '--subject', 'customer'], { input: '6\n' });
  const id = /R-\d+/.exec(opened.out)![0];
  await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
  await told();
  const giveUp = ['request', 'give-up', id, '--recipient', 'agency', '--reason', 'unreachable'];
  expect(await world.probity(giveUp)).toMatchObject({ code: 2 });
  const open = (await noticesOf(world.project, id)).filter((it) => it.recipient === 'agency');
  expect((await world.probity(giveUp, { token: world.tokens.anna })).code).toBe(0);
  expect((await noticesOf(world.project, id)).map((it) => [it.recipient, it.state])).toEqual([
    ['agency', 'given_up'],
    ['mailer', 'acknowledged'],
  ]);
  const [decision] = await decisions(world.project, id);
  expect(decision!.statement).toMatchObject({ decision: 'give_up', about: 'agency', plan: noticesHash(open), reason: 'unreachable' });
  expect(verifyDecision(decision!, createPublicKey(readSigningKey(world.env)))).toBe(true);
  expect(await keysLeft()).toEqual([]);
});

test('a manifest that only observes tells nobody', async () => {
  const id = /R-\d+/.exec(
    (await world.probity(['request', 'open', '--kind', 'restriction', '--subject', 'customer'], { input: '4\n' })).out,
  )![0];
  await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
  const before = heard().length;
  await world.shop(`update probity.manifest_version set canonical = jsonb_set(canonical, '{mode}', '"observe"')
    where version = (select max(version) from probity.manifest_version)`); // prettier-ignore
  await told();
  expect(heard().length).toBe(before);
  expect(await due()).toEqual([{ request: id, news: 'restriction' }]);
}, 60_000);

test('whoever was never told of goes with the request', async () => {
  const open = ['request', 'open', '--kind', 'rectification', '--subject', 'customer', '--verified-by', 'login', '--evidence', 'S-1'];
  const id = /R-\d+/.exec((await world.probity(open, { input: '5\n' })).out)![0];
  await world.probity(['request', 'reply', id, '--sent']);
  await world.shop(`update probity.manifest_version set canonical = jsonb_set(canonical, '{mode}', '"enforce"')`);
  await told();
  expect((await keysLeft()).map((row) => (row as { run_id: string }).run_id)).toContain(`rectification-${id}`);
  await world.shop(`update probity.request set closed_at = closed_at - interval '4 years' where request_id = $1`, [id]);
  expect(await pruneRequests(world.project.home, world.project.manifest, new Date(), 10)).toBe(1);
  expect((await keysLeft()).map((row) => (row as { run_id: string }).run_id)).not.toContain(`rectification-${id}`);
}, 60_000);
