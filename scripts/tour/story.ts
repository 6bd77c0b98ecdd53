import type { Io } from '../../cli/io.ts';
import { count, seconds } from '../../cli/numbers.ts';
import { runProbity } from '../../cli/run.ts';
import type { LoadProgress } from '../sample/copy.ts';

/** A step of the tour that did not end as it should; the exit code is that of the command. */
export class TourFailed extends Error {
  override readonly name = 'TourFailed';
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Tells what the tour does, step by step, and how long each took. */
export interface Story {
  readonly io: Io;
  /** Says what comes, does it, and says how long it took. */
  readonly step: <T>(title: string, act: () => Promise<T>) => Promise<T>;
  readonly say: (text: string) => void;
  /** Runs a command as a reader would type it. Throws `TourFailed` for an exit code that is none of `fine`. `input` is what stands on its standard input. */
  readonly probity: (env: NodeJS.ProcessEnv, args: readonly string[], fine?: readonly number[], input?: string) => Promise<number>;
  readonly loading: () => (progress: LoadProgress) => void;
}

/** Between two plain lines of the same load. */
const LINE_EVERY_MS = 5_000;

export function createStory(io: Io): Story {
  let number = 0;
  const bold = (text: string): string => (io.colour ? `\u001b[1m${text}\u001b[22m` : text);
  const dim = (text: string): string => (io.colour ? `\u001b[2m${text}\u001b[22m` : text);
  return {
    io,
    say: (text) => io.out(text),
    step: async (title, act) => {
      number += 1;
      io.out(`\n${bold(`${number} · ${title}`)}`);
      const began = performance.now();
      const result = await act();
      io.out(dim(`  ${seconds((performance.now() - began) / 1_000)}`));
      return result;
    },
    probity: async (env, args, fine = [0], input) => {
      io.out(dim(`$ probity ${args.map(quoted).join(' ')}${input === undefined ? '' : ' < who.txt'}`));
      const code = await runProbity(args, { ...io, env, ...(input !== undefined && { terminal: false, input: async () => input }) });
      if (!fine.includes(code))
        throw new TourFailed(`\`probity ${args.slice(0, 2).join(' ')}\` ended with exit code ${code}: see above`, code);
      return code;
    },
    loading: () => {
      let lineAt = performance.now();
      return ({ table, rows, rowsPerSecond, done }) => {
        const line = `  ${table.padEnd(22)} ${count(rows).padStart(11)} rows  ${count(rowsPerSecond)} rows/s`;
        if (io.terminal) io.stream.write(`\r\u001b[2K${done ? `${dim(line)}\n` : line}`);
        else if (done ? rows >= 100_000 : performance.now() - lineAt > LINE_EVERY_MS) {
          lineAt = performance.now();
          io.out(line);
        }
      };
    },
  };
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument}'`;
}
