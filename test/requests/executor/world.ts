import pg from 'pg';
import { placeHold } from '../../../database/holds.ts';
import { incarnation } from '../../../database/incarnation.ts';
import { takeLease, type Lease } from '../../../database/lease.ts';
import { migrate } from '../../../database/migrate.ts';
import { eraseChunk, type ChunkFaults, type ChunkStep } from '../../../database/requests/erasure/chunk.ts';
import type { ErasureTarget } from '../../../database/requests/erasure/target.ts';
import type { Step } from '../../../database/ledger.ts';
import { openStore, type Store } from '../../../database/store.ts';
import { noFaults } from '../../../database/faults.ts';
import { parseManifestValue } from '../../../manifest/load.ts';
import type { Manifest } from '../../../manifest/model.ts';
import { freshDatabase } from '../../support/databases.ts';

/** One store, `shop`, in which cases come and go. */
export interface World {
  readonly store: Store;
  readonly url: string;
  readonly base: Manifest;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => Promise<T[]>;
  readonly hold: (id: string, scope: Parameters<typeof placeHold>[1]['scope']) => Promise<void>;
  readonly close: () => Promise<void>;
}

export const NO_FAULTS: ChunkFaults = { step: noFaults };

export async function openWorld(): Promise<World> {
  const database = await freshDatabase();
  const store = openStore({ name: 'shop', url: database.url });
  await migrate(store, true);
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  pool.on('error', () => undefined);
  const { manifest, problems } = parseManifestValue({
    organisation: 'Test',
    timezone: 'Europe/Berlin',
    mode: 'enforce',
    stores: { shop: { url: database.url } },
    purposes: { use: { basis: 'contract', description: 'Use' } },
    tables: { 'shop.public.some': { purposes: ['use'] } },
  });
  if (manifest === null) throw new Error(JSON.stringify(problems));
  return {
    store,
    url: database.url,
    base: manifest,
    query: async <T extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pool.query<T>(text, values)).rows,
    hold: (id, scope) => placeHold(store, { id, scope, reason: 'case', actor: 'tester', endsAt: null }),
    close: async () => {
      await pool.end();
      await store.close();
      await database.drop();
    },
  };
}

/** Takes steps of one run, one behind the other; its targets are of the same tables, by class. */
export class Run {
  readonly #targets: readonly ErasureTarget[];
  readonly #id: string;
  #leases: Lease[] = [];
  #life = '';
  seq = 0;

  constructor(targets: readonly ErasureTarget[], id: string) {
    this.#targets = targets;
    this.#id = id;
  }

  async open(): Promise<this> {
    const { store, tables } = this.#targets[0]!;
    this.#life = await incarnation(store.db);
    for (const { name } of tables) {
      const lease = await takeLease(store, name, this.#id);
      if (lease === null) throw new Error('the lease is taken');
      this.#leases.push(lease);
    }
    return this;
  }

  /** The step behind the last one, or the last one again. */
  async take(chunk: number, faults = NO_FAULTS, again = false, of = 0, target = this.#targets[of]!): Promise<Step> {
    const [lease, ...furtherLeases] = this.#leases;
    const seq = again ? this.seq : this.seq + 1;
    const step: ChunkStep = {
      lane: 0,
      seq,
      lease: lease!,
      furtherLeases,
      incarnation: this.#life,
      lockTimeoutMs: 5_000,
      statementTimeoutMs: 120_000,
    };
    const taken = await eraseChunk(target, { runId: this.#id, chunk, class: of }, step, faults);
    this.seq = seq;
    return taken;
  }
}
