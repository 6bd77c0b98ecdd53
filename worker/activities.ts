import type { ActivityDependencies } from '../activities/dependencies.ts';
import { consentActivities, type ConsentActivities } from '../activities/consents.ts';
import { requestActivities, type RequestActivities } from '../activities/requests.ts';
import { keeperActivities, type KeeperActivities } from '../activities/keeper.ts';
import { erasureActivities, type ErasureActivities } from '../activities/erasures.ts';
import { obligationActivities, type ObligationActivities } from '../activities/obligations.ts';
import { noticeActivities, type NoticeActivities } from '../activities/notices.ts';
import { newsActivities, type NewsActivities } from '../activities/news.ts';
import { retentionActivities, type RetentionActivities } from '../activities/retention.ts';
import { noFaults, type Faults } from '../database/faults.ts';
import { storePool, type Environment } from '../database/stores.ts';
import { masterKeys } from '../client/requests/seal.ts';
import { readSigningKey } from '../client/signing.ts';
import type { Manifest } from '../manifest/model.ts';
import { resolveSecrets } from '../manifest/secrets.ts';

export interface ProbityActivitiesOptions {
  /** Names the home store; what a run works with is the version that it pinned. */
  readonly manifest: Manifest;
  /** Secrets that the manifest names, and the signing key. Defaults to the process's environment. */
  readonly env?: Environment;
  readonly log?: (message: string, attributes: Readonly<Record<string, unknown>>) => void;
  /** For tests alone. */
  readonly faults?: Faults;
  /** For tests alone. Milliseconds. */
  readonly now?: () => number;
}

/** Every activity of ours, ready for `Worker.create({ activities })`, with the connections behind them. */
export interface ProbityActivities {
  readonly activities: RetentionActivities &
    RequestActivities &
    ConsentActivities &
    ErasureActivities &
    NoticeActivities &
    NewsActivities &
    KeeperActivities &
    ObligationActivities;
  readonly close: () => Promise<void>;
}

/** Makes the activities for a worker, ours or somebody else's. Call `close` after the worker has stopped. */
export function probityActivities(options: ProbityActivitiesOptions): ProbityActivities {
  const env = options.env ?? process.env;
  const pool = storePool(env, 'probity worker');
  const dependencies: ActivityDependencies = {
    home: pool.home(options.manifest),
    store: pool.get,
    signingKey: () => readSigningKey(env),
    vault: () => masterKeys(env),
    now: options.now ?? (() => Date.now()),
    faults: options.faults ?? noFaults,
    secret: (text) => resolveSecrets(text, env),
    log: options.log ?? (() => undefined),
  };
  return {
    activities: {
      ...retentionActivities(dependencies),
      ...requestActivities(dependencies),
      ...consentActivities(dependencies),
      ...erasureActivities(dependencies),
      ...noticeActivities(dependencies),
      ...newsActivities(dependencies),
      ...keeperActivities(dependencies),
      ...obligationActivities(dependencies),
    },
    close: pool.close,
  };
}
