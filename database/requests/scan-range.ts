import { sql } from 'kysely';
import type { ScanTable } from '../../domain/requests/scan-scope.ts';
import { findTerms, valueKey, type TermIndex } from '../../domain/requests/tokens.ts';
import { StoreError, translating } from '../errors.ts';
import { between, startOfBlock } from '../retention/position.ts';
import { inTransaction, type Store } from '../store.ts';
import type { ExpectedRows } from './expected-rows.ts';
import { expecting, NOBODY } from './scan-kept.ts';
import { keyOf, tooMany, type RareWords, type WordHit } from './scan-words.ts';
import { candidateRows, probesOf, type CandidateRow, type Probe } from './scan-query.ts';

/** Rows that one statement may bring here; where more of them may hold somebody, the range is halved. */
const MOST_ROWS = 20_000;
const LOCK_TIMEOUT_MS = 5_000;
/** Compiling a statement, remembering texts and forking workers cost more than they save: lanes read side by side already. */
const SETTINGS = { search_path: 'pg_catalog', jit: 'off', enable_memoize: 'off', max_parallel_workers_per_gather: '0' };
/** `query_canceled`: our own timeout. */
const TIMED_OUT = '57014';

export interface Reader {
  readonly store: Store;
  readonly runId: string;
  readonly words: RareWords;
  readonly expected: readonly ExpectedRows[];
  /** By the person's ordinal; somebody who is known as two kinds of subject stands in two. */
  readonly classes: ReadonlyMap<number, ReadonlySet<number>>;
  /** Of a statement, in milliseconds; a range that takes longer is halved. */
  readonly timeoutMs: number;
}

export interface Range {
  readonly table_name: string;
  readonly relation: string;
  readonly from_block: number;
  /** Null: to the end. */
  readonly to_block: number | null;
}

interface Part {
  readonly from: number;
  readonly to: number | null;
  readonly whole: boolean;
}

/** Reads it in as many parts as it takes; marks it done with the last. */
export async function readRange(reader: Reader, table: ScanTable, range: Range): Promise<void> {
  const parts: Part[] = [{ from: range.from_block, to: range.to_block, whole: range.from_block === 0 && range.to_block === null }];
  // Where it cannot be halved, all of it is read once no word is left out any more.
  let all = false;
  while (parts.length > 0) {
    const part = parts.pop()!;
    const divisible = !table.wholeParent && (part.to === null || part.to - part.from > 1) && part.from <= MOST_BLOCK;
    const limit = divisible || (!all && hasWords(reader)) ? MOST_ROWS : null;
    const { done, words } = await readPart(reader, table, range, part, { limit, divisible, isLast: parts.length === 0 });
    if (done) {
      await reader.words.count(words);
    } else if (await reader.words.leaveOut(words)) {
      parts.push(part);
    } else if (divisible) {
      const end = part.to ?? Math.max(part.from + 2, await blocksOf(reader.store, range.relation));
      const middle = Math.floor((part.from + end) / 2);
      parts.push({ from: middle, to: part.to, whole: false }, { from: part.from, to: middle, whole: false });
    } else {
      all = true;
      parts.push(part);
    }
  }
}

function hasWords({ words }: Reader): boolean {
  return words.index.texts.some(({ kind }) => kind === 'word');
}

interface Done {
  /** False when it was too much at once; then nothing has been recorded. */
  readonly done: boolean;
  /** Short words in rows that nothing explains. */
  readonly words: readonly WordHit[];
}

async function readPart(
  reader: Reader,
  table: ScanTable,
  range: Range,
  part: Part,
  { limit, divisible, isLast }: { readonly limit: number | null; readonly divisible: boolean; readonly isLast: boolean },
): Promise<Done> {
  const { store, runId } = reader;
  const { index } = reader.words;
  const condition = part.whole ? null : between(startOfBlock(part.from), startOfBlock(part.to ?? MOST_BLOCK));
  const expected = reader.expected.filter((it) => it.table === table.table);
  // What is kept is told of the very rows that were read.
  const options = {
    isolation: 'repeatable read',
    statementTimeoutMs: reader.timeoutMs,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    settings: SETTINGS,
  } as const;
  try {
    return await inTransaction(store, options, (trx) =>
      translating(
        store,
        async () => {
          const snapshot = await sql<{ snapshot: string }>`select pg_current_snapshot()::text as snapshot`.execute(trx);
          const places = expected.some(({ owned }) => owned !== null);
          const most = limit === null ? Number.MAX_SAFE_INTEGER : limit + 1;
          const query = { table, relation: range.relation, range: condition, index, places, limit: most };
          const { rows } = await candidateRows(query).execute(trx);
          const tooMuch = limit !== null && rows.length > limit;
          if (tooMuch && !hasWords(reader)) return { done: false, words: [] };
          const judged = rows.flatMap((row) => judge(row, table, index));
          const lying = places ? [...new Set(judged.map(({ place }) => place))] : [];
          const keptBy = await expecting(trx, query, lying, expected, reader.classes);
          const found = judged.map((hit) => ({ ...hit, keptBy: keptBy(hit.person, hit.place, hit.probe) }));
          const words = found.filter((hit) => hit.word && hit.keptBy === null);
          if (tooMuch) return { done: false, words };
          const common = tooMany(words);
          const hits = found.filter((hit) => !hit.word || !common.has(keyOf(hit)));
          for (let from = 0; from < hits.length; from += MOST_ROWS) {
            const some = hits.slice(from, from + MOST_ROWS);
            const texts = (of: 'location' | 'column' | 'identity' | 'keptBy') => sql`${some.map((hit) => hit[of])}::text[]`;
            await sql`
              insert into probity.run_hit (run_id, table_name, relation, column_name, location, identity, person, expected, kept_by, word)
              select ${runId}, ${table.table}, ${range.relation}, u.c, u.l, u.i, u.p, u.k is not null, u.k, u.w
              from unnest(${texts('column')}, ${texts('location')}, ${texts('identity')}, ${some.map((hit) => hit.person)}::integer[],
                ${texts('keptBy')}, ${some.map((hit) => hit.word)}::boolean[]) as u (c, l, i, p, k, w)
              on conflict do nothing`.execute(trx);
          }
          if (isLast)
            await sql`
              update probity.run_scan set snapshot = ${snapshot.rows[0]!.snapshot}
              where run_id = ${runId} and relation = ${range.relation} and from_block = ${range.from_block}`.execute(trx);
          return { done: true, words };
        },
        table.table,
      ),
    );
  } catch (error) {
    if (divisible && error instanceof StoreError && error.code === TIMED_OUT) return { done: false, words: [] };
    throw error;
  }
}

/** The last block that a table can have. */
const MOST_BLOCK = 2 ** 32 - 2;

async function blocksOf(store: Store, relation: string): Promise<number> {
  const { rows } = await translating(store, () =>
    sql<{ blocks: number }>`
      select pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname || '.' || c.relname = ${relation}`.execute(
      store.db,
    ),
  );
  return rows[0]?.blocks ?? 0;
}

interface Hit {
  readonly probe: Probe;
  readonly column: string;
  readonly location: string;
  readonly place: string;
  readonly identity: string;
  readonly person: number;
  /** As a short word and nothing else. */
  readonly word: boolean;
}

/** What nobody could judge, since it is too long. */
const UNREAD = 'unread';

function judge(row: CandidateRow, table: ScanTable, index: TermIndex): Hit[] {
  const hits = new Map<string, Hit>();
  probesOf(table).forEach((probe, at) => {
    const value = row.values[at] ?? null;
    const add = (identity: string, person: number, isWord = false): void => {
      const { location, place } = row;
      const key = JSON.stringify([probe.column, identity, person]);
      const word = isWord && (hits.get(key)?.word ?? true);
      hits.set(key, { probe, column: probe.column, location, place, identity, person, word });
    };
    if (row.too_long[at] === true) add(UNREAD, NOBODY);
    if (value === null) return;
    const found =
      probe.how === 'text' ? findTerms(value, index) : (index.values.get(valueKey(probe.named.subject, probe.named.identity, value)) ?? []);
    for (const { identity, person, kind } of found) add(identity, person, kind === 'word');
  });
  return [...hits.values()];
}
