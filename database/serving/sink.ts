import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import {
  NONCE_BYTES,
  openLine,
  sealLine,
  sinkKeyId,
  SINK_KEY_BYTES,
  type SinkEntry,
  type SinkLine,
} from '../../domain/serving/sink-line.ts';
import { resolveSecrets } from '../../manifest/secrets.ts';
import type { Sink as SinkDeclaration } from '../../manifest/model.ts';
import { inTransaction, type Store } from '../store.ts';
import type { Environment } from '../stores.ts';
import { noLoopFaults, type LoopFaults } from '../faults.ts';
import { SinkRefused, type Lines } from './lines.ts';
import { fileLines } from './sink-file.ts';

export { SinkRefused, SinkUnreadable, SinkUnwritable } from './lines.ts';

/** The sink: entries that outlive a restore, encrypted. */
export interface Sink {
  readonly name: string;
  readonly keyId: string;
  readonly append: (entries: readonly SinkEntry[]) => Promise<void>;
  readonly read: () => AsyncIterable<SinkLine>;
}

/** The sink that a manifest names; touches nothing yet. Throws `SinkRefused`, `MissingSecret`. */
export function openSink(declared: SinkDeclaration, env: Environment): Sink {
  return sinkAt(resolveSecrets(declared.file, env), resolveSecrets(declared.key, env));
}

/** The sink at a place, with its key as text; touches nothing yet. Throws `SinkRefused`. */
export function sinkAt(place: string, key: string): Sink {
  return encryptedSink(linesAt(place), parseSinkKey(key));
}

export function encryptedSink(lines: Lines, key: Buffer): Sink {
  return {
    name: lines.name,
    keyId: sinkKeyId(key),
    append: (entries) => lines.append(entries.map((entry) => sealLine(entry, key, randomBytes(NONCE_BYTES)))),
    read: async function* () {
      for await (const line of lines.read()) yield openLine(line, key);
    },
  };
}

function linesAt(place: string): Lines {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(place)?.[1]?.toLowerCase();
  if (scheme === undefined) return fileLines(place);
  throw new SinkRefused(`The sink is a file today; a bucket (${scheme}://) is not there yet: name a file on a disk that no store is on`);
}

/** 32 bytes in base64 or hexadecimal. */
export function parseSinkKey(text: string): Buffer {
  const trimmed = text.trim();
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64');
  if (bytes.length !== SINK_KEY_BYTES)
    throw new SinkRefused(
      `The key of the sink is ${SINK_KEY_BYTES} bytes in base64 or hexadecimal: make one with \`probity keys create --sink FILE\``,
    );
  return bytes;
}

/** Rows that share one write and one wait for the disk; a line is some 500 bytes. */
const ROWS_AT_ONCE = 1_000;

/**
 * Empties the store's queue into the sink. When this returns, every row that had committed before the call is in the sink, whoever wrote
 * it: rows that another drainer holds are waited for. Returns how many it wrote itself. A crash between the two repeats an entry, under
 * the same id.
 */
export async function drainSink(store: Store, sink: Sink, faults: LoopFaults = noLoopFaults): Promise<number> {
  for (let drained = 0; ;) {
    const taken = await inTransaction(store, { settings: { synchronous_commit: 'on' } }, async (trx) => {
      // A row that was deleted while we waited for its lock does not count towards the limit: fewer rows than that are the last ones.
      const { rows } = await sql<{ id: string; entry: string; at: string; body: SinkEntry['body'] }>`
        select q.entry_id::text as id, q.entry::text as entry, to_char(q.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, q.body
        from probity.sink_queue q order by q.entry_id limit ${ROWS_AT_ONCE} for update`.execute(trx);
      if (rows.length === 0) return 0;
      await sink.append(rows.map(({ entry, at, body }) => ({ entry, at, store: store.name, kind: String(body['kind']), body })));
      await faults('sink after append');
      await sql`delete from probity.sink_queue where entry_id = any (${rows.map(({ id }) => id)}::bigint[])`.execute(trx);
      return rows.length;
    });
    drained += taken;
    if (taken < ROWS_AT_ONCE) return drained;
  }
}

/** Rows that are not in the sink yet, and the age of the oldest in milliseconds. */
export async function sinkQueue(store: Store): Promise<{ readonly rows: number; readonly oldestMs: number }> {
  const { rows } = await sql<{ rows: number; oldest: number }>`
    select count(*) as rows, coalesce(extract(epoch from clock_timestamp() - min(created_at)) * 1000, 0)::float8 as oldest
    from probity.sink_queue`.execute(store.db);
  return { rows: rows[0]?.rows ?? 0, oldestMs: Math.max(0, rows[0]?.oldest ?? 0) };
}
