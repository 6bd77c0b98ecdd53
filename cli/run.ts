import { CommanderError } from 'commander';
import { failureOf } from '../client/failures.ts';
import { ManifestRefused } from '../client/manifest.ts';
import { createContext, type Context } from './context.ts';
import { EXIT, type ExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { problemLines } from './problems.ts';
import { createProgram } from './program.ts';

/** Runs one command to its end. Never throws: what went wrong is said in a sentence and by the exit code. */
export async function runProbity(args: readonly string[], io: Io): Promise<ExitCode> {
  const context = createContext(io);
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' });
    return context.exitCode();
  } catch (error) {
    return tell(error, context);
  }
}

function tell(error: unknown, { io, colours }: Context): ExitCode {
  // Commander has said what was wrong, or printed the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const failure = failureOf(error);
  if (error instanceof ManifestRefused) for (const line of problemLines(error.problems, colours)) io.err(line);
  io.err(`${colours.red('probity:')} ${failure.message}`);
  if ((io.env['PROBITY_DEBUG'] ?? '') !== '' && error instanceof Error) io.err(error.stack ?? '');
  return { refused: EXIT.usage, unreachable: EXIT.unreachable, failed: EXIT.findings }[failure.kind];
}
