import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { verifyConsents } from '../../client/consent/evidence.ts';
import { cancelRequest } from '../../client/requests/change.ts';
import { openRequests } from '../../client/requests/open.ts';
import { openProject } from '../../client/project.ts';
import { handle, pause, resume, start, workflowProgress } from '../../client/retention.ts';
import { apply } from '../../client/versions.ts';
import { noFaults } from '../../database/faults.ts';
import { placeHold } from '../../database/holds.ts';
import { incarnation } from '../../database/incarnation.ts';
import { takeLease } from '../../database/lease.ts';
import { importEntries } from '../../database/permission/import.ts';
import { pruneForRun } from '../../database/permission/prune-run.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { PROOFS_TABLE } from '../../domain/retention/proofs.ts';
import type { RetentionInput, RetentionResult } from '../../workflows/retention.types.ts';
import { withClient, withWorker } from '../support/worker.ts';
import { startWorker } from './processes.ts';
import { certificateOf, createShop, gate, input, until, withStore, type Shop } from './support.ts';

/** More than two batches of the pruning. */
const EXPIRED = 500;
const REFUSED = 30;
const HELD = 3;
const RECENT = 20;

const DDL = `
  create table customer (customer_id bigint primary key, seen timestamptz);
  insert into customer select i, case when i % 10 = 0 then now() else timestamptz '2015-01-01' end from generate_series(1, 100) i;
  analyze customer`;
const RULE = { purposes: ['use'], retention: { keep: 'P1Y', after: 'seen' } };

const shops: Shop[] = [];
afterAll(async () => {
  for (const shop of shops) await shop.close();
});

/** A ledger of grants that expired long ago, a few of them of people under a legal hold, of refusals that still hold, and of recent grants. */
async function ledger({
  rule = true,
  mode = 'enforce',
}: { readonly rule?: boolean; readonly mode?: 'enforce' | 'observe' } = {}): Promise<Shop> {
  const shop = await createShop(
    DDL,
    { 'shop.public.customer': rule ? RULE : { purposes: ['use'] } },
    {
      mode,
      purposes: {
        use: { basis: 'contract', description: 'Use' },
        newsletter: { basis: 'consent', expires: 'P24M', description: 'News' },
        profiling: { basis: 'legitimate_interests', objection: 'balanced', assessment: 'LIA', description: 'Profiles' },
      },
      subjects: { customer: { table: 'shop.public.customer', key: 'customer_id' } },
      own: { consent_proof: 'P3Y' },
    },
  );
  shops.push(shop);
  const project = await openProject(shop.file, shop.env);
  try {
    await apply(project, { env: shop.env, actor: 'tester', enforce: true });
    const said = {
      channel: null,
      touchpoint: 't',
      notice: null,
      language: null,
      given_by: null,
      proof: null,
      actor: 'a',
      door: 'import',
      id: null,
    };
    const of = (from: number, people: number, purpose: string, decision: string, captured_at: string) =>
      Array.from({ length: people }, (_, i) => ({ ...said, subject: 'customer', key: String(from + i), purpose, decision, captured_at }));
    await importEntries(project.home, [
      ...of(1, EXPIRED + HELD, 'newsletter', 'granted', '2015-06-01T00:00:00Z'),
      ...of(2_000, REFUSED, 'profiling', 'refused', '2015-06-01T00:00:00Z'),
      ...of(3_000, RECENT, 'newsletter', 'granted', new Date(Date.now() - 86_400_000).toISOString()),
    ]);
    for (let i = 1; i <= HELD; i++)
      await placeHold(project.home, {
        id: `H-${i}`,
        scope: { kind: 'subject', subject: 'customer', key: [String(EXPIRED + i)] },
        reason: 'L',
        actor: 'a',
        endsAt: null,
      });
  } finally {
    await project.close();
  }
  return shop;
}

const contents = async (shop: Shop): Promise<Record<string, number>> =>
  Object.fromEntries(
    (
      await shop.query<{ said: string; n: number }>(
        `select decision || ' ' || extract(year from captured_at) as said, count(*)::int as n from probity.consent_content group by 1 order by 1`,
      )
    ).map(({ said, n }) => [said, n]),
  );
const THIS_YEAR = new Date(Date.now() - 86_400_000).getUTCFullYear();
const PRUNED = { 'granted 2015': HELD, [`granted ${THIS_YEAR}`]: RECENT, 'refused 2015': REFUSED };
const WHOLE = { ...PRUNED, 'granted 2015': EXPIRED + HELD };

const run = (shop: Shop, more: Partial<RetentionInput> = {}): Promise<RetentionResult> =>
  withWorker(shop, async (client, taskQueue) => (await start(client, { ...input, ...more, taskQueue })).result());

test('a purge prunes proofs that have outlived their keep, says so in its certificate, and leaves what an answer or a hold needs', async () => {
  const shop = await ledger();
  const result = await run(shop);
  expect(result).toMatchObject({ outcome: 'complete', changed: 90, proofs: EXPIRED });
  expect(await contents(shop)).toEqual(PRUNED);
  const file = await certificateOf(shop, result.runId);
  expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
  expect(file.certificate.tables).toMatchObject([{ table: 'shop.public.customer', erased: 90 }]);
  expect(file.certificate.statements.at(-1)).toMatch(
    new RegExp(`^shop.probity.consent_content: ${EXPIRED} contents .* were pruned, ${HELD} stay under a legal hold$`),
  );
  // Nobody is known of whom nothing is left.
  expect(await shop.query('select count(*)::int as n from probity.consent_link')).toEqual([{ n: HELD + REFUSED + RECENT }]);
  const project = await openProject(shop.file, shop.env);
  expect((await verifyConsents(project)).fault).toBeNull();
  await project.close();
  expect(await run(shop)).toMatchObject({ outcome: 'complete', proofs: 0 });
});

test('what only counts says how many, and prunes nothing: a dry run, the mode observe, a run over some tables', async () => {
  const shop = await ledger();
  expect(await run(shop, { dryRun: true })).toMatchObject({ outcome: 'observed', proofs: EXPIRED });
  expect(await run(shop, { only: ['shop.public.customer'] })).toMatchObject({ outcome: 'complete', proofs: null });
  expect(await run(shop, { only: ['shop.public.customer'], dryRun: true })).toMatchObject({ outcome: 'observed', proofs: null });
  expect(await contents(shop)).toEqual(WHOLE);
  const observed = await ledger({ mode: 'observe' });
  expect(await run(observed)).toMatchObject({ outcome: 'observed', proofs: EXPIRED });
  expect(await contents(observed)).toEqual(WHOLE);
});

test('a past day is the day that proofs are judged by too', async () => {
  const shop = await ledger();
  // The grants of 2015 expired in 2017.
  expect(await run(shop, { asOf: '2019-01-01T00:00:00Z' })).toMatchObject({ outcome: 'complete', proofs: 0 });
  expect(await contents(shop)).toEqual(WHOLE);
});

test('a purge that is paused in the middle of it goes on where it stood', async () => {
  const shop = await ledger({ rule: false });
  const stop = gate('after commit', 1);
  const result = await withWorker(
    shop,
    async (client, taskQueue) => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      await stop.reached;
      await pause(client, workflowId);
      await stop.cancelled;
      stop.open();
      await until('the run is paused', async () => (await workflowProgress(client, workflowId))?.stage === 'paused');
      const half = (await contents(shop))['granted 2015'] ?? 0;
      expect(half).toBeGreaterThan(HELD);
      expect(half).toBeLessThan(EXPIRED + HELD);
      await resume(client, workflowId);
      return handle(client, workflowId).result();
    },
    { faults: stop.faults },
  );
  expect(result).toMatchObject({ outcome: 'complete', proofs: EXPIRED });
  expect(await contents(shop)).toEqual(PRUNED);
});

test('an error of it leaves the run incomplete and the purge of tables done', async () => {
  const shop = await ledger();
  await shop.query(
    `create function no() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
     create trigger no before delete on probity.consent_content for each row execute function no()`,
  );
  const result = await run(shop);
  expect(result).toMatchObject({ outcome: 'incomplete', changed: 90, proofs: null });
  expect((await certificateOf(shop, result.runId)).certificate.statements.at(-1)).toContain('ended in an error');
  expect(await contents(shop)).toEqual(WHOLE);
});

test('proofs of whoever waits for a copy of what is held stay until it is answered', async () => {
  const shop = await ledger({ rule: false });
  const project = await openProject(shop.file, shop.env);
  try {
    const [opened] = await openRequests(project, [{ subject: 'customer', key: ['7'], kind: 'access' }], { actor: 'a' });
    const id = opened !== undefined && 'requestId' in opened ? opened.requestId! : '';
    const result = await run(shop);
    expect(result).toMatchObject({ outcome: 'complete', proofs: EXPIRED - 1 });
    expect((await certificateOf(shop, result.runId)).certificate.statements.at(-1)).toMatch(/, 1 stay for an open request$/);
    await cancelRequest(project, id, { actor: 'a', reason: 'withdrawn_by_requester' });
    expect(await run(shop)).toMatchObject({ outcome: 'complete', proofs: 1 });
    expect(await contents(shop)).toEqual(PRUNED);
  } finally {
    await project.close();
  }
});

test('recorders that are busy are not waited for: links of nobody are left for the next run', async () => {
  const shop = await ledger();
  await withStore(shop, async (store) => {
    const client = await store.pool.connect();
    try {
      await client.query('begin; lock table probity.consent_link in row exclusive mode');
      expect(await run(shop)).toMatchObject({ outcome: 'complete', proofs: EXPIRED });
      await client.query('rollback');
    } finally {
      client.release();
    }
  });
  const links = (): Promise<{ n: number }[]> => shop.query('select count(*)::int as n from probity.consent_link');
  expect(await links()).toEqual([{ n: EXPIRED + HELD + REFUSED + RECENT }]);
  expect(await run(shop)).toMatchObject({ outcome: 'complete', proofs: 0 });
  expect(await links()).toEqual([{ n: HELD + REFUSED + RECENT }]);
});

test('a call that ends where nothing was to go is not repeated for ever', async () => {
  const shop = await ledger({ rule: false });
  await withStore(shop, async (home) => {
    const lease = await takeLease(home, PROOFS_TABLE, 'r');
    const work = { home, runId: 'r', cutOff: new Date('2016-01-01'), lease: lease!, incarnation: await incarnation(home.db) };
    let seq = 0;
    for (let calls = 0; ; calls++) {
      expect(calls).toBeLessThan(10);
      const step = await pruneForRun({ ...work, knownSteps: seq }, { stop: () => true, beat: () => undefined }, noFaults);
      seq = step.seq;
      if (step.done) break;
    }
    expect(await contents(shop)).toEqual(WHOLE);
    // A store that has forgotten steps is not gone on with.
    await expect(
      pruneForRun({ ...work, knownSteps: seq + 1 }, { stop: () => true, beat: () => undefined }, noFaults),
    ).rejects.toMatchObject({ kind: 'restored' });
  });
});

describe.concurrent.each(['after change:1', 'before commit:2', 'after commit:2', 'before return:1'])(
  'a worker killed with -9 at "%s"',
  (fault) => {
    test('changes nothing but time', async () => {
      const shop = await ledger({ rule: false });
      const taskQueue = `kill-${randomBytes(4).toString('hex')}`;
      const first = await startWorker(shop, { taskQueue, fault });
      const result = await withClient(async (client) => {
        const ended = (await start(client, { ...input, taskQueue })).result();
        expect(await Promise.race([first.ended, ended.then(() => 'the run ended')])).toBe('SIGKILL');
        const second = await startWorker(shop, { taskQueue });
        const done = await ended;
        await second.stop();
        return done;
      });
      expect(result).toMatchObject({ outcome: 'complete', proofs: EXPIRED });
      expect(await contents(shop)).toEqual(PRUNED);
      const file = await certificateOf(shop, result.runId);
      expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
    });
  },
);
