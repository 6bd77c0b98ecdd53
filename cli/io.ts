import { createInterface } from 'node:readline/promises';
import { Writable, type Readable } from 'node:stream';
import type { ReadStream } from 'node:tty';

/** Where a command reads and writes. Nothing in the command touches the process itself. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  /** One line or more of what was asked for, without the last line break. */
  readonly out: (text: string) => void;
  /** What is said beside it. */
  readonly err: (text: string) => void;
  /** For bars that redraw themselves; used on a terminal only. */
  readonly stream: NodeJS.WritableStream;
  /** True when a person looks at the output. */
  readonly terminal: boolean;
  readonly colour: boolean;
  /** Characters of a line; null where lines do not end. */
  readonly width: number | null;
  readonly input: () => Promise<string>;
  /** Standard input as it comes, for what may be larger than memory. */
  readonly bytes?: () => Readable;
  /** Asks a person at a terminal for a line; null or absent where nobody sits there. */
  readonly prompt?: ((question: string) => Promise<string>) | null;
  /** The same for what must not be seen; null or absent where nobody sits there. */
  readonly secret?: ((question: string) => Promise<string>) | null;
}

/** The process's own streams. Colours only on a terminal, and not where NO_COLOR is set. */
export function processIo(): Io {
  const { env, stdout, stderr } = process;
  const terminal = stdout.isTTY === true && env['TERM'] !== 'dumb';
  return {
    env,
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    stream: stdout,
    terminal,
    colour: terminal && (env['NO_COLOR'] ?? '') === '',
    width: terminal ? stdout.columns : null,
    input: () => readAll(process.stdin),
    bytes: () => process.stdin,
    prompt: process.stdin.isTTY === true ? ask : null,
    secret: process.stdin.isTTY === true ? askUnseen : null,
  };
}

async function ask(question: string): Promise<string> {
  // Asked on the other stream: the output may be on its way to a file.
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

/** `readline` edits the line and writes what is typed; here to nowhere. */
async function askUnseen(question: string): Promise<string> {
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

async function readAll(stream: ReadStream | NodeJS.ReadStream): Promise<string> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += String(chunk);
  return text;
}
