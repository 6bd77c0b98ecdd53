import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { Refused } from '../refused.ts';

export type LineFormat = 'csv' | 'jsonl';

/** One line of a file with what it says by field, or why it says nothing. `raw` is the line as it stood, for a file of rejected ones. */
export type Line =
  | { readonly line: number; readonly raw: string; readonly fields: Readonly<Record<string, string | null>> }
  | { readonly line: number; readonly raw: string; readonly reason: string };

export interface Lines {
  /** The columns that the first line names; null where lines name their own. */
  readonly header: readonly string[] | null;
  readonly lines: AsyncIterable<Line>;
}

/** A consent is a few hundred characters; what never ends is a quotation mark that nobody closed. Characters. */
const LONGEST_LINE = 64 * 1024;
const UTF16 = [
  [0xff, 0xfe],
  [0xfe, 0xff],
] as const;

/** Reads CSV (RFC 4180, with a header) or JSON lines as they come. Throws `Refused` where a file as a whole is not what it should be. */
export async function readLines(input: Readable, format: LineFormat): Promise<Lines> {
  return format === 'csv' ? csvLines(input) : { header: null, lines: jsonLines(input) };
}

interface CsvRow {
  readonly record: readonly string[];
  readonly raw: string;
  readonly info: { readonly lines: number };
}

async function csvLines(input: Readable): Promise<Lines> {
  const parser = parse({
    bom: true,
    // Files that were put together from others end their lines in several ways; by default the first line's way would be that of all.
    record_delimiter: ['\r\n', '\n', '\r'],
    info: true,
    raw: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: LONGEST_LINE,
  });
  // Errors of single lines wait here for their place among the others.
  const skipped: { readonly at: number; readonly raw: string; readonly reason: string }[] = [];
  parser.on('skip', (error: { readonly lines?: number; readonly code?: string } | undefined, raw: string | undefined) => {
    skipped.push({ at: error?.lines ?? 0, raw: withoutBreaks(raw ?? ''), reason: csvReason(error?.code) });
  });
  input.on('error', (error) => parser.destroy(error));
  checked(input)
    .on('error', (error) => parser.destroy(error))
    .pipe(parser);
  const rows = parser[Symbol.asyncIterator]() as AsyncIterator<CsvRow>;
  const first = await rows.next();
  if (first.done === true)
    throw new Refused(skipped.length > 0 ? 'The first line is not a header' : 'The file is empty: its first line names the columns');
  const header = first.value.record.map((name) => name.trim());
  if (new Set(header).size !== header.length) throw new Refused('The header names a column twice');
  return { header, lines: lines() };

  async function* lines(): AsyncGenerator<Line> {
    // The parser counts a CRLF within quotes as two lines.
    let extra = 0;
    const skippedBefore = function* (at: number): Generator<Line> {
      for (let next = skipped[0]; next !== undefined && next.at < at; next = skipped[0]) {
        skipped.shift();
        yield { line: next.at - extra, raw: next.raw.slice(0, LONGEST_LINE), reason: next.reason };
        extra += times(next.raw, CRLF);
      }
    };
    for (let row = await rows.next(); row.done !== true; row = await rows.next()) {
      const { record, raw, info } = row.value;
      const text = withoutBreaks(raw);
      const [breaks, doubled] = [times(text, BREAK), times(text, CRLF)];
      const first = info.lines - breaks - doubled;
      // The parser is ahead of us.
      yield* skippedBefore(first);
      const line = first - extra;
      extra += doubled;
      if (record.length !== header.length) {
        yield { line, raw: text, reason: `has ${record.length} fields, the header ${header.length}` };
        continue;
      }
      const fields: Record<string, string | null> = {};
      for (const [index, name] of header.entries()) fields[name] = record[index] === '' ? null : (record[index] ?? null);
      yield { line, raw: text, fields };
    }
    yield* skippedBefore(Infinity);
  }
}

const BREAK = /\r\n|\r|\n/g;
const CRLF = /\r\n/g;

function times(text: string, what: RegExp): number {
  return text.includes('\r') || text.includes('\n') ? (text.match(what)?.length ?? 0) : 0;
}

/** A record as the parser gives it begins with the empty lines before it. */
function withoutBreaks(raw: string): string {
  return withoutBreak(raw.replace(/^[\r\n]+/, ''));
}

function csvReason(code: string | undefined): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quotation mark is not closed';
  if (code === 'CSV_MAX_RECORD_SIZE') return `is longer than ${LONGEST_LINE} characters, or a quotation mark before it is not closed`;
  return 'a quotation mark stands where none may be';
}

function withoutBreak(raw: string): string {
  return raw.replace(/\r?\n$|\r$/, '');
}

/** Refuses UTF-16, in which every character would be an error of its own. */
function checked(input: Readable): Readable {
  input.once('data', (chunk: Buffer | string) => {
    if (typeof chunk !== 'string' && UTF16.some(([one, other]) => chunk[0] === one && chunk[1] === other))
      input.destroy(new Refused('The file is UTF-16: save it as UTF-8'));
  });
  return input;
}

async function* jsonLines(input: Readable): AsyncGenerator<Line> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let tooLong = false;
  let line = 0;
  for await (const chunk of checked(input)) {
    const parts = (rest + (typeof chunk === 'string' ? chunk : decoder.write(chunk as Buffer))).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      line++;
      yield* jsonLine(line, part, tooLong);
      tooLong = false;
    }
    // The rest of a line without an end is thrown away as it comes.
    if (rest.length > LONGEST_LINE) [rest, tooLong] = ['', true];
  }
  rest += decoder.end();
  if (rest !== '' || tooLong) yield* jsonLine(line + 1, rest, tooLong);
}

function* jsonLine(line: number, text: string, tooLong: boolean): Generator<Line> {
  const raw = withoutBreak(line === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text);
  if (tooLong || raw.length > LONGEST_LINE) yield { line, raw: '', reason: `is longer than ${LONGEST_LINE} characters` };
  else if (raw.trim() !== '') {
    const read = jsonFields(raw);
    yield typeof read === 'string' ? { line, raw, reason: read } : { line, raw, fields: read };
  }
}

/** The fields of a line, or why it has none. */
function jsonFields(raw: string): Record<string, string | null> | string {
  const value = parsed(raw);
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) return 'is not a JSON object';
  const fields = Object.create(null) as Record<string, string | null>;
  for (const [name, each] of Object.entries(value as Record<string, unknown>)) {
    if (each !== null && !['string', 'number', 'boolean'].includes(typeof each)) return 'holds a list or an object where a value should be';
    // A number beyond 2^53 has lost digits already; whoever has such keys writes them as text.
    if (typeof each === 'number' && !Number.isSafeInteger(each)) return 'holds a number that is not a safe integer: write it as text';
    fields[name] = each === null || each === '' ? null : typeof each === 'string' ? each : JSON.stringify(each);
  }
  return fields;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
