import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml';
import { problem } from './codes.ts';
import { KEY, type Path, type Place, type Problem } from './problem.ts';

/** Where the values of a manifest stand in its files. */
export interface Source {
  /**
   * The place of a value, or of its key when the path ends in KEY or the value is a block; of the nearest
   * enclosing thing when there is no such value.
   */
  readonly place: (path: Path) => Place | null;
}

/** One file's content as plain values, with the way back to lines and columns. */
export interface Part extends Source {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** True when the text could not be parsed, so that its value says nothing. */
  readonly broken: boolean;
}

/** Reads YAML 1.2, of which JSON is a part. Reports every syntax error and every key defined twice. */
export function parseText(file: string, text: string): Part {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems: Problem[] = [...document.errors, ...document.warnings].map((error) =>
    error.code === 'DUPLICATE_KEY'
      ? problem('P003', placeAt(error.pos[0]), 'this key is already defined above', 'keep one of them')
      : problem('P002', placeAt(error.pos[0]), firstSentence(error.message)),
  );
  const broken = problems.some((it) => it.code === 'P002');
  return {
    file,
    value: broken ? null : plain(document, problems, placeAt),
    problems,
    broken,
    place: (path) => placeAt(offsetOf(document, path)),
  };
}

/** A module has no positions of its own: all of it stands at its first line. */
export function moduleSource(file: string): Source {
  return { place: () => ({ file, line: 1, column: 1 }) };
}

function plain(document: Document, problems: Problem[], placeAt: (offset: number) => Place): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    problems.push(problem('P002', placeAt(0), firstSentence(error instanceof Error ? error.message : String(error))));
    return null;
  }
}

function offsetOf(document: Document, path: Path): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  const wantsKey = path.at(-1) === KEY;
  const steps = wantsKey ? path.slice(0, -1) : path;
  for (const [index, step] of steps.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    if (isSeq(node) && typeof step === 'number') {
      node = asNode(node.items[step]);
      if (!node) break;
      offset = node.range?.[0] ?? offset;
    } else if (isMap(node)) {
      // The last definition of a key is the one whose value counts.
      const pair: Pair | undefined = node.items.findLast((it) => isScalar(it.key) && String(it.key.value) === String(step));
      if (!pair) break;
      node = asNode(pair.value);
      const last = index === steps.length - 1;
      const key = asNode(pair.key);
      // A scalar is pointed at itself, a block at its key: `retention:` rather than the line below it.
      const pointed = last && !wantsKey && isScalar(node) && node.value !== null ? node : key;
      offset = pointed?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

function asNode(value: unknown): Node | null {
  return isNode(value) ? value : null;
}

/** The parser's message without the excerpt that it appends. */
function firstSentence(message: string): string {
  return message.split('\n')[0]!.replace(/[:\s]+$/, '');
}
