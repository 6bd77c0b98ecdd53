import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateFile } from '../../../domain/evidence/certificate.ts';
import { jobWorld, type JobWorld, type Ran } from './world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

const idIn = (text: string): string => /R-\d+/.exec(text)![0];
const hashIn = (text: string): string => /--plan ([0-9a-f]{12})/.exec(text)![1]!;

async function opened(customer: number, ...more: readonly string[]): Promise<string> {
  const ran = await world.probity(
    ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--actor', 'helpdesk', ...more],
    { input: `${customer}\n` },
  );
  expect(ran).toMatchObject({ code: 0 });
  return idIn(ran.out);
}
const verified = (customer: number): Promise<string> => opened(customer, '--verified-by', 'login', '--evidence', 'SESSION-1');
const plan = (id: string): Promise<Ran> => world.probity(['request', 'plan', id]);
const approve = (id: string, hash: string, token = world.tokens.anna): Promise<Ran> =>
  world.probity(['request', 'approve', id, '--plan', hash], { token });

async function certificate(id: string): Promise<CertificateFile> {
  return JSON.parse((await world.probity(['request', 'certificate', id])).out) as CertificateFile;
}

/** Everything of everybody but some, as one text. */
async function contents(without: number): Promise<string> {
  const rows = [
    await world.shop(`select * from customer where customer_id <> $1 order by 1`, [without]),
    await world.shop(`select * from purchase where customer_id <> $1 order by 1`, [without]),
    await world.shop(`select l.* from purchase_line l join purchase p using (purchase_id) where p.customer_id <> $1 order by 1, 2`, [
      without,
    ]),
    await world.shop(`select * from invoice where customer_id <> $1 order by 1`, [without]),
    await world.shop(`select * from page_view where customer_id <> $1 order by 1`, [without]),
    await world.shop(`select * from event where event_id <> $1 order by 1`, [without]),
    await world.support(`select * from ticket where ticket_id <> $1 order by 1`, [without]),
  ];
  return JSON.stringify(rows);
}

describe('an erasure', () => {
  test('goes from opened to a certificate, in every store, and touches nobody else', async () => {
    await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = 1`);
    const others = await contents(1);
    const id = await opened(1);
    expect(await plan(id)).toMatchObject({ code: 2, err: expect.stringContaining('waits for its requester to be verified') as string });
    expect((await world.probity(['request', 'verify', id, '--method', 'login', '--evidence', 'SESSION-1'])).code).toBe(0);
    const planned = await world.probity(['request', 'plan', id, '--columns']);
    expect(planned.code).toBe(3);
    expect(planned.out).toContain('1 by de-hgb-257 until ');
    // The invoice needs its customer, who is masked: shown with what the row holds afterwards, and with nothing that it holds.
    expect(planned.out).toMatch(
      /^customer: 1 masked, since rows that stay need them\n {2}email {2}'erased-…' \(made from the row’s key\)\n {2}phone {2}null$/m,
    );
    expect(planned.out).not.toMatch(/canary/i);
    expect(await contents(1)).toBe(others);
    const approved = await approve(id, hashIn(planned.out));
    expect(approved).toMatchObject({ code: 0 });
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });

    expect(await contents(1)).toBe(others);
    expect(await world.shop(`select * from purchase where customer_id = 1`)).toEqual([]);
    expect(await world.shop(`select * from page_view where customer_id = 1`)).toEqual([]);
    expect(await world.shop(`select l.* from purchase_line l where purchase_id between 10 and 19`)).toEqual([]);
    expect(await world.support(`select * from ticket where ticket_id = 1`)).toEqual([]);
    expect(await world.shop(`select payload from event where event_id = 1`)).toEqual([{ payload: { contact: {}, kept: 1 } }]);
    // The invoice that the law keeps still needs its customer, of whom nothing else is left.
    expect(await world.shop(`select invoice_id from invoice where customer_id = 1`)).toEqual([{ invoice_id: '11' }]);
    const [left] = await world.shop<{ text: string }>(`select c::text as text from customer c where customer_id = 1`);
    expect(left!.text).not.toMatch(/canary/i);

    const { certificate: signed } = await certificate(id);
    expect(signed).toMatchObject({ job: 'requests', request: id, approvedBy: 'anna' });
    for (const { planned: all, erased, masked, failed, kept } of signed.tables)
      expect(all).toBe(erased + masked + failed + Object.values(kept).reduce((sum, rows) => sum + rows, 0));
    expect(signed.tables.find(({ table }) => table === 'shop.public.customer')).toMatchObject({ planned: 1, masked: 1, kept: {} });
    const told = JSON.stringify(signed);
    expect(told).toMatch(/shop\.public\.customer: masked in rows that stay: email/);
    expect(told).toContain('none is left to be erased or masked');
    expect(told).toContain('shop.public.invoice: 1 rows stay by law until ');
    expect(told).not.toMatch(/canary/i);
    const file = join(world.folder, 'certificate.json');
    expect((await world.probity(['request', 'certificate', id, '--out', file])).code).toBe(0);
    expect((await world.probity(['evidence', 'verify', file])).code).toBe(0);
    expect(existsSync(file) && readFileSync(file, 'utf8')).not.toMatch(/canary/i);
    expect((await world.probity(['request', 'status', id])).out).toContain('closed');
    for (const table of ['run_key', 'run_search', 'run_word', 'run_hit', 'run_scan']) {
      expect(await world.shop(`select * from probity.${table}`)).toEqual([]);
      expect(await world.support(`select * from probity.${table}`)).toEqual([]);
    }
    const payloads = JSON.stringify(await world.history(id), (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    );
    expect(payloads).toContain(id);
    expect(payloads).not.toMatch(/canary/i);
  });

  test('of somebody with a live contract keeps what the contract needs', async () => {
    const id = await verified(2);
    const planned = await plan(id);
    expect(planned.out).toContain('delivery (Art. 6(1)(b))');
    expect((await approve(id, hashIn(planned.out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(await world.shop(`select count(*)::int as n from purchase where customer_id = 2`)).toEqual([{ n: 3 }]);
    expect(await world.shop(`select * from page_view where customer_id = 2`)).toEqual([]);
  });

  test('waits for what somebody holds, and goes on when it is released', async () => {
    await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = 3`);
    const added = await world.probity(['hold', 'add', '--subject', 'customer', '--reason', 'case 12'], { input: '3\n' });
    expect(added.code).toBe(0);
    const hold = /H-[0-9A-Za-z]+/.exec(added.out)![0];
    const id = await verified(3);
    const planned = await plan(id);
    expect(planned.out).toContain('under a legal hold');
    expect((await approve(id, hashIn(planned.out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'held' });
    expect(await world.shop(`select count(*)::int as n from purchase where customer_id = 3`)).toEqual([{ n: 3 }]);
    expect((await world.probity(['request', 'certificate', id])).code).toBe(3);
    expect((await world.probity(['request', 'status', id])).out).toContain('waits for a person (held)');

    expect((await world.probity(['hold', 'release', hold, '--reason', 'closed'])).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(await world.shop(`select * from purchase where customer_id = 3`)).toEqual([]);
    // A small key limits nothing: texts are searched for where they name it.
    expect((await certificate(id)).certificate.outcome).toBe('complete with obligations');
  });
});

describe('an approval', () => {
  test('is of the plan that was shown, by somebody who has a token and has not opened the request', async () => {
    const id = await verified(4);
    const first = hashIn((await plan(id)).out);
    const second = hashIn((await plan(id)).out);
    expect(await approve(id, first)).toMatchObject({ code: 2, err: expect.stringContaining('another plan') as string });
    expect((await approve(id, second, 'nobody')).code).toBe(2);
    expect((await world.probity(['request', 'approve', id, '--plan', second])).code).toBe(2);
    expect((await approve(id, second)).code).toBe(0);
  });

  test('does not outlive what it was given for: a plan that grew is asked about again', async () => {
    await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = 5`);
    const id = await verified(5);
    expect((await approve(id, hashIn((await plan(id)).out))).code).toBe(0);
    await world.shop(`insert into page_view select 100000 + i, 5, '/' from generate_series(1, 500) i`);
    expect(await world.carryOut(id)).toMatchObject({ state: 'drifted' });
    expect(await world.shop(`select count(*)::int as n from page_view where customer_id = 5`)).toEqual([{ n: 505 }]);
    expect((await approve(id, hashIn((await plan(id)).out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
  });
});

describe('the scan', () => {
  test('finds the person where the manifest did not look, and waits for a person', async () => {
    await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = 6`);
    await world.shop(`insert into memo values (6, 'called person6@canary.example back')`);
    const id = await verified(6);
    expect((await approve(id, hashIn((await plan(id)).out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
    expect((await world.probity(['request', 'certificate', id])).code).toBe(3);
    expect((await world.probity(['request', 'status', id])).out).toContain('waits for a person (scan hits)');
    const found = await world.probity(['request', 'found', id]);
    expect(found.out).toMatch(/memo +body +email +1/);
    expect(found.out).not.toMatch(/canary/i);
    const dismiss = (token: string): Promise<Ran> =>
      world.probity(['request', 'dismiss', id, '--about', 'shop.public.memo.body', '--reason', 'not_the_person'], { token });
    expect((await dismiss('nobody')).code).toBe(2);
    expect((await dismiss(world.tokens.anna)).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    const { certificate: signed } = await certificate(id);
    expect(JSON.stringify(signed.statements)).toContain('1 dismissed');
  });

  test('searches again when what it found was erased by hand; a purpose that goes on is no reason to name them in rows of others', async () => {
    await world.shop(`update purchase set note = 'as a gift for person9@canary.example' where purchase_id = 101`);
    const id = await verified(9);
    const planned = await plan(id);
    expect(planned.out).toContain('delivery (Art. 6(1)(b))');
    expect((await approve(id, hashIn(planned.out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
    expect((await world.probity(['request', 'found', id])).out).toMatch(/^shop +purchase +note +email +1$/m);
    const again = (): Promise<Ran> => world.probity(['request', 'found', id, '--again', '--actor', 'helpdesk']);
    expect((await again()).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
    await world.shop(`update purchase set note = null where purchase_id = 101`);
    expect((await again()).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect((await world.probity(['request', 'status', id])).out).toContain('asked to search again, by helpdesk');
    const { certificate: signed } = await certificate(id);
    expect(JSON.stringify(signed.statements)).toMatch(/0 hits.*key: searched in columns that hold it and where a text names it/);
    expect((await again()).code).toBe(2);
  });
});

describe('a withdrawal', () => {
  test('erases what that consent alone justified', async () => {
    await world.probity(['consent', 'record', '--subject', 'customer', '--purpose', 'newsletter', '--decision', 'granted'], {
      input: '7\n',
    });
    const ran = await world.probity(['request', 'open', '--subject', 'customer', '--kind', 'withdrawal', '--purpose', 'newsletter'], {
      input: '7\n',
    });
    const id = idIn(ran.out);
    await world.shop(`update probity.request set state = 'suppressed' where request_id = $1`, [id]);
    await world.shop(`delete from probity.outbox where request_id = $1`, [id]);
    expect((await approve(id, hashIn((await plan(id)).out))).code).toBe(0);
    expect(await world.carryOut(id)).toMatchObject({ state: 'closed' });
    expect(await world.shop(`select * from page_view where customer_id = 7`)).toEqual([]);
    expect(await world.shop(`select count(*)::int as n from purchase where customer_id = 7`)).toEqual([{ n: 3 }]);
    expect(await world.shop(`select email from customer where customer_id = 7`)).toEqual([{ email: 'Person7@canary.example' }]);
  });
});
