import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateFile } from '../../../domain/evidence/certificate.ts';
import { jobWorld, MANIFEST, type JobWorld, type Ran } from './world.ts';

/** The support desk knows some of the customers as contacts of its own, by the address. */
const SUPPORT = `
  create table contact (contact_id bigint primary key, email text, phone text);
  create table member (member_id bigint primary key, card text);
  create table call (call_id bigint primary key, contact_id bigint references contact, said text);
  create index on call (contact_id);
  insert into contact select 100 + i, 'PERSON' || i || '@canary.example', '+49 171 777' || lpad(i::text, 4, '0') from generate_series(1, 5) i;
  insert into contact values (206, 'person6@canary.example', null), (207, ' Person6@canary.example', null), (208, 'else@canary.example', '+49 170 5550008');
  insert into contact values (209, 'old9@canary.example', null), (211, 'person11@canary.example', null), (212, 'person11@canary.example', null);
  insert into call select contact_id * 10, contact_id, 'Canary said' from contact`;

let world: JobWorld;
let officer: string;
beforeAll(async () => {
  world = await jobWorld({
    support: SUPPORT,
    manifest: {
      subjects: {
        ...MANIFEST.subjects,
        contact: { table: 'support.public.contact', key: 'contact_id', identities: { email: 'email', phone: 'phone' } },
        member: { table: 'support.public.member', key: 'member_id', identities: { card: 'card' } },
      },
      tables: {
        ...MANIFEST.tables,
        'support.public.contact': { purposes: ['delivery'] },
        'support.public.call': { purposes: ['delivery'] },
        'support.public.member': { purposes: ['delivery'] },
      },
      own: { complaint_window: 'P6M' },
    },
  });
  await world.shop(`update customer set closed_at = now() - interval '1 day'`);
  const added = await world.probity(['actor', 'add', 'olga', '--role', 'officer', '--json'], { token: world.tokens.root });
  officer = (JSON.parse(added.out) as { token: string }).token;
});
afterAll(() => world.close());

const idIn = (text: string): string => /R-\d+/.exec(text)![0];
const hashIn = (text: string): string => /--plan ([0-9a-f]{12})/.exec(text)![1]!;
async function verified(customer: number): Promise<string> {
  const open = ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--actor', 'helpdesk'];
  return idIn((await world.probity([...open, '--verified-by', 'login', '--evidence', 'S-1'], { input: `${customer}\n` })).out);
}
const plan = (id: string): Promise<Ran> => world.probity(['request', 'plan', id]);
async function carriedOut(id: string, planned: Ran): Promise<unknown> {
  expect((await world.probity(['request', 'approve', id, '--plan', hashIn(planned.out)], { token: world.tokens.anna })).code).toBe(0);
  return world.carryOut(id);
}
const contacts = async (): Promise<number[]> =>
  (await world.support<{ id: number }>(`select contact_id::int as id from contact order by 1`)).map(({ id }) => id);
const certificate = async (id: string): Promise<CertificateFile['certificate']> =>
  (JSON.parse((await world.probity(['request', 'certificate', id])).out) as CertificateFile).certificate;

describe('one person in two stores', () => {
  test('is erased as both', async () => {
    const before = await contacts();
    const id = await verified(1);
    const planned = await plan(id);
    expect(planned.out).toContain('1 person as contact');
    expect(planned.out).toMatch(/call +\d? *1/);
    expect(await carriedOut(id, planned)).toMatchObject({ state: 'closed' });
    expect(await contacts()).toEqual(before.filter((it) => it !== 101));
    expect(await world.support(`select call_id from call where call_id = 1010`)).toEqual([]);
    expect(await world.support(`select call_id from call where call_id = 1020`)).toHaveLength(1);
    expect(await world.shop(`select * from purchase where customer_id = 1`)).toEqual([]);
  });

  test('is asked about where several have the address, and goes on as decided', async () => {
    const id = await verified(6);
    const doubtful = await plan(id);
    expect(doubtful).toMatchObject({ code: 2, err: expect.stringContaining('2 of contact would be this one person by email') as string });
    expect(doubtful.err).not.toMatch(/canary/i);
    expect((await world.probity(['request', 'identity', id, '--accept', 'contact.email'])).code).toBe(0);
    expect(await carriedOut(id, await plan(id))).toMatchObject({ state: 'closed' });
    expect((await contacts()).filter((it) => it === 206 || it === 207)).toEqual([]);
  });

  test('is not searched for by what was rejected, nor by what nobody like them has, and the certificate says so', async () => {
    const id = await verified(11);
    expect((await plan(id)).code).toBe(2);
    expect((await world.probity(['request', 'identity', id, '--reject', 'contact.email'])).code).toBe(0);
    expect((await world.probity(['request', 'identity', id, '--subject', 'member', '--by', 'card'], { input: 'CANARY-11\n' })).code).toBe(
      0,
    );
    const planned = await plan(id);
    expect(planned.out).toContain('contact.email, which somebody has rejected (1 person)');
    expect(await carriedOut(id, planned)).toMatchObject({ state: 'closed' });
    const { outcome, statements } = await certificate(id);
    expect(outcome).toBe('scan-limited');
    expect(statements).toContain('not searched for: contact.email, which somebody has rejected (1 person)');
    expect(statements).toContain('not searched for: card, which no subject has that they are (1 person)');
    expect(JSON.stringify(statements)).not.toMatch(/canary/i);
  });

  test('a number alone takes nobody along, and is told', async () => {
    const id = await verified(8);
    const planned = await plan(id);
    expect(planned.out).toContain('1 of contact has the phone of 1 person here, and is not taken for them');
    expect((await contacts()).includes(208)).toBe(true);
  });
});

describe('an identity that comes late', () => {
  test('drops the plan, opens again what is closed, and is certified with the first', async () => {
    const id = await verified(9);
    const first = await plan(id);
    expect(await carriedOut(id, first)).toMatchObject({ state: 'closed' });
    const one = await certificate(id);
    expect((await contacts()).includes(209)).toBe(true);
    const late = await world.probity(['request', 'identity', id, '--subject', 'contact', '--by', 'email'], {
      input: 'old9@canary.example\n',
    });
    expect(late).toMatchObject({ code: 0, out: expect.stringContaining('is open') as string });
    expect(late.out + late.err).not.toMatch(/canary/i);
    const again = await plan(id);
    expect(again.code).toBe(3);
    // Once more, while it is planned.
    expect(
      (await world.probity(['request', 'identity', id, '--subject', 'contact', '--by', 'phone'], { input: '+49 171 0000000\n' })).code,
    ).toBe(0);
    expect((await world.probity(['request', 'approve', id, '--plan', hashIn(again.out)], { token: world.tokens.anna })).code).toBe(2);
    expect(await carriedOut(id, await plan(id))).toMatchObject({ state: 'closed' });
    expect((await contacts()).includes(209)).toBe(false);
    const two = await certificate(id);
    expect(two.serial).toBeGreaterThan(one.serial);
    expect(two.statements.join('\n')).toContain(`certificate ${one.serial}`);
    expect(JSON.stringify(two)).not.toMatch(/canary/i);
  });

  test('comes too late when the window has passed', async () => {
    const id = await verified(10);
    expect(await carriedOut(id, await plan(id))).toMatchObject({ state: 'closed' });
    await world.shop(`update probity.request set closed_at = now() - interval '7 months' where request_id = $1`, [id]);
    const late = await world.probity(['request', 'identity', id, '--subject', 'contact', '--by', 'email'], { input: 'x@canary.example\n' });
    expect(late).toMatchObject({ code: 2, err: expect.stringContaining('open a new request') as string });
  });
});

describe('whom a request is about', () => {
  test('is shown to an officer, and the look is on record before', async () => {
    const id = await verified(2);
    const reveal = (token: string): Promise<Ran> =>
      world.probity(['request', 'reveal', id, '--why', 'Jane Canary is on the phone'], { token });
    expect((await reveal(world.tokens.anna)).code).toBe(2);
    expect(JSON.parse((await world.probity(['request', 'looks', id, '--json'])).out)).toEqual([]);
    const shown = await reveal(officer);
    expect(shown).toMatchObject({ code: 0, err: '' });
    for (const it of ['customer  2', 'contact  102', 'Person2@canary.example', '+49 170 5550002', '+49 171 7770002'])
      expect(shown.out).toContain(it);
    const [look] = JSON.parse((await world.probity(['request', 'looks', id, '--json'])).out) as { actor: string; why: string }[];
    expect(look).toMatchObject({ actor: 'olga', why: 'Jane Canary is on the phone' });
    await world.shop(`delete from probity.vault_look_note`);
    expect((await world.probity(['request', 'looks', id])).out).toMatch(/olga +officer +–/);
    // Who cannot record it sees nothing.
    await world.shop(`alter table probity.vault_look add constraint never check (actor <> 'olga') not valid`);
    const blind = await reveal(officer);
    await world.shop(`alter table probity.vault_look drop constraint never`);
    expect(blind.code).not.toBe(0);
    expect(blind.out + blind.err).not.toMatch(/canary/i);
  });
});
