import { drainSink, openSink, SinkRefused, SinkUnwritable, type Sink } from '../database/serving/sink.ts';
import { isOutOfReach } from '../database/errors.ts';
import { MissingSecret } from '../manifest/secrets.ts';
import { isMigrated } from './migrate.ts';
import type { Project } from './project.ts';

/** Whether what has committed would survive the loss of the database. It is in force in any case. */
export type Durability =
  | { readonly durable: true }
  /** The manifest names no sink. */
  | { readonly durable: false; readonly why: 'no sink'; readonly message: string }
  /** It waits in the store and is written as soon as the sink can be. */
  | { readonly durable: false; readonly why: 'unwritable'; readonly message: string };

const NO_SINK = 'not durable: the manifest names no sink, so a restored backup would not know it (docs/serving.md)';

/** The project's sink; null when its manifest names none. Throws `SinkRefused`, `MissingSecret`. */
export function sinkOf({ manifest, env }: Project): Sink | null {
  return manifest.sink === null ? null : openSink(manifest.sink, env);
}

/** Writes what the stores still owe the sink, and returns when everything that had committed before is there. */
export async function durability(project: Project): Promise<Durability> {
  if (project.manifest.sink === null) return { durable: false, why: 'no sink', message: NO_SINK };
  const problems: string[] = [];
  try {
    const sink = sinkOf(project);
    for (const [, store] of project.stores) {
      try {
        if (sink !== null && (await isMigrated(store, store === project.home))) await drainSink(store, sink);
      } catch (error) {
        if (!isOutOfReach(error)) throw error;
        problems.push(`store ${store.name} is out of reach`);
      }
    }
  } catch (error) {
    if (!(error instanceof SinkUnwritable || error instanceof SinkRefused || error instanceof MissingSecret)) throw error;
    problems.push(error.message);
  }
  if (problems.length === 0) return { durable: true };
  return {
    durable: false,
    why: 'unwritable',
    message: `in force, but not durable yet: ${problems.join('; ')}. It waits in the database: mend the sink, and a worker writes it, or \`probity serving drain\``,
  };
}

/** True when everything that has committed is in the sink; false when there is none, or it cannot be written now. */
export async function durable(project: Project): Promise<boolean> {
  return (await durability(project)).durable;
}
