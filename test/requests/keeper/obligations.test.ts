import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readObligations, type Obligation } from '../../../database/requests/obligations.ts';
import { verifyCertificate, type CertificateFile } from '../../../domain/evidence/certificate.ts';
import { jobWorld, type JobWorld } from '../job/world.ts';
import { applied, discharge, erased } from './support.ts';

let world: JobWorld;
let customer = 0;
beforeAll(async () => {
  world = await jobWorld();
  // Eight years from each row's own time, so that a row's day can be today.
  await applied(world, (manifest) => {
    const invoice = manifest.tables!['shop.public.invoice']!;
    const { from: _, ...floor } = invoice.floor!;
    return { ...manifest, tables: { ...manifest.tables, 'shop.public.invoice': { ...invoice, floor } } };
  });
});
afterAll(() => world.close());

/** A customer who was erased, with invoices of which the law keeps three. */
beforeEach(async () => {
  customer += 1;
  await world.shop(`insert into invoice select $1 * 1000 + i, $1, now() - interval '8 years' + interval '30 days' * i, 'x' from generate_series(1, 2) i`, [
    customer,
  ]); // prettier-ignore
});

const only = async (request: string): Promise<Obligation> => {
  const found = await readObligations(world.project.home, { request, open: false, limit: 10 });
  expect(found).toHaveLength(1);
  return found[0]!;
};
const invoices = async (): Promise<string[]> =>
  (
    await world.shop<{ id: string }>(`select invoice_id::text as id from invoice where customer_id = $1 order by invoice_id`, [customer])
  ).map(({ id }) => id);
const customers = () => world.shop(`select from customer where customer_id = $1`, [customer]);
/** The day of an invoice comes: by its own time, since stores judge by their own clock. */
const ages = (...ids: number[]) =>
  world.shop(`update invoice set issued_at = now() - interval '9 years' where invoice_id = any ($1)`, [ids]);
const certified = async (serial: number | null): Promise<CertificateFile> =>
  (await world.shop<{ document: CertificateFile }>(`select document from probity.certificate where serial = $1`, [serial]))[0]!.document;

test('rows go on their day, each, until none is left; then the keys, and what they needed', async () => {
  const id = await erased(world, customer);
  const obligation = await only(id);
  expect(obligation).toMatchObject({ state: 'open', store: 'shop', requests: [id], tables: [{ table: 'public.invoice', rows: 3 }] });
  expect(obligation.dueAt!.getTime() - Date.now()).toBeLessThan(31 * 86_400_000);
  const status = (await world.probity(['request', 'status', id])).out;
  expect(status).toMatch(/Obligation {2}invoice 3 rows until \d{4}-\d\d-\d\d \(de-hgb-257\)/);
  expect((await world.probity(['request', 'obligations'])).out).toContain(obligation.id);
  // Nothing is due: nothing goes, and nothing is certified.
  expect(await discharge(world, obligation.id)).toMatchObject({ state: 'open', serial: null });
  expect(await invoices()).toHaveLength(3);

  await ages(customer * 1000 + 1);
  const first = await discharge(world, obligation.id);
  expect(first.state).toBe('open');
  expect(await invoices()).toHaveLength(2);
  expect(await customers()).toHaveLength(1);
  const signed = await certified(first.serial);
  expect(signed.certificate).toMatchObject({ outcome: 'complete with obligations', request: id, approvedBy: 'anna' });
  expect(signed.certificate.statements.join()).toContain(obligation.runId);
  expect(verifyCertificate(signed, [])).toMatchObject({ valid: true });
  expect((await only(id)).tables).toMatchObject([{ rows: 2 }]);

  await ages(customer * 1000 + 2, customer * 10 + 1);
  const last = await discharge(world, obligation.id);
  expect(last.state).toBe('discharged');
  expect((await certified(last.serial)).certificate.outcome).toBe('complete');
  expect(await invoices()).toEqual([]);
  expect(await customers()).toEqual([]);
  for (const table of ['obligation_key', 'run_key']) {
    const keys = await world.shop(`select from probity.${table} where ${table === 'run_key' ? 'run_id' : 'obligation_id'} like '%' || $1`, [
      obligation.id,
    ]);
    expect(keys).toEqual([]);
  }
  expect(await discharge(world, obligation.id)).toMatchObject({ state: 'over' });
  expect(JSON.stringify(signed)).not.toMatch(/canary/i);
}, 60_000);

test('a hold on the day wins, and what is held goes when it is released', async () => {
  const id = await erased(world, customer);
  const obligation = await only(id);
  const added = await world.probity([
    'hold',
    'add',
    '--table',
    'invoice',
    '--where',
    `invoice_id = ${customer * 1000 + 1}`,
    '--reason',
    'case 7',
  ]);
  const hold = /H-[0-9A-Za-z]+/.exec(added.out)![0];
  await ages(customer * 1000 + 1);
  expect(await discharge(world, obligation.id)).toMatchObject({ state: 'waiting', serial: null });
  expect(await invoices()).toHaveLength(3);
  expect((await only(id)).waits).toBe('held');
  expect((await world.probity(['request', 'obligations'])).code).toBe(1);
  await world.probity(['hold', 'release', hold, '--reason', 'closed']);
  expect(await discharge(world, obligation.id)).toMatchObject({ state: 'open' });
  expect(await invoices()).toHaveLength(2);
}, 60_000);

test('a hold of the person in another store wins, too', async () => {
  const id = await erased(world, customer);
  const obligation = await only(id);
  await world.support(
    `insert into probity.hold (hold_id, subject, subject_key, reason, actor) values ('H-OTHER', 'customer', array[$1], 'case 8', 'anna')`,
    [String(customer)],
  );
  await ages(customer * 1000 + 1);
  expect(await discharge(world, obligation.id)).toMatchObject({ state: 'waiting', serial: null });
  expect(await invoices()).toHaveLength(3);
  await world.support(`update probity.hold set released_at = now() where hold_id = 'H-OTHER'`);
  expect(await discharge(world, obligation.id)).toMatchObject({ state: 'open' });
  expect(await invoices()).toHaveLength(2);
}, 60_000);

test('nobody sees what the law keeps but for the law; rows of a later time are not touched', async () => {
  await world.probity(['consent', 'record', '--subject', 'customer', '--purpose', 'newsletter', '--decision', 'granted'], {
    input: `${customer}\n`,
  });
  const allowed = async (purpose: string): Promise<boolean> =>
    (await world.shop<{ allowed: boolean }>(`select probity.permission('customer', $1, $2) as allowed`, [String(customer), purpose]))[0]!
      .allowed;
  expect(await allowed('newsletter')).toBe(true);
  const id = await erased(world, customer);
  expect(await allowed('newsletter')).toBe(false);
  expect(await allowed('delivery')).toBe(false);
  expect(await allowed('tax')).toBe(true);
  // Not a request of theirs: nobody asked for it.
  expect(await world.shop(`select from probity.request where kind = 'restriction'`)).toEqual([]);
  const { id: obligation } = await only(id);
  await world.shop(`insert into page_view values ($1 * 100000, $1, '/back')`, [customer]);
  // Somebody else has the address by now: it leads to rows of theirs.
  await world.shop(`insert into customer values ($1 + 5000, 'PERSON' || $1 || '@canary.example', null, 'Somebody Else', null)`, [customer]);
  await world.shop(`insert into invoice values ($1 * 10000, $1 + 5000, now() - interval '20 years', 'x')`, [customer]);
  await ages(customer * 1000 + 1);
  expect(await discharge(world, obligation)).toMatchObject({ state: 'open' });
  expect(await invoices()).toHaveLength(2);
  expect(await world.shop(`select from invoice where invoice_id = $1 * 10000`, [customer])).toHaveLength(1);
  expect(await world.shop(`select from page_view where url = '/back'`)).toHaveLength(1);
}, 60_000);

test('the printed trigger refuses changes of such rows, but not ours, and nobody else’s', async () => {
  const printed = await world.probity(['request', 'protect', '--sql']);
  expect(printed.out).toContain('probity.refuse_restricted');
  await world.shop(printed.out);
  try {
    const id = await erased(world, customer);
    const row = customer * 1000 + 1;
    await expect(world.shop(`update invoice set address = 'y' where invoice_id = $1`, [row])).rejects.toThrow(/restricted/);
    await expect(world.shop(`delete from invoice where invoice_id = $1`, [row])).rejects.toThrow(/restricted/);
    await world.shop(`update invoice set address = 'y' where customer_id = 40`);
    await world.shop(`alter table invoice disable trigger probity_restricted`);
    await ages(row);
    await world.shop(`alter table invoice enable trigger probity_restricted`);
    expect(await discharge(world, (await only(id)).id)).toMatchObject({ state: 'open' });
    expect(await invoices()).toHaveLength(2);
  } finally {
    await world.shop(`drop trigger probity_restricted on invoice`);
  }
}, 60_000);
