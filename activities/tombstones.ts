import { ApplicationFailure } from '@temporalio/common';
import { buryPeople } from '../database/requests/tombstones.ts';
import { drainSink, sinkAt, SinkRefused, SinkUnwritable } from '../database/serving/sink.ts';
import type { EvidenceRecord } from '../domain/evidence/chain.ts';
import { CLOSING } from '../domain/requests/outcome.ts';
import { MissingSecret } from '../manifest/secrets.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { ErasureContext } from './erasures-open.ts';

/**
 * Sets the tombstones of whoever was erased, and returns when they would outlive the loss of the store, with what a certificate says of them.
 * Fails retryably, with type `sink`, while the sink that the manifest names cannot be written: then nothing is certified.
 */
export async function buryErased(
  dependencies: ActivityDependencies,
  { plan, hash, manifest }: ErasureContext,
  records: readonly EvidenceRecord[],
): Promise<string[]> {
  const { home } = dependencies;
  const closings = records.filter(({ body }) => body.kind === CLOSING).map(({ body }) => body.at);
  const people = await buryPeople({
    home,
    stores: new Map(Object.keys(manifest.stores).map((name) => [name, dependencies.store(manifest, name)])),
    manifest,
    manifestHash: plan.manifest,
    plan: hash,
    run: plan.run,
    classes: plan.classes,
    erasedAt: closings.length === 0 ? new Date(plan.asOf) : new Date(closings.toSorted().at(-1)!),
  });
  if (people === 0) return [];
  if (manifest.sink !== null) {
    try {
      await drainSink(home, sinkAt(dependencies.secret(manifest.sink.file), dependencies.secret(manifest.sink.key)));
    } catch (error) {
      if (!(error instanceof SinkUnwritable || error instanceof SinkRefused || error instanceof MissingSecret)) throw error;
      throw ApplicationFailure.create({ type: 'sink', message: error.message });
    }
  }
  return [
    `${people} ${people === 1 ? 'person has' : 'people have'} a tombstone of keyed hashes for ${manifest.own['tombstones']}: imports that ask leave out their older rows, and a store that is restored erases them again`,
    manifest.sink === null
      ? 'the manifest names no sink: a home store that is restored knows of it from the other stores alone'
      : 'the tombstones are in the sink outside the store',
  ];
}
