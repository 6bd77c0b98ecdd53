import { StoreError } from '../database/errors.ts';
import { currentManifest } from '../database/runs.ts';
import { beginDueObligations, nextObligation } from '../database/requests/obligations.ts';
import { isNightDone, nightDone } from '../database/requests/night.ts';
import { pruneRequests } from '../database/requests/prune.ts';
import { settleClocks } from '../database/requests/settle.ts';
import { pruneTombstones } from '../database/requests/tombstones.ts';
import { destroyExpired } from '../database/requests/vault.ts';
import { alertSent, openAlerts, warnRequests, type Alert } from '../database/requests/warnings.ts';
import { nightOf } from '../domain/requests/night.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { envelopeNight } from './envelope.ts';
import { guarded } from './failures.ts';
import { postJson } from './alert.ts';

export interface Kept {
  /** Until there is something to do, as far as it is known now. */
  readonly waitMs: number;
  /** Whether the webhook has still to be told something. */
  readonly alerts: boolean;
  /** Whose day has come, by number, to be started now. */
  readonly obligations: readonly string[];
}

export type KeeperActivities = ReturnType<typeof keeperActivities>;

/** Deadlines move, clocks are set, and what nobody tells us of happens: so nothing is waited for longer. */
const LONGEST_WAIT_MS = 3_600_000;
/** More is due already, but not all at once. */
const SHORTEST_WAIT_MS = 5_000;
/** Rows of one transaction of ours: nobody waits for it. */
const ROWS_AT_ONCE = 1_000;
const ALERTS_AT_ONCE = 100;
/** Before anything else of the night, by the clock on the wall. */
const NIGHT = '02:00';

/** What is done once a night, each step safe to repeat: plans of many requests and what goes with age are added here. */
type Nightly = (manifest: Manifest, now: Date) => Promise<void>;

/** What looks after the clocks of all requests. Numbers of requests and of obligations go out, nothing of people. */
export function keeperActivities(dependencies: ActivityDependencies) {
  const { home } = dependencies;
  const nightly: readonly Nightly[] = [forgetTombstones];

  /** Does what is due by now, and tells when to look again. */
  const keep = (): Promise<Kept> =>
    guarded(async () => {
      const now = new Date(dependencies.now());
      const version = await currentManifest(home.db);
      if (version === null) return { waitMs: LONGEST_WAIT_MS, alerts: false, obligations: [] };
      const { manifest } = version;
      await settleClocks(home, manifest, now);
      const { told, next } = await warnRequests(home, manifest, now);
      for (const { request, kind, days } of told) dependencies.log('a request is due', { request, kind, days });
      while ((await destroyExpired(home, now, ROWS_AT_ONCE)) === ROWS_AT_ONCE);
      while ((await pruneRequests(home, manifest, now, ROWS_AT_ONCE)) === ROWS_AT_ONCE);
      const night = nightOf(now, NIGHT, manifest.timezone);
      if (night.day !== null && !(await isNightDone(home, night.day))) {
        for (const task of nightly) await task(manifest, now);
        await nightDone(home, night.day);
      }
      const obligations = await beginDueObligations(home, now);
      const within = await envelopeNight(dependencies, version, now);
      const soonest = [next, await nextObligation(home, now), night.next, within].flatMap((it) => it ?? []);
      const waits = soonest.map((it) => it.getTime() - now.getTime());
      return {
        waitMs: Math.max(SHORTEST_WAIT_MS, Math.min(LONGEST_WAIT_MS, ...waits)),
        alerts: manifest.requests.alerts !== null && (await openAlerts(home, 1)).length > 0,
        obligations,
      };
    });

  /** Tells the webhook each open warning, at least once, the oldest first. Fails retryably at the first that is not taken. */
  const sendAlerts = (): Promise<number> =>
    guarded(async () => {
      const version = await currentManifest(home.db);
      const webhook = version?.manifest.requests.alerts?.webhook;
      if (version === null || webhook === undefined) return 0;
      const url = dependencies.secret(webhook);
      let sent = 0;
      for (let open = await openAlerts(home, ALERTS_AT_ONCE); open.length > 0; open = await openAlerts(home, ALERTS_AT_ONCE)) {
        for (const alert of open) {
          await postJson(url, alert.id, alertBody(alert));
          await alertSent(home, alert.id);
          sent += 1;
        }
      }
      return sent;
    });

  return { keep, sendAlerts };

  /** In each store that can be reached; of one that is away the next night. */
  async function forgetTombstones(manifest: Manifest, now: Date): Promise<void> {
    for (const name of Object.keys(manifest.stores)) {
      const store = dependencies.store(manifest, name);
      try {
        while ((await pruneTombstones(store, now, ROWS_AT_ONCE)) === ROWS_AT_ONCE);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        dependencies.log('tombstones stay for another day', { store: name, problem: error.message });
      }
    }
  }
}

/** For whom it is: what is late is the data protection officer's. Says nothing of who asked. */
function alertBody({ id, request, kind, level, days, due, legalDue }: Alert): Readonly<Record<string, unknown>> {
  return {
    id,
    request,
    kind,
    level,
    due: due.toISOString(),
    legal_due: legalDue.toISOString(),
    days_left: level === 'overdue' ? -days : days,
    to: level === 'overdue' ? 'dpo' : 'officer',
  };
}
