import { Context } from '@temporalio/activity';
import { syncTable, type TableSynced } from '../database/permission/consent-table.ts';
import { currentManifest } from '../database/runs.ts';
import { namedSources, type NamedSource } from '../domain/consent/sources.ts';
import { storeOf } from '../manifest/ids.ts';
import type { Manifest } from '../manifest/model.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { guarded, refusal } from './failures.ts';

export type { Analysed } from '../database/permission/analyse.ts';

/** One call works this long at most, so that histories show progress and a cancellation is felt. Milliseconds. */
const CALL_BUDGET_MS = 30_000;

export interface SyncRequest {
  readonly runId: string;
  readonly source: string;
  readonly full: boolean;
}

export interface ConsentActivities {
  /** Names of the manifest's tables of consent, or the one that is asked for. */
  readonly consentSources: (only: string | null) => Promise<readonly string[]>;
  /** Reads one of them for a while. Only counts come back. */
  readonly syncConsents: (request: SyncRequest) => Promise<TableSynced>;
}

export function consentActivities(dependencies: ActivityDependencies): ConsentActivities {
  const { home } = dependencies;
  const manifestInForce = async (): Promise<Manifest> => {
    const version = await currentManifest(home.db);
    if (version === null) throw refusal('no manifest', 'No manifest has been applied: run `probity apply`');
    return version.manifest;
  };
  const named = (manifest: Manifest, name: string): NamedSource => {
    const found = namedSources(manifest).find((it) => it.name === name);
    if (found === undefined) throw refusal('no source', `The manifest in force names no table of consent ${name}`);
    return found;
  };
  return {
    consentSources: (only) =>
      guarded(async () => {
        const manifest = await manifestInForce();
        return only === null ? namedSources(manifest).map(({ name }) => name) : [named(manifest, only).name];
      }),
    syncConsents: ({ runId, source, full }) =>
      guarded(async () => {
        const manifest = await manifestInForce();
        const found = named(manifest, source);
        const context = Context.current();
        const until = dependencies.now() + CALL_BUDGET_MS;
        const synced = await syncTable({
          ...found,
          home,
          store: dependencies.store(manifest, storeOf(found.source.table)),
          manifest,
          runId,
          full,
          stop: () => context.cancellationSignal.aborted || dependencies.now() >= until,
          beat: () => context.heartbeat(),
        });
        if (synced.analysed === 'refused' || synced.analysed === 'later')
          dependencies.log('the ledger has grown, but its tables could not be analysed', { source, analysed: synced.analysed });
        return synced;
      }),
  };
}
