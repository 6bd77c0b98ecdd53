import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CertificateFile } from '../../../domain/evidence/certificate.ts';
import { approvePlan, approvedErasure } from './support.ts';
import { jobWorld, type JobWorld } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld({
    manifest: { recipients: { agency: { role: 'controller', receives: ['customer.email'], notify: { task: 'dpo' } } } },
  });
});
afterAll(() => world.close());

const said = async (...args: readonly string[]): Promise<string> => (await world.probity(['request', ...args])).out;
const outcomeOf = async (id: string): Promise<string> => (JSON.parse(await said('certificate', id)) as CertificateFile).certificate.outcome;
const obligationsOf = (id: string) =>
  world.shop(`select from probity.obligation where request_id = $1 or requests @> array[$1]::text[]`, [id]);

test('a batch’s recipients are told of each of its requests, and the reply to each says what the law keeps', async () => {
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id in (1, 2)`);
  await world.shop(`delete from invoice where customer_id = 2`);
  const ids = [];
  for (const customer of [1, 2]) {
    const open = ['open', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--verified-by', 'login', '--evidence', 'S-1'];
    ids.push(/R-\d+/.exec((await world.probity(['request', ...open], { input: `${customer}\n` })).out)![0]);
  }
  const plan = await said('plan', ...ids);
  const batch = /B-\d+/.exec(plan)![0];
  await approvePlan(world, batch, plan);
  expect(await world.carryOut(batch)).toMatchObject({ state: 'recipients' });
  for (const id of [batch, ...ids]) {
    expect(await said('status', id)).toContain('Told        agency task open');
    expect(await said('recipients', id)).toContain('task open');
  }
  const told = ['--recipient', 'agency', '--actor', 'dora'];
  expect(await world.probity(['request', 'told', ids[0]!, ...told])).toMatchObject({
    code: 2,
    err: expect.stringContaining(batch) as string,
  });
  expect((await world.probity(['request', 'told', batch, ...told])).code).toBe(0);
  expect(await world.carryOut(batch)).toMatchObject({ state: 'closed' });
  expect(await said('status', ids[0]!)).toContain('Told        agency told by a person');

  const [kept, gone] = [await said('reply', ids[0]!), await said('reply', ids[1]!)];
  const until = /invoice 1 rows? until (\d{4})-01-01/.exec(await said('status', ids[0]!))![1]!;
  expect(kept).toContain(
    `- your invoices: the law obliges us to keep this (de-hgb-257; Art. 17(3)(b) GDPR). Until 1 January ${until} at the latest; then we erase it`,
  );
  expect(kept).toContain('Art. 77 GDPR');
  expect(kept).toContain(`the plan of ${batch}`);
  expect(gone).not.toContain('invoice');
  expect(kept).not.toMatch(/canary/i);
});

test('the reply says what goes on for somebody with a contract, by which article, and until when', async () => {
  await world.shop(`delete from invoice where customer_id = 3`);
  await world.shop(`update purchase set note = 'ask person3@canary.example or +49 170 5550003' where purchase_id in (31, 32)`);
  const open = ['open', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--verified-by', 'login', '--evidence', 'S-1'];
  const id = /R-\d+/.exec((await world.probity(['request', ...open], { input: '3\n' })).out)![0];
  const plan = await said('plan', id);
  expect(plan).toMatch(/read whole, for want of an index: probity check names/);
  expect(plan).not.toContain('create index');
  await approvePlan(world, id, plan);
  await world.carryOut(id);
  await said('told', id, '--recipient', 'agency');
  await world.carryOut(id);
  const reply = await said('reply', id);
  expect(reply).toContain('- data about purchases: needed for: Deliver (contract, Art. 6(1)(b) GDPR), until that has ended.');
  expect(reply).not.toContain('page view');
  // What is kept of theirs is not gone, and nobody shall believe so: the outcome stays what it is.
  expect(await outcomeOf(id)).toBe('complete');
  expect(reply).toContain('- data about purchases: found in 2 rows kept for Deliver.');
  expect(await said('status', id)).toContain('shop.public.purchase: found in 2 rows kept for delivery');
  const { certificate } = JSON.parse(await said('certificate', id)) as CertificateFile;
  expect(certificate.statements).toContain('shop.public.purchase: found in 2 rows kept for delivery');
  expect(certificate.found).toContainEqual({ table: 'shop.public.purchase', why: 'purpose:delivery', rows: 2 });
  expect(JSON.stringify([reply, certificate])).not.toMatch(/canary/i);
  expect(reply).not.toMatch(/public\.|(page|purchase)_/);
});

test('what is kept by nothing but other purposes is no obligation: outcome and obligations agree', async () => {
  const { out } = await world.probity(['request', 'open', '--kind', 'withdrawal', '--purpose', 'newsletter'], { input: '4\n' });
  const id = /R-\d+/.exec(out)![0];
  await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
  await approvePlan(world, id, await said('plan', id));
  await world.carryOut(id);
  await said('told', id, '--recipient', 'agency');
  await world.carryOut(id);
  expect(await outcomeOf(id)).toBe('complete');
  expect(await obligationsOf(id)).toEqual([]);
  expect(await said('certificate', id)).not.toContain('stay by law');

  const erased = await approvedErasure(world, 5);
  await world.carryOut(erased);
  await said('told', erased, '--recipient', 'agency');
  await world.carryOut(erased);
  expect(await outcomeOf(erased)).toBe('complete with obligations');
  expect(await obligationsOf(erased)).toHaveLength(1);
  expect(await said('reply', erased)).toContain('- your details: a reference without anything that says who you are');
});
