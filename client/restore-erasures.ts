import type { KeyObject } from 'node:crypto';
import { issueCertificate } from '../database/certificates.ts';
import { eraseAgain, owedErasures, oweErasures, type ErasedAgain } from '../database/requests/erased-again.ts';
import { closeErased, knownTombstones, putBackErased } from '../database/requests/tombstones-known.ts';
import { takeTombstones } from '../database/requests/tombstones.ts';
import { currentManifest } from '../database/runs.ts';
import { servingState } from '../database/serving/replay.ts';
import { CLOSING, MASKED_PINNED } from '../domain/requests/outcome.ts';
import { chainHeads } from '../domain/evidence/chain.ts';
import type { Manifest } from '../manifest/model.ts';
import { isMigrated } from './migrate.ts';
import type { Project } from './project.ts';
import { readSigningKey, SigningKeyMissing } from './signing.ts';

type Body = Readonly<Record<string, unknown>>;

/** What became of erasures that a restore has undone. */
export interface ErasuresReplayed {
  /** People whose tombstone a restored store had lost. */
  readonly erasures: number;
  /** Of these, people of whom something had come back, and rows that were erased, masked or cut off again. */
  readonly people: number;
  readonly rows: number;
  /** Groups of people who could not be dealt with to the end, by store; sentences. */
  readonly left: readonly string[];
  /** Stores in which rows are under a hold: to be repeated when it is released. */
  readonly held: readonly string[];
  /** Serial numbers of the certificates; empty where no signing key is at hand. */
  readonly certificates: readonly number[];
}

/**
 * Erases again, in each store that was restored, whoever had been erased before: by the tombstones that the sink, the home store and the other stores
 * know and the restored one does not. What a restored store holds is older than an erasure that it does not know; a store that was not restored is left
 * alone. Idempotent: what is owed stands in the store until it is done.
 */
export async function replayErasures(project: Project, told: readonly Body[], actor: string, beat: () => void): Promise<ErasuresReplayed> {
  const { home } = project;
  const version = await currentManifest(home.db);
  const done: ErasedAgain[] = [];
  const left: string[] = [];
  const stores = [];
  for (const store of project.stores.values()) if (await isMigrated(store, store === home)) stores.push(store);
  const known = JSON.stringify([...told, ...(await knownTombstones(stores))]);
  const restored = [];
  for (const store of stores) if ((await servingState(store)).restored) restored.push(store);
  const lost = new Set<string>();
  for (const store of restored) for (const id of await oweErasures(store, known)) lost.add(id);
  await putBackErased(home, told);
  for (const store of stores) {
    // Those that were not restored take what they do not have without owing it.
    if (restored.includes(store)) await closeErased(store);
    else await takeTombstones(store, known);
    for (const owed of await owedErasures(store)) {
      if (version === null || version.mode !== 'enforce') {
        left.push(
          `${store.name}: ${owed.tombstones.length} people stay, since the manifest in force only observes: probity apply --enforce`,
        );
        continue;
      }
      const again = await eraseAgain(store, owed, { home, manifest: version.manifest, manifestHash: version.hash, actor, beat });
      done.push(again);
      if (again.state === 'impossible') left.push(...again.problems.map((problem) => `${store.name}: ${problem}`));
      else if (again.state === 'left') left.push(`${store.name}: rows come faster than they go: see what writes them`);
    }
  }
  const certificates = version === null ? [] : await certify(project, version.manifest, version.hash, actor, done);
  return {
    erasures: lost.size,
    people: done.reduce((sum, { people }) => sum + people, 0),
    rows: done.reduce((sum, { rows }) => sum + rows, 0),
    left: [...new Set(left)],
    held: [...new Set(done.filter(({ state }) => state === 'held').map(({ store }) => store))],
    certificates,
  };
}

/** A certificate for each run that changed something. */
async function certify(
  { home, env }: Project,
  manifest: Manifest,
  manifestHash: string,
  actor: string,
  done: readonly ErasedAgain[],
): Promise<number[]> {
  const key = signingKey(env);
  if (key === null) return [];
  const serials: number[] = [];
  for (const again of done) {
    if (again.run === null) continue;
    const { certificate } = await issueCertificate(
      home,
      {
        organisation: manifest.organisation,
        job: 'requests',
        run: again.run,
        request: again.requests.join(', '),
        manifest: manifestHash,
        plan: again.plan,
        actor,
        approvedBy: null,
        asOf: again.startedAt.toISOString(),
        startedAt: again.startedAt.toISOString(),
        // The search for what is left is not made again: the places that it would look at were not seen.
        outcome: again.state === 'done' ? 'scan-limited' : 'incomplete',
        tables: tablesOf(again),
        statements: statementsOf(again),
        heads: chainHeads(again.records),
      },
      again.records,
      key,
    );
    serials.push(certificate.serial);
  }
  return serials;
}

function signingKey(env: Project['env']): KeyObject | null {
  try {
    return readSigningKey(env);
  } catch (error) {
    if (error instanceof SigningKeyMissing) return null;
    throw error;
  }
}

function tablesOf({ erasure, records, store, startedAt }: ErasedAgain) {
  const steps = records.filter(({ body }) => body.kind !== CLOSING);
  return erasure.tables.map(({ table }) => {
    const of = (outcome: string): number => steps.reduce((sum, { body }) => sum + (body.counts[`${outcome}:${table}`] ?? 0), 0);
    const kept = Object.entries(steps[0]?.body.counts ?? {}).filter(
      ([name]) => /^(kept|held|pinned)/.test(name) && name.endsWith(`:${table}`),
    );
    const [erased, masked, detached] = [of('erased'), of('masked') + of(MASKED_PINNED), of('detached')];
    const stay = kept.reduce((sum, [, rows]) => sum + rows, 0);
    return {
      table: `${store}.${table}`,
      rule: 'erasure, replayed after a restore',
      cutOff: startedAt.toISOString(),
      planned: erased + masked + stay,
      erased,
      masked,
      failed: 0,
      withOthers: 0,
      kept: Object.fromEntries(kept.map(([name, rows]) => [name.slice(0, -table.length - 1), rows])),
      along: detached === 0 ? {} : { [`detached:${table}`]: detached },
    };
  });
}

function statementsOf({ store, people, records }: ErasedAgain): string[] {
  const closing = records.findLast(({ body }) => body.kind === CLOSING)?.body;
  return [
    `${store} was restored from a copy that did not know of the erasure: ${people} people were found by the hashes of their tombstones and erased again by the scope that was approved`,
    `${store}: ${closing?.range ?? 'at an unknown snapshot'} every planned row was read again, and ${closing?.counts['remaining'] ?? 0} are left to be erased or masked`,
    `${store} was not searched again for what stands where nobody declared it`,
  ];
}
