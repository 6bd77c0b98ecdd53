import { sql, type RawBuilder, type Transaction } from 'kysely';
import { createJudge, instantOf, wallClock, type Said } from '../../domain/consent/decided.ts';
import { keyKind, canonicalKey, type KeyKind } from '../../domain/subject-key.ts';
import type { NamedSource } from '../../domain/consent/sources.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { ColumnOrConstant, Manifest } from '../../manifest/model.ts';
import { readCatalog } from '../catalog.ts';
import { ident, tableRef } from '../identifiers.ts';
import { inTransaction, type Store } from '../store.ts';
import { analyseLedger, type Analysed } from './analyse.ts';
import { importEntries } from './import.ts';
import { keyKinds } from './key-kinds.ts';
import type { RecordEntry } from './record.ts';
import { beginSync, endSync, keepSync, type SyncCounts } from './consent-sync.ts';

export interface TableSync extends NamedSource {
  readonly home: Store;
  readonly store: Store;
  readonly manifest: Manifest;
  readonly runId: string;
  /** From the beginning, whatever has been read before. */
  readonly full: boolean;
  /** Asked between batches; what was read until then is kept. */
  readonly stop: () => boolean;
  readonly beat: () => void;
}

export interface TableSynced extends SyncCounts {
  /** False: stopped before the end; the next call goes on from there. */
  readonly done: boolean;
  /** Whether the planner has been told of what is new; only at the end of a reading. */
  readonly analysed: Analysed;
}

/** A batch is one transaction of the home store: a withdrawal that comes meanwhile waits for at most one. */
const BATCH = 2_000;
/** A row may show in a table long after the time that it carries: when its transaction ends. Longer transactions are found by a full reading. */
const OVERLAP = '10 minutes';
const TIMES: readonly string[] = ['timestamptz', 'timestamp', 'date'];
const HASH = /^[0-9a-f]{64}$/;

interface SourceRow extends Said {
  readonly keys: readonly (string | null)[];
  readonly changed: string | null;
}

/** Reads what is new in a table of the company's own into the ledger. A row that was read before changes nothing. Throws `StoreError`. */
export async function syncTable(task: TableSync): Promise<TableSynced> {
  const { home, store, source, name, runId } = task;
  const columns = (await readCatalog(store)).tables[inStore(source.table)]?.columns ?? [];
  const typeOf = (column: string): string => columns.find((it) => it.name === column)?.baseType ?? '';
  // As the subject's own table writes them: the application's may be a text.
  const subject = task.manifest.subjects[source.subject];
  const whose = [store, home].find((it) => subject !== undefined && storeOf(subject.table) === it.name);
  const kinds =
    subject === undefined || whose === undefined ? source.key.map((key) => keyKind(typeOf(key))) : await keyKinds(whose, subject);
  const ordered = source.changedAt ?? source.at;
  if (!TIMES.includes(typeOf(ordered))) throw new Error('a source is read by a column with a time');
  const started = await beginSync(home, name, runId);
  const judge = createJudge(task.manifest, task.manifest.timezone, source.decisions);
  const counts = { read: 0, recorded: 0, known: 0, rejected: 0 };
  const reasons = new Map<string, number>();
  let newest: string | null = null;
  let last: string | null = null;
  const take = async (rows: readonly SourceRow[]): Promise<void> => {
    const now = Date.now();
    const entries: RecordEntry[] = [];
    for (const row of rows) {
      const entry = entryOf(row, judge, kinds, source.subject, now);
      if (typeof entry === 'string') reasons.set(entry, (reasons.get(entry) ?? 0) + 1);
      else entries.push(entry);
      if (typeof entry !== 'string' && (newest === null || entry.captured_at! > newest)) newest = entry.captured_at;
      if (row.changed !== null) last = row.changed;
    }
    const { recorded, known } = await importEntries(home, entries);
    const step = { read: rows.length, recorded, known, rejected: rows.length - entries.length };
    counts.read += step.read;
    counts.recorded += step.recorded;
    counts.known += step.known;
    counts.rejected += step.rejected;
    await keepSync(home, name, { ...step, cursor: last, newestAt: newest, reasons: Object.fromEntries(reasons) });
    reasons.clear();
    task.beat();
  };

  const done = await inTransaction(store, { readOnly: true, isolation: 'repeatable read', settings: READING }, async (trx) => {
    const from = started.cursor ?? (task.full || source.changedAt === null ? null : started.position);
    const overlap = started.cursor === null ? OVERLAP : '0';
    await sql`declare probity_source no scroll cursor for ${reading(task, typeOf(ordered), from, overlap)}`.execute(trx);
    for (;;) {
      const rows = await fetch(trx);
      if (rows.length > 0) await take(rows);
      if (rows.length < BATCH) return true;
      // Not between rows of one time: the next call begins with that time again.
      if (task.stop() && last !== null && rows[0]?.changed !== last) return false;
    }
  });
  if (!done) return { ...counts, done, analysed: 'not needed' };
  const analysed = await analyseLedger(home, { recorded: started.recorded + counts.recorded, known: started.known + counts.known });
  await endSync(home, name, source.changedAt === null ? null : passed(last, started.position, task.manifest.timezone));
  return { ...counts, done, analysed };
}

/** Times as text that says which they are, whatever the server's settings. */
const READING = { timezone: 'UTC', datestyle: 'ISO, YMD' };

async function fetch(trx: Transaction<unknown>): Promise<readonly SourceRow[]> {
  const { rows } = await sql<SourceRow>`fetch ${sql.lit(BATCH)} from probity_source`.execute(trx);
  return rows;
}

function reading({ source }: TableSync, type: string, from: string | null, overlap: string): RawBuilder<unknown> {
  const text = (it: ColumnOrConstant | null): RawBuilder<unknown> => {
    if (it === null) return sql`null::text`;
    return 'constant' in it ? sql`${sql.lit(it.constant)}::text` : sql`nullif(${ident('s', it.column)}::text, '')`;
  };
  const changed = ident('s', source.changedAt ?? source.at);
  // A cursor takes no parameters; the type is one of three names of ours.
  const since =
    from === null
      ? sql`true`
      : sql`(${changed} >= ${sql.lit(from)}::${sql.raw(type)} - ${sql.lit(overlap)}::interval or ${changed} is null)`;
  return sql`
    select array[${sql.join(source.key.map((key) => sql`${ident('s', key)}::text`))}] as keys, ${text(source.purpose)} as purpose,
      ${text(source.channel)} as channel, ${text(source.decision)} as decision, ${ident('s', source.at)}::text as captured_at,
      ${text(source.touchpoint)} as touchpoint, ${text(source.notice)} as notice, ${text(source.language)} as language,
      ${text(source.givenBy)} as given_by, null::text as proof, null::text as id, ${changed}::text as changed
    from ${tableRef(inStore(source.table))} s
    where ${since}
    order by ${changed} nulls first`;
}

function entryOf(
  row: SourceRow,
  judge: ReturnType<typeof createJudge>,
  kinds: readonly KeyKind[],
  subject: string,
  now: number,
): RecordEntry | string {
  const judged = judge(row, now);
  if ('reason' in judged) return judged.reason;
  if (row.keys.some((part) => part === null)) return 'key is missing';
  const key = canonicalKey(row.keys as readonly string[], kinds);
  if ('reason' in key) return key.reason;
  if (subject === 'email' && !HASH.test(key.key)) return 'key is not a SHA-256 in lower-case hexadecimal';
  return { ...judged.decided, subject, key: key.key, actor: 'consents', door: 'table' };
}

/** Where the next reading begins. A time in the future would hide everything that comes before it. */
function passed(last: string | null, before: string | null, zone: string): string | null {
  const at = last === null ? null : instantOf(last, wallClock(zone));
  return at !== null && at.ms <= Date.now() ? last : before;
}
