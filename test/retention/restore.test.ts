import pg from 'pg';
import { inject, expect, test } from 'vitest';
import { cancel, pause, resume, start, workflowProgress } from '../../client/retention.ts';
import { readRun } from '../../database/runs.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { EXPIRED, left, longShop, ROWS } from './long.ts';
import { withWorker } from '../support/worker.ts';
import { certificateOf, gate, input, until, withStore, type Gate, type Shop } from './support.ts';
import type { Client } from '@temporalio/client';

const DONE = { rows: ROWS - EXPIRED, expired: 0, gone: EXPIRED, goneTwice: 0 };

const parked = (client: Client, runId: string): Promise<unknown> =>
  until('the run is parked', async () => (await workflowProgress(client, runId))?.stage === 'parked');

async function stateOf(shop: Shop, runId: string): Promise<string | undefined> {
  return withStore(shop, async (store) => (await readRun(store.db, runId))?.state);
}

test('a ledger that lost its last steps parks the run; a person lets it go on, and the certificate says so', async () => {
  const shop = await longShop();
  const stop = gate('before transaction', 4);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        await stop.reached;
        await shop.query('delete from probity.step where run_id = $1 and seq = (select max(seq) from probity.step where run_id = $1)', [
          workflowId,
        ]);
        stop.open();
        await parked(client, workflowId);
        await until('the home store knows it', async () => (await stateOf(shop, workflowId)) === 'parked');
        const before = await left(shop);
        expect(before.expired).toBeGreaterThan(0);
        await resume(client, workflowId);
        expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'complete' });
        expect(await left(shop)).toEqual(DONE);
        const file = await certificateOf(shop, workflowId);
        expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
        expect(file.certificate.statements.at(-1)).toContain('restored');
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

test('steps that are lost between two calls of a lane are missed, although the chain that is left is whole', async () => {
  const shop = await longShop();
  const stop = gate('after commit', 3);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        await stop.reached;
        await pause(client, workflowId);
        await stop.cancelled;
        stop.open();
        await until('the run is paused', async () => (await workflowProgress(client, workflowId))?.stage === 'paused');
        await shop.query('delete from probity.step where run_id = $1 and seq = (select max(seq) from probity.step where run_id = $1)', [
          workflowId,
        ]);
        const before = await left(shop);
        expect(before.expired).toBeGreaterThan(0);
        await resume(client, workflowId);
        await parked(client, workflowId);
        expect(await left(shop)).toEqual(before);
        await cancel(client, workflowId);
        expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'cancelled' });
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

test('another incarnation parks the run; cancelled then, it gets an honest certificate', async () => {
  const shop = await longShop();
  const stop = gate('after commit', 3);
  try {
    await withWorker(
      shop,
      async (client, taskQueue) => {
        const { workflowId } = await start(client, { ...input, taskQueue });
        await stop.reached;
        await shop.query('update probity.store set epoch = gen_random_uuid()');
        stop.open();
        await parked(client, workflowId);
        const { gone, expired } = await left(shop);
        expect(expired).toBeGreaterThan(0);
        await cancel(client, workflowId);
        expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'cancelled' });
        expect((await certificateOf(shop, workflowId)).certificate).toMatchObject({ outcome: 'cancelled', tables: [{ erased: gone }] });
        expect(await left(shop)).toMatchObject({ gone, expired });
      },
      stop,
    );
  } finally {
    await shop.close();
  }
});

async function onServer(act: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('postgresUrl') });
  await admin.connect();
  try {
    await act(admin);
  } finally {
    await admin.end();
  }
}

const copy = async (admin: pg.Client, from: string, to: string): Promise<void> => {
  await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, [from]);
  await admin.query(`create database ${to} template ${from}`);
};

test('a store put back to its state of a moment ago parks the run, which then does again what was lost, once', async () => {
  const shop = await longShop();
  const [one, two] = [gate('after commit', 2), gate('after commit', 3)];
  const { name } = shop.database;
  const backup = `${name}_backup`;
  try {
    const act = async (client: Client, taskQueue: string): Promise<void> => {
      const { workflowId } = await start(client, { ...input, taskQueue });
      const pauseAt = async (stop: Gate): Promise<void> => {
        await stop.reached;
        await pause(client, workflowId);
        await stop.cancelled;
        stop.open();
        await until('the run is paused', async () => (await workflowProgress(client, workflowId))?.stage === 'paused');
      };
      await pauseAt(one);
      await onServer((admin) => copy(admin, name, backup));
      await resume(client, workflowId);
      await pauseAt(two);
      const { gone } = await left(shop);
      await onServer(async (admin) => {
        await admin.query(`drop database ${name} with (force)`);
        await copy(admin, backup, name);
      });
      expect((await left(shop)).gone).toBeLessThan(gone);
      await resume(client, workflowId);
      await parked(client, workflowId);
      await resume(client, workflowId);
      expect(await client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'complete' });
      expect(await left(shop)).toEqual(DONE);
      const file = await certificateOf(shop, workflowId);
      expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
      expect(file.certificate.tables).toMatchObject([{ erased: EXPIRED, failed: 0 }]);
    };
    await withWorker(shop, act, {
      faults: async (point) => {
        await one.faults(point);
        await two.faults(point);
      },
    });
  } finally {
    await onServer(async (admin) => void (await admin.query(`drop database if exists ${backup} with (force)`)));
    await shop.close();
  }
});
