import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRequests } from '../../../client/requests/open.ts';
import { approveRequest, planBatch } from '../../../client/requests/plan.ts';
import type { Certificate, CertificateFile } from '../../../domain/evidence/certificate.ts';
import { jobWorld, type JobWorld } from './world.ts';

const ROWS = 1_000_000;
const PEOPLE = 10_000;
/** The machine may be busy. */
const LIMIT_MS = 400_000;

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

/** Plans, approves and carries out what was asked for these customers; gives the certificate. */
async function erasing(customers: readonly number[]): Promise<Certificate> {
  const asks = customers.map((key) => ({
    subject: 'customer',
    key: [key],
    kind: 'erasure' as const,
    grounds: ['no_longer_necessary' as const],
    verified: { method: 'login' as const, evidence: 'SESSION-1' },
  }));
  const opened = await openRequests(world.project, asks, { actor: 'helpdesk' });
  const ids = opened.map((it) => ('problem' in it ? it.problem : it.requestId!));
  const { plan, hash } = await planBatch(world.project, ids, { actor: 'helpdesk' });
  await approveRequest(world.project, plan.request, hash, world.tokens.anna);
  expect(await world.carryOut(plan.request)).toMatchObject({ state: 'closed' });
  return (JSON.parse((await world.probity(['request', 'certificate', plan.request])).out) as CertificateFile).certificate;
}

const counts = ({ tables }: Certificate, table: string) => tables.find((it) => it.table === `shop.public.${table}`);
const left = async (sql: string): Promise<number> => (await world.shop<{ n: number }>(`select count(*)::integer as n from ${sql}`))[0]!.n;

test('a person with a million rows', async () => {
  await world.shop(`insert into page_view select 1000000 + i, 9, '/' || i % 100 from generate_series(1, $1::integer) i`, [ROWS]);
  await world.shop(`update customer set closed_at = now() - interval '1 day' where customer_id = 9`);
  await world.shop('analyze page_view');
  const before = await left('page_view where customer_id <> 9');
  const certificate = await erasing([9]);
  expect(counts(certificate, 'page_view')).toMatchObject({ planned: ROWS + 5, erased: ROWS + 5, failed: 0 });
  expect([await left('page_view where customer_id = 9'), await left('page_view')]).toEqual([0, before]);
}, LIMIT_MS); // prettier-ignore

test('ten thousand people with one row', async () => {
  await world.shop(
    `insert into customer select i, 'one' || i || '@canary.example', '+49 171 ' || lpad(i::text, 7, '0'), 'Canary One' || i, now() - interval '1 day'
     from generate_series(100001, 100000 + $1::integer) i`,
    [PEOPLE],
  );
  await world.shop('analyze customer');
  const before = await left('customer');
  const certificate = await erasing(Array.from({ length: PEOPLE }, (_, index) => 100_001 + index));
  expect(certificate.outcome).toBe('complete');
  expect(counts(certificate, 'customer')).toMatchObject({ planned: PEOPLE, erased: PEOPLE, masked: 0, failed: 0 });
  expect([await left('customer where customer_id > 100000'), await left('customer')]).toEqual([0, before - PEOPLE]);
  const [members] = await world.shop(
    `select count(*)::integer as n from probity.request_batch_member m join probity.request r using (request_id)
     where m.batch_id = $1 and r.state = 'closed'`,
    [certificate.request],
  );
  expect(members).toEqual({ n: PEOPLE });
}, LIMIT_MS); // prettier-ignore
