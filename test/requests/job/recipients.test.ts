import { createPublicKey, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { noticePeople, verifyNotice, type NoticePerson } from '../../../client/requests/notices.ts';
import { startRequest } from '../../../client/requests/start.ts';
import { peopleOf } from '../../../database/requests/notice-people.ts';
import { openNotices, readPages } from '../../../database/requests/notices.ts';
import { dispatchOutbox, forgottenRequests } from '../../../database/serving/outbox.ts';
import type { NoticeBody } from '../../../domain/requests/notices.ts';
import { temporalAddress, temporalNamespace } from '../../support/temporal.ts';
import { withClient, withWorker } from '../../support/worker.ts';
import { jobWorld, type JobWorld, type Ran } from './world.ts';

interface Heard {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly at: Date;
}

const CRM = `crm-${randomBytes(4).toString('hex')}`;
const SECRET_PATH = 'hook-secret-4711';
const heard: Record<string, Heard[]> = { mailer: [], ads: [] };
const asked: NoticePerson[] = [];
let server: Server;
let world: JobWorld;

/** The mailer's first answer is lost on the way; after the ads' first one the home store loses what we would record. */
async function answer(name: string, seen: number): Promise<'lost' | { status: number; text: string }> {
  if (seen > 1) await world.shop(`drop function if exists probity.lose() cascade`);
  if (name === 'mailer') return seen === 1 ? 'lost' : { status: 200, text: '{"acknowledged": true, "by": "canary"}' };
  if (seen === 1)
    await world.shop(`
      create function probity.lose() returns trigger language plpgsql as $$ begin raise 'lost' using errcode = '40001'; end $$;
      create trigger lose before update on probity.notice_page for each row execute function probity.lose()`);
  return { status: 204, text: '' };
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const name = /^\/hook-secret-4711\/(\w+)$/.exec(request.url ?? '')?.[1] ?? '';
      heard[name]!.push({ headers: request.headers, body: Buffer.concat(parts).toString('utf8'), at: new Date() });
      void answer(name, heard[name]!.length).then((told) =>
        told === 'lost' ? request.socket.destroy() : response.writeHead(told.status).end(told.text),
      );
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const notify = { role: 'processor' as const };
  world = await jobWorld({
    env: {
      MAILER_URL: `http://127.0.0.1:${port}/${SECRET_PATH}/mailer`,
      ADS_URL: `http://127.0.0.1:${port}/${SECRET_PATH}/ads`,
    },
    manifest: {
      recipients: {
        mailer: { ...notify, receives: ['customer.email'], notify: { webhook: '${MAILER_URL}' } },
        ads: { ...notify, receives: ['customer.phone'], notify: { webhook: '${ADS_URL}' } },
        crm: { ...notify, receives: ['customer.*'], notify: { activity: 'eraseInCrm', taskQueue: CRM } },
        agency: { role: 'controller', receives: ['customer.email'], notify: { task: 'dpo' } },
        library: { ...notify, receives: ['shop.public.memo.body'], notify: { task: 'dpo' } },
      },
    },
  });
});
afterAll(async () => {
  await world.close();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

/** The machine may be busy; a webhook is tried again after ten seconds. */
const LIMIT_MS = 60_000;

/** Until it is so. */
async function until(done: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + LIMIT_MS; !(await done()); await sleep(200)) if (Date.now() > end) throw new Error('it took too long');
}

/** With a worker of ours and its loops, and one of the CRM team's on its own queue. */
async function working(id: string, act: () => Promise<void>): Promise<void> {
  const { project, env } = world;
  await withCrm(() =>
    withWorker({ manifest: project.manifest, env }, async (client, taskQueue) => {
      const stop = new AbortController();
      const dispatching = (async () => {
        while (!stop.signal.aborted) {
          await dispatchOutbox(project.home, (found) =>
            found.request === id ? startRequest(client, found, taskQueue) : Promise.resolve(),
          );
          await sleep(200);
        }
      })();
      try {
        await act();
      } finally {
        stop.abort();
        await dispatching;
      }
    }),
  );
}

/** The CRM team's own worker, on its own queue. */
async function withCrm(act: () => Promise<void>): Promise<void> {
  const connection = await NativeConnection.connect({ address: temporalAddress() });
  const worker = await Worker.create({
    connection,
    namespace: temporalNamespace(),
    taskQueue: CRM,
    activities: {
      eraseInCrm: async ({ notice }: { readonly notice: string }) => {
        asked.push(...(await noticePeople(world.project, notice)).people);
      },
    },
  });
  try {
    await worker.runUntil(act);
  } finally {
    await connection.close();
  }
}

const stateOf = async (id: string, recipient: string): Promise<string | undefined> =>
  (await world.shop<{ state: string }>(`select state from probity.notice where request_id = $1 and recipient = $2`, [id, recipient]))[0]
    ?.state;
const isClosed = async (id: string): Promise<boolean> =>
  (await world.shop(`select from probity.request where request_id = $1 and closed_at is not null`, [id])).length > 0;

/** Whether no workflow of the request runs, so that the worker may go. */
const rests = (id: string): Promise<boolean> =>
  withClient(async (client) => {
    const all = await Promise.all(['request', 'notices'].map((kind) => client.workflow.getHandle(`${kind}-${id}`).describe()));
    return all.every(({ status }) => status.name !== 'RUNNING');
  });

async function approved(customer: number): Promise<string> {
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = $1`, [customer]);
  const open = ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--actor', 'helpdesk'];
  const { out } = await world.probity([...open, '--verified-by', 'login', '--evidence', 'SESSION-1'], { input: `${customer}\n` });
  const id = /R-\d+/.exec(out)![0];
  const plan = /--plan ([0-9a-f]{12})/.exec((await world.probity(['request', 'plan', id])).out)![1]!;
  expect((await world.probity(['request', 'approve', id, '--plan', plan], { token: world.tokens.anna })).code).toBe(0);
  return id;
}

async function temporalTexts(id: string): Promise<string> {
  return withClient(async (client) => {
    const histories = ['request', 'notices'].map((kind) => client.workflow.getHandle(`${kind}-${id}`).fetchHistory());
    return JSON.stringify(await Promise.all(histories), (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    );
  });
}

test('recipients are told, again where an answer or its record was lost; the certificate waits for all of them', async () => {
  const id = await approved(1);
  await working(id, async () => {
    await until(async () => (await stateOf(id, 'mailer')) === 'acknowledged' && (await stateOf(id, 'ads')) === 'sent');
    await until(async () => (await stateOf(id, 'crm')) === 'acknowledged');
    await until(() => rests(id));
  });

  // Twice each: the same id and the same bytes, so that a receiver knows the second for a repetition.
  const publicKey = createPublicKey(world.env['PROBITY_SIGNING_KEY']!);
  for (const name of ['mailer', 'ads']) {
    const [first, second, ...more] = heard[name]!;
    expect(more).toEqual([]);
    expect(second!.headers['probity-notice']).toBe(first!.headers['probity-notice']);
    expect(second!.body).toBe(first!.body);
    for (const { body, headers, at } of [first!, second!]) {
      expect(verifyNotice(body, String(headers['probity-signature']), publicKey, { now: at })).toBe(true);
      expect(body).not.toContain(id);
    }
  }
  // Each by what it receives, and by nothing else.
  const bodyOf = (name: string): NoticeBody => JSON.parse(heard[name]![0]!.body) as NoticeBody;
  expect(bodyOf('mailer')).toMatchObject({ organisation: 'Job', kind: 'erasure', page: 1, pages: 1 });
  expect(bodyOf('mailer').people).toEqual([{ subject: 'customer', identities: { email: ['Person1@canary.example'] } }]);
  expect(bodyOf('ads').people).toEqual([{ subject: 'customer', identities: { phone: ['+49 170 5550001'] } }]);
  expect(asked).toEqual([
    { subject: 'customer', identities: { email: ['Person1@canary.example'], key: ['1'], phone: ['+49 170 5550001'] } },
  ]);
  expect(await stateOf(id, 'crm')).toBe('acknowledged');
  expect(await stateOf(id, 'library')).toBeUndefined();
  const looks = await world.shop<{ actor: string }>(`select actor from probity.vault_look where request_id = $1`, [id]);
  expect(looks).toContainEqual({ actor: 'service' });

  // Silence is visible, and so is what a person must do; there is no certificate before.
  await world.shop(`update probity.notice set opened_at = now() - interval '6 days 1 hour' where recipient = 'ads'`);
  const status = await world.probity(['request', 'status', id]);
  expect(status.out).toContain('Told        ads SILENT 6 days · agency task open · crm acknowledged · mailer acknowledged');
  expect(status.out).toContain('recipients have still to hear of it');
  expect((await world.probity(['request', 'list'])).out).toContain(`${id} agency task open`);
  expect(await world.probity(['request', 'recipients', id])).toMatchObject({ code: 3 });
  expect((await world.probity(['request', 'certificate', id])).code).toBe(3);

  // A person says so; that nobody is told takes a token, and is signed.
  expect((await world.probity(['request', 'told', id, '--recipient', 'mailer'])).code).toBe(2);
  expect((await world.probity(['request', 'told', id, '--recipient', 'agency', '--actor', 'dora'])).code).toBe(0);
  const giveUp = (reason: string, token?: string): Promise<Ran> =>
    world.probity(['request', 'give-up', id, '--recipient', 'ads', '--reason', reason], token === undefined ? {} : { token });
  expect((await giveUp('unreachable')).code).toBe(2);
  expect((await giveUp('tiresome', world.tokens.anna)).code).toBe(2);
  expect(await stateOf(id, 'ads')).toBe('sent');
  expect((await giveUp('unreachable', world.tokens.anna)).code).toBe(0);

  // The word that all are settled was lost: whoever sweeps finds it.
  await world.shop(`delete from probity.outbox where request_id = $1`, [id]);
  await world.shop(`update probity.request set received_at = received_at - interval '1 hour' where request_id = $1`, [id]);
  await world.shop(`update probity.request_start set started_at = started_at - interval '1 hour' where request_id = $1`, [id]);
  const forgotten = await forgottenRequests(world.project.home, '', 100);
  expect(forgotten.map(({ request }) => request)).toContain(id);
  await world.shop(`insert into probity.outbox (request_id) values ($1)`, [id]);
  await working(id, () => until(() => isClosed(id)));

  const file = join(world.folder, `${id}.json`);
  expect((await world.probity(['request', 'certificate', id, '--out', file])).code).toBe(0);
  expect((await world.probity(['evidence', 'verify', file])).code).toBe(0);
  const { out } = await world.probity(['request', 'certificate', id]);
  const { certificate } = JSON.parse(out) as { certificate: { statements: string[] } };
  const told = certificate.statements.filter((it) => it.startsWith('recipient '));
  expect(told).toEqual([
    expect.stringMatching(/^recipient ads: not told about 1 person, since that is unreachable \(Art\. 19\), as anna decided at /),
    expect.stringMatching(/^recipient agency: told about 1 person by dora at .*, as they say$/),
    expect.stringMatching(/^recipient crm: told about 1 person and acknowledged at /),
    expect.stringMatching(/^recipient mailer: told about 1 person and acknowledged at /),
  ]);

  // Nobody and no address stands where people may read.
  const rows = await world.shop(`
    select n::text as text from probity.notice n union all select e::text from probity.request_event e union all select d::text from probity.request_decision d`);
  for (const text of [out, JSON.stringify(rows), status.out, await temporalTexts(id)]) {
    expect(text).not.toMatch(/canary|5550001/i);
    expect(text).not.toContain(SECRET_PATH);
  }
  expect(await temporalTexts(id)).toContain(CRM);
}, 120_000);

test('a give-up of somebody who was revoked counts no more: the recipient is to be told all the same', async () => {
  const id = await approved(2);
  await world.shop(`drop function if exists probity.lose() cascade`);
  const give = ['request', 'give-up', id, '--recipient', 'agency', '--reason', 'disproportionate'];
  await working(id, async () => {
    await until(async () => (await stateOf(id, 'mailer')) === 'acknowledged' && (await stateOf(id, 'ads')) === 'sent');
    expect((await world.probity(give, { token: world.tokens.ben })).code).toBe(0);
    expect(await stateOf(id, 'agency')).toBe('given_up');
    await world.shop(`update probity.actor set revoked_at = now() where actor = 'ben'`);
    await until(async () => (await stateOf(id, 'crm')) === 'acknowledged');
    await until(() => rests(id));
    expect((await world.probity(['request', 'acknowledge', id, '--recipient', 'ads'])).code).toBe(0);
    await until(async () => (await stateOf(id, 'agency')) === 'open');
    expect(await isClosed(id)).toBe(false);
    await until(() => rests(id));
    expect((await world.probity(['request', 'told', id, '--recipient', 'agency'])).code).toBe(0);
    await until(() => isClosed(id));
  });
}, 120_000);

test('many people go in pages, each of them once, and whoever the recipient never knew in none', async () => {
  const run = `pages-${randomBytes(4).toString('hex')}`;
  await world.shop(
    `insert into probity.run_key (run_id, chunk, person, subject, identity, parts, class)
     select $1, i / 100, i, 'customer', 'key', array[i::text], i % 3 from generate_series(1, 2400) i
     union all select $1, i / 100, i, 'customer', 'email', array['p' || i || '@canary.example'], i % 3 from generate_series(1, 2400) i where i % 5 <> 0`,
    [run],
  );
  const { home } = world.project;
  const told = [{ recipient: 'mailer', way: 'webhook', classes: [0, 1], identities: ['customer.email'] }] as const;
  const open = () =>
    openNotices(home, { request: `B-${run}`, run, news: 'erasure', told, policy: { patienceDays: 20, silentAfterDays: 2 } });
  const [notice] = await open();
  expect(await open()).toEqual([notice]);
  expect(notice).toMatchObject({ people: 1280, pages: 3, state: 'open', patienceDays: 20, silentAfterDays: 2 });
  const pages = await readPages(home, notice!.id);
  expect(new Set(pages.map(({ id }) => id)).size).toBe(3);
  const people = (await Promise.all(pages.map((page) => peopleOf(home, notice!, page)))).map((some) =>
    some.flatMap((it) => it.identities['email']),
  );
  expect(people.map((some) => some.length)).toEqual([500, 500, 280]);
  expect(new Set(people.flat()).size).toBe(1280);
  await world.shop(`delete from probity.run_key where run_id = $1`, [run]);
  await world.shop(`delete from probity.notice where run_id = $1`, [run]);
});
