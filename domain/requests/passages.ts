import { findTerms, type TermIndex } from './tokens.ts';

/** What stands in the place of words that were redacted. Nothing that is looked for is found in it. */
export const MARK = '[redacted]';

/** From where to where in a text. */
export type Span = readonly [from: number, to: number];

/** No identity has one of these inside; whatever is encoded is taken as a piece, or as several that stand together. */
const PIECE = /[^\s"'<>()[\]{},;|&?=/:#]+/g;
/** A number or a name of more pieces is looked for by its words. */
const MOST_PIECES = 12;
/** Each round finds what the one before has left; a text that needs more is left to a person. */
const ROUNDS = 50;
/** Characters. */
const MOST_TEXT = 2 ** 20;

/**
 * The text with a mark in the place of each passage in which the search finds somebody, and nothing else changed; null where that cannot be done.
 * Judged by the search itself: what it does not find afterwards is what counts.
 */
export function redactText(text: string, index: TermIndex): string | null {
  if (text.length > MOST_TEXT) return null;
  let now = text;
  for (let round = 0; round < ROUNDS && findTerms(now, index).size > 0; round++) {
    const spans = passagesIn(now, index);
    if (spans.length === 0) return null;
    now = marked(now, spans);
  }
  return findTerms(now, index).size > 0 ? null : now;
}

/** The same within the texts of a document: its names, numbers and form stay as they are. */
export function redactDocument(json: string, index: TermIndex): string | null {
  const now = json.replace(/"(?:[^"\\]|\\.)*"(\s*:)?/g, (literal, named?: string) => {
    if (named !== undefined) return literal;
    const text = JSON.parse(literal) as string;
    const redacted = redactText(text, index);
    return redacted === null || redacted === text ? literal : JSON.stringify(redacted);
  });
  return findTerms(now, index).size > 0 ? null : now;
}

/** Where it stands, in order and apart from each other. */
export function passagesIn(text: string, index: TermIndex): Span[] {
  const pieces = [...text.matchAll(PIECE)].map((it): Span => [it.index, it.index + it[0].length]);
  const holds = (from: number, to: number): boolean => findTerms(text.slice(pieces[from]![0], pieces[to]![1]), index).size > 0;
  const found: Span[] = [];
  let begin = 0;
  for (let end = 0; end < pieces.length; end++) {
    if (!holds(Math.max(begin, end - MOST_PIECES + 1), end)) continue;
    let from = end;
    while (!holds(from, end)) from -= 1;
    found.push(...narrowed(text, pieces.slice(countryBefore(text, pieces, begin, from), end + 1), index));
    begin = end + 1;
  }
  return (found.length > 0 ? found : scattered(text, pieces, index)).map((span) => withoutSigns(text, span));
}

/** A sign at the end of a sentence is nobody's. */
function withoutSigns(text: string, [from, to]: Span): Span {
  const passage = text.slice(from, to);
  const [before, behind] = [/^[^\p{L}\p{N}+]*/u.exec(passage)![0].length, /[^\p{L}\p{N}]*$/u.exec(passage)![0].length];
  return before + behind < passage.length ? [from + before, to - behind] : [from, to];
}

/** What is called by a name (`customer 17`) loses its value only; of a name what stands between its words stays. */
function narrowed(text: string, pieces: readonly Span[], index: TermIndex): Span[] {
  const whole: Span = [pieces[0]![0], pieces.at(-1)![1]];
  const terms = [...findTerms(text.slice(...whole), index)];
  if (pieces.length === 1 || terms.some(({ kind }) => kind !== 'called' && kind !== 'name')) return [whole];
  if (terms.every(({ kind }) => kind === 'called')) return [pieces.at(-1)!];
  const names = scattered(text, pieces, index);
  const [first, last] = [names[0], names.at(-1)];
  return names.length === pieces.length && first !== undefined && last !== undefined ? [[first[0], last[1]]] : names;
}

/** The words of a name, wherever in the text they stand. */
function scattered(text: string, pieces: readonly Span[], index: TermIndex): Span[] {
  const words = new Set([...findTerms(text, index)].flatMap(({ kind, value }) => (kind === 'name' ? value.split(' ') : [])));
  return pieces.filter((piece) => (text.slice(...piece).normalize('NFC').toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? []).some((it) => words.has(it))); // prettier-ignore
}

/** A number is found without its country, too: what stands before it as such goes with it. */
function countryBefore(text: string, pieces: readonly Span[], least: number, from: number): number {
  if (!/^[\d.-]+$/.test(text.slice(...pieces[from]!))) return from;
  for (let at = from - 1; at >= Math.max(least, from - 2); at--) {
    const piece = text.slice(...pieces[at]!);
    if (/^(?:\+|00)\d{1,3}$/.test(piece)) return at;
    if (!/^\d{1,5}$/.test(piece)) return from;
  }
  return from;
}

function marked(text: string, spans: readonly Span[]): string {
  let now = '';
  let at = 0;
  for (const [from, to] of spans) {
    now += text.slice(at, from) + MARK;
    at = to;
  }
  return now + text.slice(at);
}
