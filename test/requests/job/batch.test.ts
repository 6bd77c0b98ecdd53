import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateFile } from '../../../domain/evidence/certificate.ts';
import { membersHash, type ErasurePlan } from '../../../domain/requests/plan.ts';
import { forgottenRequests } from '../../../database/serving/outbox.ts';
import { planMembers } from '../../../database/requests/batches.ts';
import { jobWorld, type JobWorld, type Ran } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

const numbersIn = (text: string): string[] => [...text.matchAll(/^R-\d+/gm)].map(([id]) => id);
const hashIn = (text: string): string => /--plan ([0-9a-f]{12})/.exec(text)![1]!;
const batchIn = (text: string): string => /B-\d+/.exec(text)![0];

async function erasure(customer: number, actor = 'helpdesk'): Promise<string> {
  const open = ['request', 'open', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--actor', actor];
  const ran = await world.probity([...open, '--verified-by', 'login', '--evidence', 'SESSION-1'], { input: `${customer}\n` });
  expect(ran).toMatchObject({ code: 0 });
  return numbersIn(ran.out)[0]!;
}

/** In force in both stores, as the replicators would have it. */
async function withdrawal(customer: number): Promise<string> {
  const ran = await world.probity(['request', 'open', '--kind', 'withdrawal', '--purpose', 'newsletter'], { input: `${customer}\n` });
  expect(ran).toMatchObject({ code: 0 });
  const id = numbersIn(ran.out)[0]!;
  await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
  await world.shop(`delete from probity.outbox where request_id = $1`, [id]);
  return id;
}

const plan = (...ids: readonly string[]): Promise<Ran> => world.probity(['request', 'plan', ...ids]);
const approve = (id: string, hash: string, token = world.tokens.anna): Promise<Ran> =>
  world.probity(['request', 'approve', id, '--plan', hash], { token });
const close = (...customers: readonly number[]) =>
  world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = any ($1)`, [customers]);
const states = async (...ids: readonly string[]): Promise<string[]> =>
  (await world.shop<{ state: string }>(`select state from probity.request where request_id = any ($1) order by request_id`, [ids])).map(
    ({ state }) => state,
  );
const shownPlan = async (id: string): Promise<ErasurePlan> =>
  (
    await world.shop<{ body: ErasurePlan }>(
      `select p.body from probity.request_plan b join probity.plan p on p.hash = b.plan_hash where b.request_id = $1 order by b.plan_number desc limit 1`,
      [id],
    )
  )[0]!.body;

/** What is left of customers, by table. */
async function leftOf(customers: readonly number[]): Promise<Record<string, number>> {
  const count = async (text: string, query: typeof world.shop): Promise<number> =>
    (await query<{ n: number }>(`select count(*)::int as n from ${text}`, [customers]))[0]!.n;
  return {
    customer: await count(`customer where customer_id = any ($1)`, world.shop),
    purchase: await count(`purchase where customer_id = any ($1)`, world.shop),
    page_view: await count(`page_view where customer_id = any ($1)`, world.shop),
    ticket: await count(`ticket where ticket_id = any ($1)`, world.support),
  };
}

describe('a batch', () => {
  test('of several kinds and classes goes over both stores to one certificate, and touches nobody else', async () => {
    await close(1, 2);
    // Three wholes: two without a contract, one with; and a withdrawal, which ends one purpose alone.
    const ids = [await erasure(1), await erasure(2), await erasure(3), await withdrawal(4)];
    const others = await leftOf([5, 6, 7, 8, 9, 10]);
    const planned = await plan(...ids);
    expect(planned.code).toBe(3);
    expect(planned.out).toContain('4 people: 3 erasure, 1 withdrawal');
    expect(planned.out).not.toMatch(/canary/i);
    const id = batchIn(planned.out);
    const body = await shownPlan(id);
    expect(body).toMatchObject({ request: id, people: 4, members: membersHash(ids) });
    expect(body.classes.map(({ people }) => people).toSorted()).toEqual([1, 1, 2]);
    expect(await planMembers(world.project.home.db, id)).toEqual(ids.toSorted());
    expect((await world.probity(['request', 'status', ids[0]!])).out).toContain(`Goes with   ${id}`);
    expect(await approve(ids[0]!, hashIn(planned.out))).toMatchObject({
      code: 2,
      err: expect.stringContaining(`goes with ${id}`) as string,
    });
    expect(await approve(id, hashIn(planned.out))).toMatchObject({ code: 0 });
    expect(await states(...ids)).toEqual(['approved', 'approved', 'approved', 'approved']);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });

    expect(await states(...ids)).toEqual(['closed', 'closed', 'closed', 'closed']);
    expect(await leftOf([1, 2])).toEqual({ customer: 2, purchase: 0, page_view: 0, ticket: 0 });
    expect(await leftOf([3])).toEqual({ customer: 1, purchase: 3, page_view: 0, ticket: 1 });
    expect(await leftOf([4])).toEqual({ customer: 1, purchase: 3, page_view: 0, ticket: 1 });
    expect(await leftOf([5, 6, 7, 8, 9, 10])).toEqual(others);
    expect(await world.shop(`select * from probity.run_key union all select * from probity.run_key where false`)).toEqual([]);
    expect(await world.shop(`select * from probity.run_person`)).toEqual([]);
    expect(await world.support(`select * from probity.run_key`)).toEqual([]);

    const { out } = await world.probity(['request', 'certificate', ids[3]!]);
    const { certificate } = JSON.parse(out) as CertificateFile;
    expect(certificate).toMatchObject({ request: id, approvedBy: 'anna' });
    expect(certificate.tables.find(({ table }) => table === 'shop.public.page_view')).toMatchObject({ planned: 20, erased: 20, failed: 0 });
    expect(certificate.statements.join('\n')).toContain(`about 4 requests, of which the numbers have the SHA-256 ${membersHash(ids)}`);
    expect(JSON.stringify(certificate)).not.toMatch(/canary/i);
    expect(JSON.stringify(await world.history(id))).not.toMatch(/canary/i);
    const status = await world.probity(['request', 'status', id]);
    expect(status.out).toMatch(/4 requests \(3 erasure, 1 withdrawal\) · closed/);
  });

  test('with somebody under a hold changes nothing of theirs and everything of the others, and ends when the hold does', async () => {
    await close(11, 12);
    const ids = [await erasure(11), await erasure(12)];
    const hold = ['hold', 'add', '--subject', 'customer', '--reason', 'case 7'];
    const held = /H-[0-9A-Za-z]+/.exec((await world.probity(hold, { input: '12\n' })).out)![0];
    const before = await leftOf([12]);
    const planned = await plan(...ids);
    expect(planned.out).toContain('1 person under a legal hold');
    const id = batchIn(planned.out);
    await approve(id, hashIn(planned.out));
    expect(await world.carryOut(id)).toMatchObject({ state: 'held', serial: null });
    expect(await leftOf([11])).toMatchObject({ purchase: 0, ticket: 0 });
    expect(await leftOf([12])).toEqual(before);
    expect(await states(...ids)).toEqual(['running', 'running']);
    expect((await world.probity(['request', 'status', id])).out).toContain('under a legal hold');
    expect((await world.probity(['hold', 'release', held, '--reason', 'closed'])).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(await leftOf([12])).toMatchObject({ purchase: 0, ticket: 0 });
  });

  test('in which what the law keeps of one names another waits for a person; their own names there are what it keeps', async () => {
    await close(21, 22);
    const say = `update invoice set address = $2 where invoice_id = $1`;
    await world.shop(say, [211, 'paid for person22@canary.example']);
    await world.shop(say, [221, 'person22@canary.example']);
    const ids = [await erasure(21), await erasure(22)];
    const planned = await plan(...ids);
    const id = batchIn(planned.out);
    await approve(id, hashIn(planned.out));
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits', serial: null });
    const found = await world.probity(['request', 'found', id, '--json']);
    expect(found.code).toBe(1);
    expect(JSON.parse(found.out)).toMatchObject([{ table: 'public.invoice', column: 'address', identity: 'email', rows: 1 }]);
    await world.shop(say, [211, 'none']);
    await world.probity(['request', 'found', id, '--again']);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    const { certificate } = JSON.parse((await world.probity(['request', 'certificate', id])).out) as CertificateFile;
    expect(certificate.outcome).toBe('complete with obligations');
  });

  test('that somebody has left is not approved, nor carried out; planned again it is about the others', async () => {
    await close(13, 14, 15);
    const ids = [await erasure(13), await erasure(14), await erasure(15)];
    const first = await plan(...ids);
    const id = batchIn(first.out);
    const cancel = (one: string) => world.probity(['request', 'cancel', one, '--reason', 'withdrawn_by_requester']);
    expect((await cancel(ids[0]!)).code).toBe(0);
    expect(await approve(id, hashIn(first.out))).toMatchObject({ code: 2, err: expect.stringContaining('have left it') as string });
    const second = await plan(id);
    expect(await shownPlan(id)).toMatchObject({ people: 2, members: membersHash(ids.slice(1)) });
    expect((await approve(id, hashIn(second.out))).code).toBe(0);
    expect((await cancel(ids[1]!)).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'drifted' });
    expect(await states(...ids)).toEqual(['cancelled', 'cancelled', 'open']);
    expect(await leftOf([13, 14, 15])).toMatchObject({ customer: 3, purchase: 9, ticket: 3 });
    const third = await plan(id);
    expect((await approve(id, hashIn(third.out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(await leftOf([13, 14, 15])).toMatchObject({ purchase: 6, ticket: 2 });
  });

  test('whose members were altered behind our back is not carried out', async () => {
    await close(16, 17, 18);
    const ids = [await erasure(16), await erasure(17)];
    const stranger = await erasure(18);
    const planned = await plan(...ids);
    const id = batchIn(planned.out);
    await approve(id, hashIn(planned.out));
    await world.shop(`update probity.request set batch_id = $2, state = 'approved' where request_id = $1`, [stranger, id]);
    expect(await world.carryOut(id)).toMatchObject({ state: 'drifted' });
    expect(await leftOf([16, 17, 18])).toMatchObject({ customer: 3, purchase: 9 });
    await expect(world.shop(`delete from probity.request_plan where request_id = $1`, [id])).rejects.toThrow('append-only');
  });

  test('is not approved by somebody who opened one of its requests', async () => {
    const ids = [await erasure(19), await erasure(20, 'anna')];
    const planned = await plan(...ids);
    const id = batchIn(planned.out);
    expect(await approve(id, hashIn(planned.out))).toMatchObject({
      code: 2,
      err: expect.stringContaining('nobody approves their own') as string,
    });
    expect((await approve(id, hashIn(planned.out), world.tokens.ben)).code).toBe(0);
  });

  test('is made of all that is ready', async () => {
    expect(await plan('--bulk', '--kind', 'access')).toMatchObject({ code: 2 });
    await world.shop(`update probity.request set state = 'cancelled', closed_at = now() where closed_at is null and state <> 'running'`);
    expect((await plan('--bulk')).out).toContain('No request is ready');
    const ready = [await erasure(21), await withdrawal(22)];
    await world.probity(['request', 'open', '--kind', 'erasure', '--ground', 'unlawful'], { input: '23\n' });
    const planned = await plan('--bulk');
    expect(await planMembers(world.project.home.db, batchIn(planned.out))).toEqual(ready.toSorted());
  });

  test('that was approved is started again when nobody has for ten minutes, and no sooner', async () => {
    const forgotten = async (): Promise<string[]> => (await forgottenRequests(world.project.home, '', 100)).map(({ request }) => request);
    const planned = await plan(await erasure(24), await erasure(25));
    const id = batchIn(planned.out);
    await approve(id, hashIn(planned.out));
    await world.shop(`update probity.request_batch set created_at = now() - interval '1 hour' where batch_id = $1`, [id]);
    expect(await forgotten()).not.toContain(id);
    await world.shop(`delete from probity.outbox where request_id = $1`, [id]);
    expect(await forgotten()).toContain(id);
    const started = `insert into probity.request_start values ($1, now() - $2::interval) on conflict (request_id) do update set started_at = excluded.started_at`;
    await world.shop(started, [id, '9 minutes']);
    expect(await forgotten()).not.toContain(id);
    await world.shop(started, [id, '11 minutes']);
    expect(await forgotten()).toContain(id);
  });
});
