import { readFile } from 'node:fs/promises';
import type { ClientBase } from 'pg';
import { pageViewPartitions } from './activity.ts';
import { loadTable } from './copy.ts';
import type { CopyTable, LoadProgress } from './copy.ts';
import { claimDatabase, markComplete, refuseForeign, withClient } from './marker.ts';
import { sampleStreams } from './streams.ts';
import { timestamptz } from './time.ts';
import type { Instant } from './time.ts';

export { NotOurDatabase, isSample, readMarker } from './marker.ts';
export type { Marker } from './marker.ts';

/** The night in which the example's first purge runs: 01:15 in Berlin. */
export const SAMPLE_NOW = new Date('2026-11-22T00:15:00Z');
export const SAMPLE_SEED = 20261122;
/** Beyond it customers and orders, which are held in memory while loading, would need gigabytes. */
const LARGEST_SCALE = 50;

export interface SampleOptions {
  readonly shopUrl: string;
  readonly supportUrl: string;
  /** 1 is 20,000 customers and about a million page views and events. */
  readonly scale?: number;
  readonly seed?: number;
  /** The reference date: rows are made to look as they would then. */
  readonly now?: Date;
  readonly progress?: (progress: SampleProgress) => void;
}

export interface SampleProgress extends LoadProgress {
  readonly store: 'shop' | 'support';
}

export interface SampleSummary {
  /** Rows by `store.schema.table`. */
  readonly tables: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly seconds: number;
}

/**
 * Makes Acme Outdoor in two databases: schema, rows by COPY, keys and indexes, statistics, and the mark that it is ours.
 * A database that we made before is made anew; one that has a table which we did not make is refused (NotOurDatabase).
 */
export async function createSampleCompany(options: SampleOptions): Promise<SampleSummary> {
  const { shopUrl, supportUrl, scale = 1, seed = SAMPLE_SEED, now = SAMPLE_NOW, progress = () => undefined } = options;
  if (!(scale > 0 && scale <= LARGEST_SCALE)) throw new RangeError(`scale must be more than 0 and at most ${LARGEST_SCALE}`);
  if (!Number.isSafeInteger(seed)) throw new RangeError('seed must be a whole number');
  const started = performance.now();
  const streams = sampleStreams(scale, seed, now.getTime());
  const tables: Record<string, number> = {};

  const load = async (store: 'shop' | 'support', url: string, partitions: string): Promise<void> => {
    const [before, after] = await schemaParts(store);
    const copies = streams[store];
    await withClient(url, async (client) => {
      await claimDatabase(client, { name: nameOf(store), seed, scale }, tableNames(copies));
      await client.query(before + partitions);
      for (const copy of copies) {
        tables[`${store}.public.${copy.table}`] = await loadTable(client, copy, (step) => progress({ store, ...step }));
      }
      await finish(client, after);
    });
  };
  // Both are looked at before either is changed.
  await withClient(shopUrl, (client) => refuseForeign(client, nameOf('shop'), tableNames(streams.shop)));
  await withClient(supportUrl, (client) => refuseForeign(client, nameOf('support'), tableNames(streams.support)));
  await load('shop', shopUrl, partitionDdl(now.getTime()));
  await load('support', supportUrl, '');

  const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
  return { tables, rows, seconds: (performance.now() - started) / 1000 };
}

async function finish(client: ClientBase, after: string): Promise<void> {
  await client.query(after);
  await client.query('analyze');
  await markComplete(client);
}

/** The schema's two halves: what stands before the load, and the keys, indexes and triggers that are cheaper after it. */
async function schemaParts(store: 'shop' | 'support'): Promise<readonly [string, string]> {
  const text = await readFile(new URL(`schema-${store}.sql`, import.meta.url), 'utf8');
  const [before, after] = text.split('-- after the load\n');
  if (before === undefined || after === undefined) throw new Error(`schema-${store}.sql has no line "-- after the load"`);
  return [before, after];
}

function partitionDdl(now: Instant): string {
  return pageViewPartitions(now)
    .map(
      ({ name, from, to }) =>
        `create table ${name} partition of page_view for values from ('${timestamptz(from)}') to ('${timestamptz(to)}');\n`,
    )
    .join('');
}

function nameOf(store: 'shop' | 'support'): string {
  return `acme-outdoor/${store}`;
}

function tableNames(copies: readonly CopyTable[]): readonly string[] {
  return copies.map((copy) => copy.table);
}
