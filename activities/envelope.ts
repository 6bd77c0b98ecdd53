import { createPublicKey } from 'node:crypto';
import { StoreError } from '../database/errors.ts';
import { planEnvelope } from '../database/requests/envelope.ts';
import { isNightDone, nightDone } from '../database/requests/night.ts';
import { MovedOn } from '../database/requests/planned.ts';
import type { ManifestVersion } from '../database/runs.ts';
import { SERVICE } from '../domain/requests/actor.ts';
import { envelopeOf } from '../domain/requests/envelope.ts';
import { nightOf } from '../domain/requests/night.ts';
import type { ActivityDependencies } from './dependencies.ts';

/**
 * Makes the plan of the envelope, once each local day from its time on. Returns when that is next; null: there is no envelope. Whatever
 * keeps it from being made, such as a store that is away or a missing key, holds up no clock: the next look tries again.
 */
export async function envelopeNight(
  dependencies: ActivityDependencies,
  version: Pick<ManifestVersion, 'manifest' | 'hash'>,
  now: Date,
): Promise<Date | null> {
  const { home } = dependencies;
  const { manifest } = version;
  const envelope = envelopeOf(manifest);
  if (envelope === null) return null;
  const night = nightOf(now, envelope.at, manifest.timezone);
  if (night.day === null || (await isNightDone(home, night.day, 'envelope'))) return night.next;
  try {
    const stores = new Map(Object.keys(manifest.stores).map((name) => [name, dependencies.store(manifest, name)]));
    const publicKey = createPublicKey(dependencies.signingKey());
    const vault = dependencies.vault?.() ?? null;
    const { state, batch, people, exceptions } = await planEnvelope({
      home,
      stores,
      version,
      publicKey,
      actor: SERVICE.name,
      now,
      vault,
    });
    await nightDone(home, night.day, 'envelope');
    dependencies.log('the envelope of this night', { state, batch, people, exceptions: exceptions.length });
  } catch (error) {
    // Any other message may quote a value.
    const problem = error instanceof StoreError || error instanceof MovedOn ? error.message : nameOf(error);
    dependencies.log('the envelope waits for the next look', { problem });
  }
  return night.next;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}
