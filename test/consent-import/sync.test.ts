import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConsentsResult, SyncState } from '../../client/consent/sync.ts';
import { openStore } from '../../database/store.ts';
import { syncTable } from '../../database/permission/consent-table.ts';
import { requireManifest } from '../../client/manifest.ts';
import { namedSources } from '../../domain/consent/sources.ts';
import { createProbityWorker } from '../../worker/worker.ts';
import { temporalAddress, temporalNamespace } from '../support/temporal.ts';
import { consentShop, type ConsentShop } from './support.ts';

let shop: ConsentShop;
beforeAll(async () => void (shop = await consentShop()));
afterAll(() => (shop as ConsentShop | undefined)?.close());

async function withWorker<T>(act: () => Promise<T>): Promise<T> {
  const { manifest } = await requireManifest(shop.manifest);
  const connection = await NativeConnection.connect({ address: temporalAddress() });
  const { worker, close } = await createProbityWorker({
    manifest,
    env: shop.env,
    connection,
    namespace: temporalNamespace(),
    taskQueue: shop.env['PROBITY_TASK_QUEUE']!,
  });
  try {
    return await worker.runUntil(act);
  } finally {
    await close();
    await connection.close();
  }
}

const synced = async (...args: string[]): Promise<ConsentsResult & { run: string; code: number }> => {
  const { code, out, err } = await shop.run(['consent', 'sync', '--wait', ...args, '--json']);
  if (out === '') throw new Error(err);
  return { ...(JSON.parse(out) as ConsentsResult & { run: string }), code };
};
const status = async (): Promise<SyncState> =>
  (JSON.parse((await shop.run(['consent', 'sync', '--status', '--json'])).out) as SyncState[])[0]!;
const permitted = async (key: number): Promise<boolean | undefined> =>
  (await shop.query<{ yes: boolean }>(`select probity.permission('customer', $1, 'newsletter', 'email') as yes`, [String(key)]))[0]?.yes;

test("a table of the company's own is read by a worker, what is new next time, everything on demand; its lag is told", async () => {
  expect((await shop.run(['consent', 'sync', '--status'])).out).toContain('never');
  await shop.query(
    `insert into choice (customer_id, topic, way, answer, at, changed_at)
     select i, 'newsletter', 'email', case when i % 2 = 0 then 'yes' else 'no' end, now() - interval '2 hours', now() - interval '2 hours' from generate_series(1, 4500) i;
     insert into choice (customer_id, topic, way, answer, at, changed_at) values
       (1, 'canary', 'email', 'yes', now(), now()), (2, 'newsletter', 'email', 'canary', now(), now()), (3, 'newsletter', 'email', 'yes', now() + interval '1 day', now())`,
  );
  const history = await withWorker(async () => {
    expect(await synced()).toMatchObject({
      outcome: 'complete',
      code: 1,
      sources: [{ source: 'shop.public.choice', read: 4503, recorded: 4500, known: 0, rejected: 3, failure: null }],
    });
    expect(await permitted(2)).toBe(true);
    expect(await permitted(1)).toBe(false);
    const first = await status();
    expect(first).toMatchObject({ read: 4503, recorded: 4500, rejected: 3, running: false });
    expect(first.lagMs).toBeGreaterThan(7_199_000);
    expect(first.sinceMs).toBeLessThan(120_000);
    expect(Object.values(first.reasons)).toEqual([1, 1, 1]);

    // Only what is new, and what may have come late, is read again.
    await shop.query(
      `insert into choice (customer_id, topic, way, answer, at, changed_at) values (2, 'newsletter', 'email', 'no', now(), now())`,
    );
    const second = await synced();
    expect(second.sources).toMatchObject([{ recorded: 1, rejected: 3 }]);
    expect(second.sources[0]!.read).toBeLessThan(10);
    expect(await permitted(2)).toBe(false);
    expect((await status()).lagMs).toBeLessThan(120_000);

    // A row that shows up with an old time is found by a full reading, one without a time always.
    await shop.query(
      `insert into choice (customer_id, topic, way, answer, at, changed_at) values (1, 'newsletter', 'email', 'yes', now() - interval '1 hour', now() - interval '1 day'),
         (3, 'newsletter', 'email', 'yes', now() - interval '1 hour', null)`,
    );
    expect((await synced('choice')).sources).toMatchObject([{ recorded: 1 }]);
    const full = await synced('choice', '--full');
    expect(full.sources).toMatchObject([{ read: 4506, recorded: 1, known: 4502, rejected: 3 }]);
    const again = await synced('--full');
    expect(again.sources).toMatchObject([{ recorded: 0, known: 4503 }]);

    const connection = await Connection.connect({ address: temporalAddress() });
    try {
      const client = new Client({ connection, namespace: temporalNamespace() });
      return JSON.stringify(await client.workflow.getHandle(full.run).fetchHistory());
    } finally {
      await connection.close();
    }
  });
  const payloads = [...history.matchAll(/"data":"([^"]*)"/g)].map(([, data]) => Buffer.from(data!, 'base64').toString());
  expect(history + payloads.join('')).not.toContain('canary');
  expect((await shop.run(['consent', 'sync', 'choise'])).err).toContain('it names shop.public.choice');
});

test('a row that is overwritten is another decision, and one that refuses is never taken for known', async () => {
  const { manifest } = await requireManifest(shop.manifest);
  const home = openStore({ name: 'shop', url: shop.url });
  const task = { ...namedSources(manifest)[0]!, home, store: home, manifest, full: true, beat: () => undefined, stop: () => false };
  await shop.query(
    `truncate choice; insert into choice (customer_id, topic, way, answer, at, changed_at) values (4700, 'newsletter', 'email', 'no', '2026-06-01', '2026-06-01')`,
  );
  // `at` stays, as where it was mistaken for the time of the row: what is read last holds.
  const read = async (answer: string): Promise<[number, boolean | undefined]> => {
    await shop.query(`update choice set answer = $1, changed_at = now()`, [answer]);
    const { recorded } = await syncTable({ ...task, runId: `overwritten ${answer}` });
    return [recorded, await permitted(4700)];
  };
  try {
    expect(await read('no')).toEqual([1, false]);
    expect(await read('yes')).toEqual([1, true]);
    expect(await read('no')).toEqual([1, false]);
    expect(await read('no')).toEqual([0, false]);
  } finally {
    await home.close();
  }
});

test('stopped after any batch, a reading goes on where it stopped and ends as an undisturbed one', async () => {
  await shop.query(
    `truncate choice; insert into choice (customer_id, topic, way, answer, at, changed_at)
     select i, 'newsletter', 'web', 'yes', timestamptz '2026-06-01' + i * interval '1 second', timestamptz '2026-06-01' + (i / 3000) * interval '1 hour' from generate_series(1, 9000) i`,
  );
  const { manifest } = await requireManifest(shop.manifest);
  const home = openStore({ name: 'shop', url: shop.url });
  try {
    const task = { ...namedSources(manifest)[0]!, home, store: home, manifest, runId: 'stopped', full: true, beat: () => undefined };
    let calls = 0;
    let recorded = 0;
    for (let done = false; !done; calls++) {
      const step = await syncTable({ ...task, stop: () => true });
      recorded += step.recorded;
      done = step.done;
    }
    expect(calls).toBeGreaterThan(1);
    expect(recorded).toBe(9_000);
    const [{ n } = { n: 0 }] = await shop.query<{ n: number }>(
      `select count(*)::int as n from probity.consent_content where channel = 'web'`,
    );
    expect(n).toBe(9_000);
  } finally {
    await home.close();
  }
});
