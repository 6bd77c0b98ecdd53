import type pg from 'pg';
import { migrate } from '../../database/migrate.ts';
import { openStore } from '../../database/store.ts';
import { fill, session, warm, type Dataset, type HeapOrder } from './dataset.ts';
import type { BenchServices } from './server.ts';

const PRISTINE = 'pristine';
/** The database that every run works on: always the same name, so that a worker that stays up finds it. */
export const RUN_DATABASE = 'run';
const APPLICATION = 'bench set-up';

/** Makes the pristine database; `restore` copies it. Our schema is in it for every competitor alike. */
export async function makePristine(services: BenchServices, rows: number, order: HeapOrder, partitioned: boolean): Promise<Dataset> {
  await dropAll(services);
  await session(services.adminUrl, APPLICATION, (admin) => admin.query(`create database ${PRISTINE}`));
  const store = openStore({ name: 'shop', url: services.url(PRISTINE) });
  await migrate(store, true);
  await store.close();
  return session(services.url(PRISTINE), APPLICATION, (client) => fill(client, rows, order, partitioned));
}

/**
 * A fresh copy of the pristine files, byte for byte, read into the cache. The copy is synced and ends with a checkpoint, so every run starts
 * with the same pages, nothing left to write, and each page's first change logged in full.
 */
export async function restore(services: BenchServices): Promise<void> {
  await session(services.adminUrl, APPLICATION, async (admin) => {
    await admin.query(`drop database if exists ${RUN_DATABASE} with (force)`);
    await admin.query(`create database ${RUN_DATABASE} template ${PRISTINE} strategy file_copy`);
  });
  await session(services.url(RUN_DATABASE), APPLICATION, async (client: pg.Client) => {
    await warm(client);
    await client.query('checkpoint');
  });
}

export async function dropAll(services: BenchServices): Promise<void> {
  await session(services.adminUrl, APPLICATION, async (admin) => {
    await admin.query(`drop database if exists ${RUN_DATABASE} with (force)`);
    await admin.query(`drop database if exists ${PRISTINE} with (force)`);
  });
}
