import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateFile } from '../../../domain/evidence/certificate.ts';
import { applied, withKeeper } from '../keeper/support.ts';
import { withdrawn } from './support.ts';
import { jobWorld, type JobWorld, type Ran } from './world.ts';

const ENVELOPE = { most_people: 3, most_rows: 10, at: '02:00' };

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld({ manifest: { requests: { envelope: ENVELOPE } } });
});
afterAll(() => world.close());

const withdrawal = (customer: number, actor?: string): Promise<string> => withdrawn(world, customer, actor);
const byHand = (): Promise<Ran> => world.probity(['request', 'plan', '--envelope']);
const shown = async (): Promise<string> => /Envelope ([0-9a-f]{12})/.exec((await world.probity(['request', 'envelope'])).out)![1]!;
const preapprove = async (token = world.tokens.anna): Promise<Ran> =>
  world.probity(['request', 'envelope', '--approve', await shown()], { token });
const batchIn = (text: string): string => /B-\d+/.exec(text)![0];
const listed = async (): Promise<string> => (await world.probity(['request', 'list', '--exceptions'])).out;
const state = async (id: string): Promise<string> =>
  (
    await world.shop<{ state: string }>(
      `select state from probity.request where request_id = $1 union all select state from probity.request_batch where batch_id = $1`,
      [id],
    )
  )[0]!.state;
const views = async (customer: number): Promise<number> =>
  (await world.shop(`select from page_view where customer_id = $1`, [customer])).length;
const cancel = (): Promise<unknown> =>
  world.shop(`update probity.request set state = 'cancelled', closed_at = now(), batch_id = null where closed_at is null`);

describe('the envelope', () => {
  test('does nothing before it is pre-approved, by somebody who may', async () => {
    const id = await withdrawal(1);
    expect(await world.probity(['request', 'envelope'])).toMatchObject({
      code: 3,
      out: expect.stringContaining('NOT pre-approved') as string,
    });
    expect(await byHand()).toMatchObject({ code: 3, out: expect.stringContaining('not pre-approved') as string });
    expect(await preapprove(world.tokens.root)).toMatchObject({ code: 2 });
    expect(await world.probity(['request', 'envelope', '--approve', '0'.repeat(12)], { token: world.tokens.anna })).toMatchObject({
      code: 2,
    });
    expect(await state(id)).toBe('suppressed');
    expect(await preapprove()).toMatchObject({ code: 0, out: expect.stringContaining('pre-approved by anna') as string });
    await cancel();
  });

  test('lets the night carry out what is within it, to a certificate, and leaves the rest for a person', async () => {
    const held = await withdrawal(2);
    const hold = ['hold', 'add', '--subject', 'customer', '--reason', 'case 7'];
    expect((await world.probity(hold, { input: '2\n' })).code).toBe(0);
    const own = await withdrawal(3, 'anna');
    const [first, second] = [await withdrawal(4), await withdrawal(5)];
    const night = new Date(Date.now() + 86_400_000);
    // In Berlin it is midnight, or an hour later.
    const early = Date.UTC(night.getUTCFullYear(), night.getUTCMonth(), night.getUTCDate(), 23);
    const later = early + 3 * 3_600_000;
    let now = early;
    await withKeeper(world, () => now, async (keeping) => {
      expect(await state(first)).toBe('suppressed');
      now = later;
      await keeping.look();
      await keeping.look();
    }); // prettier-ignore
    const batches = await world.shop<{ id: string }>(`select batch_id as id from probity.request_batch`);
    expect(batches).toHaveLength(1);
    const { id } = batches[0]!;
    expect(await state(id)).toBe('approved');
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect([await views(2), await views(3), await views(4), await views(5)]).toEqual([5, 5, 0, 0]);
    expect([await state(held), await state(own), await state(first), await state(second)]).toEqual([
      'suppressed',
      'suppressed',
      'closed',
      'closed',
    ]);
    const { certificate } = JSON.parse((await world.probity(['request', 'certificate', id])).out) as CertificateFile;
    expect(certificate.approvedBy).toBe(`anna (envelope ${await shown()})`);
    const exceptions = await listed();
    expect(exceptions).toMatch(new RegExp(`${held} .*under a legal hold`));
    expect(exceptions).toMatch(new RegExp(`${own} .*has opened it`));
    expect(exceptions).not.toContain(first);
    expect(await world.shop(`select from probity.run_key where run_id like 'envelope-%'`)).toEqual([]);
    // Said once, however often it is looked at.
    await byHand();
    expect(await world.shop(`select from probity.request_event where request_id = $1 and verb = 'except'`, [held])).toHaveLength(1);
    await cancel();
  });

  test('leaves a plan that would change too many rows to a person, who may approve it', async () => {
    const ids = [await withdrawal(6), await withdrawal(7), await withdrawal(8), await withdrawal(9)];
    const planned = await byHand();
    expect(planned).toMatchObject({ code: 3, out: expect.stringContaining('not within the envelope') as string });
    const id = batchIn(planned.out);
    expect(await state(id)).toBe('planned');
    // One more than the envelope's people waits for another night.
    expect(await Promise.all(ids.map(state))).toEqual(['planned', 'planned', 'planned', 'suppressed']);
    expect(await listed()).toContain(`${id} `);
    expect(await world.shop(`select from probity.outbox where request_id = $1`, [id])).toEqual([]);
    await world.shop(`update probity.request_batch set state = 'approved' where batch_id = $1`, [id]);
    await world.shop(`update probity.request set state = 'approved' where batch_id = $1`, [id]);
    await world.shop(`insert into probity.outbox (request_id) values ($1)`, [id]);
    expect(await world.carryOut(id)).toMatchObject({ state: 'waiting' });
    expect(await views(6)).toBe(5);
    await world.shop(`update probity.request_batch set state = 'planned' where batch_id = $1`, [id]);
    await world.shop(`update probity.request set state = 'planned' where batch_id = $1`, [id]);
    const hash = /--plan ([0-9a-f]{12})/.exec((await world.probity(['request', 'plan', id])).out)![1]!;
    expect(await world.probity(['request', 'approve', id, '--plan', hash], { token: world.tokens.ben })).toMatchObject({ code: 0 });
    expect(await listed()).not.toContain(id);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(await views(6)).toBe(0);
    await cancel();
  });

  test('whose pre-approval was tampered with, or that was changed, lets nothing pass', async () => {
    const id = await withdrawal(10);
    await expect(world.shop(`delete from probity.request_decision where decision = 'preapprove'`)).rejects.toThrow('append-only');
    await applied(world, (manifest) => ({ ...manifest, requests: { envelope: { ...ENVELOPE, most_rows: 11 } } }));
    expect(await byHand()).toMatchObject({ code: 3, out: expect.stringContaining('not pre-approved') as string });
    // What anna signed, said of the wider envelope.
    const { hash } = JSON.parse((await world.probity(['request', 'envelope', '--json'])).out) as { hash: string };
    await world.shop(
      `insert into probity.request_decision (request_id, plan_hash, decision, about, actor, statement, signature)
       select request_id, $1, decision, about, actor, jsonb_set(statement, '{plan}', to_jsonb($1::text)), signature
       from probity.request_decision where decision = 'preapprove'`,
      [hash],
    );
    expect(await world.probity(['request', 'envelope'])).toMatchObject({ code: 3, out: expect.stringContaining('do not count') as string });
    expect(await byHand()).toMatchObject({ code: 3 });
    expect(await state(id)).toBe('suppressed');
    expect(await views(10)).toBe(5);
    await preapprove(world.tokens.ben);
    const planned = await byHand();
    expect(planned).toMatchObject({ code: 0, out: expect.stringContaining('within the envelope') as string });
    const batch = batchIn(planned.out);
    // The actor is revoked before the worker begins.
    expect(await world.probity(['actor', 'revoke', 'ben'], { token: world.tokens.root })).toMatchObject({ code: 0 });
    expect(await world.carryOut(batch)).toMatchObject({ state: 'waiting' });
    expect(await views(10)).toBe(5);
  });
});
