import pg from 'pg';
import { RUN_DATABASE } from './clones.ts';
import { FOREIGN } from './foreign-messages.ts';
import type { BenchServices } from './server.ts';

/** How often we look: a wait that we see ended at most this long after we saw it last. */
export const WATCH_MS = 20;

export interface Blocking {
  /** Foreign statements that were seen waiting for a competitor's lock. */
  readonly statements: number;
  /** The longest that one of them had waited when last seen, by the server's own record of when the wait began. */
  readonly longestMs: number;
}

export interface Watcher {
  readonly stop: () => Promise<Blocking>;
}

// Only sessions that wait are looked into: pg_blocking_pids stops the lock manager for a moment.
const BLOCKED = `
  select w.pid::text || ' ' || w.query_start::text as statement,
    extract(epoch from clock_timestamp() - l.waitstart) * 1000 as ms
  from pg_stat_activity w join pg_locks l on l.pid = w.pid and not l.granted
  where w.application_name = '${FOREIGN}' and w.wait_event_type = 'Lock' and l.waitstart is not null
    and exists (
      select from unnest(pg_blocking_pids(w.pid)) as b(pid) join pg_stat_activity a on a.pid = b.pid where a.application_name <> '${FOREIGN}')`;

/** Looks again and again for foreign statements that wait for somebody else than each other. */
export async function watchBlocking(services: BenchServices): Promise<Watcher> {
  const client = new pg.Client({ connectionString: services.url(RUN_DATABASE), application_name: 'bench watcher' });
  await client.connect();
  const longest = new Map<string, number>();
  let running = true;
  const look = async (): Promise<void> => {
    while (running) {
      const { rows } = await client.query<{ statement: string; ms: string }>({ name: 'blocked', text: BLOCKED });
      for (const { statement, ms } of rows) longest.set(statement, Math.max(longest.get(statement) ?? 0, Number(ms)));
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    }
  };
  const looking = look();
  looking.catch(() => undefined);
  return {
    stop: async () => {
      running = false;
      await looking;
      await client.end();
      return { statements: longest.size, longestMs: [...longest.values()].reduce((most, ms) => Math.max(most, ms), 0) };
    },
  };
}
