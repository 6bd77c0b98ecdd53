import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { startKeeper } from '../client/requests/keeper.ts';
import { startNews, startRequest } from '../client/requests/start.ts';
import { describe } from '../database/errors.ts';
import { noLoopFaults, type LoopFaults } from '../database/faults.ts';
import { isCurrent } from '../database/migrate.ts';
import { sealConsents } from '../database/permission/seal.ts';
import { forgetProtected } from '../database/retention/protected.ts';
import { currentManifest } from '../database/runs.ts';
import { dispatchOutbox, forgottenRequests, noteStarts } from '../database/serving/outbox.ts';
import { forgetEnded } from '../database/requests/forget.ts';
import { dueNews } from '../database/requests/news.ts';
import { spreadTombstones } from '../database/requests/tombstones.ts';
import { replicator } from '../database/serving/replicator.ts';
import { suppressReady } from '../database/serving/requests.ts';
import { drainSink, openSink } from '../database/serving/sink.ts';
import type { Store } from '../database/store.ts';
import { storePool, type Environment } from '../database/stores.ts';
import type { Manifest } from '../manifest/model.ts';
import { runLoop, type Loop } from './loop.ts';

/** How long what has committed waits at most to be noticed. Each look is one small query. */
const LOOK_EVERY_MS = 150;
/** Sealing gathers what came meanwhile: fewer, larger trees. */
const SEAL_EVERY_MS = 1_000;
const SWEEP_EVERY_MS = 30_000;
/** Tombstones are copied before an erasure is certified; what follows here is that one was lifted, or that a store is new. */
const TOMBSTONES_EVERY_MS = 1_000;
const SWEEP_AT_ONCE = 100;
/** What looks after clocks was seen running, or was started: it is not asked for with each sweep. */
const KEEPER_EVERY_MS = 600_000;
/** A manifest that was applied meanwhile may name other stores, or a sink. */
const MANIFEST_EVERY_MS = 2_000;

export interface ProbityLoopsOptions {
  /** Names the home store; what the loops do follows the manifest in force there. */
  readonly manifest: Manifest;
  readonly taskQueue: string;
  /** Called until it gives a client: Temporal may be away, and nothing but starts of workflows waits for it. */
  readonly client: () => Promise<Client>;
  readonly env?: Environment;
  /** Told when a loop begins to fail, and when it goes on. Never a value of a row. */
  readonly log?: (message: string, attributes: Readonly<Record<string, unknown>>) => void;
  /** For tests alone. */
  readonly faults?: LoopFaults;
  readonly refreshEveryMs?: number;
}

export interface ProbityLoops {
  /** Waits for what is under way, and closes the connections. */
  readonly stop: () => Promise<void>;
}

/**
 * What must go on beside the jobs: workflows of committed requests are started, replicas are kept, the sink is written, records are sealed.
 * Every worker runs them; they share the work by row locks and leases, so one that dies leaves nothing undone. Call `stop` at the end.
 */
export function startProbityLoops(options: ProbityLoopsOptions): ProbityLoops {
  const { taskQueue, client, env = process.env, faults = noLoopFaults } = options;
  const log = options.log ?? (() => undefined);
  const pool = storePool(env, 'probity loops');
  const home = pool.home(options.manifest);
  const workerId = randomUUID();
  const stopping = new AbortController();
  const signal = stopping.signal;
  const inForce = manifestInForce(home);
  let keeperAt = Number.NEGATIVE_INFINITY;
  const run = (loop: Loop): Promise<void> => runLoop(loop, { signal, log });

  const loops = [
    run({ name: 'outbox', everyMs: LOOK_EVERY_MS, turn: outbox }),
    run({ name: 'sweeper', everyMs: SWEEP_EVERY_MS, turn: sweep }),
    run({ name: 'seal', everyMs: SEAL_EVERY_MS, turn: seal }),
    perStore('sink', drains),
    perStore('replica', replicates),
    perStore('tombstones', buries),
    perStore('forget', forgets),
  ];

  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(loops);
      await pool.close();
    },
  };

  async function outbox(): Promise<boolean> {
    if ((await inForce()) === null) return false;
    await suppressReady(home);
    return (await dispatchOutbox(home, async (request) => startRequest(await client(), request, taskQueue), faults)) > 0;
  }

  async function sweep(): Promise<boolean> {
    const manifest = await inForce();
    if (manifest === null) return false;
    await eachOf(
      (after) => forgottenRequests(home, after, SWEEP_AT_ONCE),
      async (request) => {
        await startRequest(await client(), request, taskQueue);
        await noteStarts(home.db, [request]);
      },
    );
    if (manifest.mode === 'enforce')
      await eachOf(
        (after) => dueNews(home, { after, limit: SWEEP_AT_ONCE }),
        async ({ request }) => startNews(await client(), request, taskQueue),
      );
    if (performance.now() - keeperAt >= KEEPER_EVERY_MS) {
      await startKeeper(await client(), manifest.organisation, taskQueue);
      keeperAt = performance.now();
    }
    return false;
  }

  /** Page by page, each behind the last of the one before. */
  async function eachOf<T extends { readonly request: string }>(
    page: (after: string) => Promise<readonly T[]>,
    act: (it: T) => Promise<void>,
  ): Promise<void> {
    for (let after: string | undefined = ''; after !== undefined && !signal.aborted;) {
      const found = await page(after);
      for (const it of found) await act(it);
      after = found.at(-1)?.request;
    }
  }

  async function seal(): Promise<boolean> {
    if ((await inForce()) !== null) await sealConsents(home, { wait: false });
    return false;
  }

  /** A loop for each store that the manifest in force names, for as long as it does. */
  async function perStore(name: string, create: (store: string) => Loop | null): Promise<void> {
    const running = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
    while (!signal.aborted) {
      const manifest = await inForce().catch(() => undefined);
      const wanted = manifest === undefined ? [...running.keys()] : Object.keys(manifest?.stores ?? {});
      for (const store of wanted) {
        const loop = running.has(store) ? null : create(store);
        if (loop === null) continue;
        const stop = new AbortController();
        running.set(store, {
          stop,
          done: runLoop({ ...loop, name: `${name} ${store}` }, { signal: AbortSignal.any([signal, stop.signal]), log }),
        });
      }
      for (const [store, { stop }] of running) {
        if (wanted.includes(store)) continue;
        stop.abort();
        running.delete(store);
      }
      await sleep(MANIFEST_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all([...running.values()].map(({ done }) => done));
  }

  function drains(name: string): Loop {
    const turn = async (): Promise<boolean> => {
      const manifest = await inForce();
      const declared = manifest?.sink ?? null;
      if (manifest === null || declared === null || manifest.stores[name] === undefined) return false;
      return (await drainSink(pool.get(manifest, name), openSink(declared, env), faults)) > 0;
    };
    return { name, everyMs: LOOK_EVERY_MS, turn };
  }

  function buries(name: string): Loop | null {
    if (name === home.name) return null;
    const turn = async (): Promise<boolean> => {
      const manifest = await inForce();
      if (manifest?.stores[name] === undefined) return false;
      const store = pool.get(manifest, name);
      if (await isCurrent(store, false)) await spreadTombstones(home, store);
      return false;
    };
    return { name, everyMs: TOMBSTONES_EVERY_MS, turn };
  }

  function forgets(name: string): Loop {
    const turn = async (): Promise<boolean> => {
      const manifest = await inForce();
      if (manifest?.stores[name] === undefined) return false;
      const store = pool.get(manifest, name);
      if (!(await isCurrent(store, name === home.name))) return false;
      await forgetEnded(home, store);
      await forgetProtected(home, store, { manifest, storeNamed: (it) => pool.get(manifest, it) });
      return false;
    };
    return { name, everyMs: SWEEP_EVERY_MS, turn };
  }

  function replicates(name: string): Loop | null {
    if (name === home.name) return null;
    let made: { readonly store: Store; readonly one: ReturnType<typeof replicator> } | null = null;
    const turn = async (): Promise<boolean> => {
      const manifest = await inForce();
      if (manifest?.stores[name] === undefined) return false;
      const store = pool.get(manifest, name);
      if (made?.store !== store) {
        const { refreshEveryMs } = options;
        made = { store, one: replicator({ home, store, workerId, faults, ...(refreshEveryMs === undefined ? {} : { refreshEveryMs }) }) };
      }
      return (await made.one.tick()).busy;
    };
    return { name, everyMs: LOOK_EVERY_MS, turn, stop: async () => made?.one.stop() };
  }
}

/** The manifest in force, read again every so often; null before there is one, or while our schema is not this version's. */
function manifestInForce(home: Store): () => Promise<Manifest | null> {
  let known: Manifest | null = null;
  let hash: string | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - readAt < MANIFEST_EVERY_MS) return known;
    try {
      const version = (await isCurrent(home, true)) ? await currentManifest(home.db) : null;
      if (version?.hash !== hash) [known, hash] = [version?.manifest ?? null, version?.hash ?? null];
      readAt = performance.now();
      return known;
    } catch (error) {
      throw describe(error, { store: home.name });
    }
  };
}
