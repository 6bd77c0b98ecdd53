import { sql } from 'kysely';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

export interface SyncCounts {
  readonly read: number;
  readonly recorded: number;
  /** The ledger had them already. */
  readonly known: number;
  readonly rejected: number;
}

/** How far a table has been read. */
export interface SyncState extends SyncCounts {
  readonly source: string;
  /** Of the newest decision that was taken. */
  readonly newestAt: Date | null;
  /** When a reading last came to its end. */
  readonly syncedAt: Date | null;
  /** Of the reading under way, or the last one. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Milliseconds: how old the newest decision is that was taken, and how long ago a reading ended. */
  readonly lagMs: number | null;
  readonly sinceMs: number | null;
  readonly running: boolean;
}

/** Begins a reading, or goes on with the one of this run: then `cursor` is how far it came, and the counts are of that. */
export async function beginSync(
  home: Store,
  source: string,
  runId: string,
): Promise<Pick<SyncCounts, 'recorded' | 'known'> & { readonly position: string | null; readonly cursor: string | null }> {
  return translating(home, async () => {
    const { rows } = await sql<{ position: string | null; cursor: string | null; recorded: number; known: number }>`
      insert into probity.consent_sync as s (source, run_id) values (${source}, ${runId})
      on conflict (source) do update set run_id = ${runId},
        cursor = case when s.run_id = ${runId} then s.cursor end,
        read = case when s.run_id = ${runId} then s.read else 0 end,
        recorded = case when s.run_id = ${runId} then s.recorded else 0 end,
        known = case when s.run_id = ${runId} then s.known else 0 end,
        rejected = case when s.run_id = ${runId} then s.rejected else 0 end,
        reasons = case when s.run_id = ${runId} then s.reasons else '{}' end
      returning position, cursor, recorded, known`.execute(home.db);
    return rows[0]!;
  });
}

/** Keeps how far a reading has come. What it counts twice after a crash it had recorded once. */
export async function keepSync(
  home: Store,
  source: string,
  step: SyncCounts & {
    readonly cursor: string | null;
    readonly newestAt: string | null;
    readonly reasons: Readonly<Record<string, number>>;
  },
): Promise<void> {
  await translating(home, () =>
    sql`
      update probity.consent_sync s set cursor = coalesce(${step.cursor}, s.cursor), newest_at = greatest(s.newest_at, ${step.newestAt}::timestamptz),
        read = s.read + ${step.read}, recorded = s.recorded + ${step.recorded}, known = s.known + ${step.known}, rejected = s.rejected + ${step.rejected},
        reasons = (
          select coalesce(jsonb_object_agg(it.reason, it.times), '{}') from (
            select each.key as reason, sum(each.value::bigint) as times
            from (select * from jsonb_each_text(s.reasons) union all select * from jsonb_each_text(${JSON.stringify(step.reasons)}::jsonb)) each
            group by each.key) it)
      where s.source = ${source}`.execute(home.db),
  );
}

export async function endSync(home: Store, source: string, position: string | null): Promise<void> {
  await translating(home, () =>
    sql`
      update probity.consent_sync set position = coalesce(${position}, position), cursor = null, run_id = null, synced_at = clock_timestamp()
      where source = ${source}`.execute(home.db),
  );
}

/** By name. */
export async function syncStates(home: Store): Promise<SyncState[]> {
  return translating(home, async () => {
    const { rows } = await sql<SyncState>`
      select source, read, recorded, known, rejected, newest_at as "newestAt", synced_at as "syncedAt", reasons, run_id is not null as running,
        round(extract(epoch from clock_timestamp() - newest_at) * 1000)::bigint as "lagMs",
        round(extract(epoch from clock_timestamp() - synced_at) * 1000)::bigint as "sinceMs"
      from probity.consent_sync order by source`.execute(home.db);
    return rows;
  });
}
