import { sql } from 'kysely';
import { isOutOfReach } from '../database/errors.ts';
import type { Lag } from '../database/serving/lag.ts';
import { servingState, type ServingState } from '../database/serving/replay.ts';
import { sinkQueue } from '../database/serving/sink.ts';
import type { Store } from '../database/store.ts';
import { isMigrated, requireHome } from './migrate.ts';
import type { Project } from './project.ts';

export { durability, durable, type Durability } from './durability.ts';

export interface StoreServing extends ServingState {
  readonly home: boolean;
  /** Other stores: changes of the home store that are not here yet, the age of the oldest, and how long the last ones took. Milliseconds. */
  readonly pending: number;
  readonly oldestMs: number;
  readonly lag: Lag | null;
  /** What the sink does not have yet. */
  readonly sinkRows: number;
  readonly sinkOldestMs: number;
}

export interface ServingStatus {
  readonly stores: readonly StoreServing[];
  /** Stores that cannot be asked, each with why. */
  readonly silent: Readonly<Record<string, string>>;
  /** Requests whose workflow is still to be started, and those that are not in force everywhere. */
  readonly outbox: number;
  readonly openRequests: number;
  readonly sink: 'none' | 'written' | 'behind';
  /** Whether everything answers, and nothing waits for longer than it should. */
  readonly healthy: boolean;
}

/** A row that is older is waited for in vain: the sink cannot be written, or no worker runs. */
const BEHIND_MS = 10_000;

/** How the stores serve now, from their own tables: needs no worker and no Temporal. */
export async function servingStatus(project: Project): Promise<ServingStatus> {
  await requireHome(project);
  const { home, manifest } = project;
  const stores: StoreServing[] = [];
  const silent: Record<string, string> = {};
  const { rows: replicas } = await sql<Followed & { store: string }>`
    select r.store, r.lag, count(c.change_id) as pending,
      coalesce(extract(epoch from clock_timestamp() - min(c.created_at)) * 1000, 0)::float8 as "oldestMs"
    from probity.replica r left join probity.replica_change c on c.store = r.store group by r.store, r.lag order by r.store`.execute(
    home.db,
  );
  for (const store of project.stores.values()) {
    const followed = replicas.find((it) => it.store === store.name);
    if (store !== home && followed === undefined) continue;
    try {
      if (await isMigrated(store, store === home)) stores.push(await one(store, store === home, followed));
      else silent[store.name] = 'it has no current schema of ours: run `probity migrate`';
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
      silent[store.name] = 'it is out of reach';
    }
  }
  const { rows: queues } = await sql<{ outbox: number; requests: number }>`
    select (select count(*) from probity.outbox) as outbox, (select count(*) from probity.request where state = 'open' and record_id is not null) as requests`.execute(
    home.db,
  );
  const behind = stores.some(({ sinkOldestMs }) => sinkOldestMs > BEHIND_MS);
  const sink = manifest.sink === null ? 'none' : behind ? 'behind' : 'written';
  const healthy = Object.keys(silent).length === 0 && !behind && stores.every(({ open, restored }) => open && !restored);
  return { stores, silent, outbox: queues[0]?.outbox ?? 0, openRequests: queues[0]?.requests ?? 0, sink, healthy };
}

interface Followed {
  readonly pending: number;
  readonly oldestMs: number;
  readonly lag: Lag | null;
}

async function one(store: Store, home: boolean, followed: Followed | undefined): Promise<StoreServing> {
  const { rows, oldestMs } = await sinkQueue(store);
  const { pending = 0, oldestMs: changeMs = 0, lag = null } = followed ?? {};
  return { ...(await servingState(store)), home, pending, oldestMs: changeMs, lag, sinkRows: rows, sinkOldestMs: oldestMs };
}
