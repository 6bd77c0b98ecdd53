import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import picocolors from 'picocolors';
import { openProject, type Project } from '../client/project.ts';
import { connectTemporal, type TemporalClient } from '../client/temporal.ts';
import { EXIT, type ExitCode } from './exit.ts';
import type { Io } from './io.ts';

/** Options that every command takes. */
export interface Globals {
  readonly manifest: string;
  readonly json: boolean;
  readonly actor: string;
  readonly taskQueue: string;
}

/** What a command file gets. */
export interface Context {
  readonly io: Io;
  readonly colours: ReturnType<typeof picocolors.createColors>;
  readonly globals: (command: Command) => Globals;
  /** Opens the manifest's stores for as long as `act` takes. */
  readonly withProject: <T>(command: Command, act: (project: Project, globals: Globals) => Promise<T>) => Promise<T>;
  /** The same with a connection to Temporal. */
  readonly withTemporal: <T>(act: (client: TemporalClient['client']) => Promise<T>) => Promise<T>;
  /** Sets the exit code; without it a command that does not throw is done. */
  readonly exit: (code: ExitCode) => void;
  readonly exitCode: () => ExitCode;
}

const DEFAULT_MANIFEST = './probity.yaml';
const DEFAULT_FOLDER = './probity';
const DEFAULT_ACTOR = 'operator';
// Where `worker/` listens, unless told otherwise.
const DEFAULT_TASK_QUEUE = 'probity';

export function createContext(io: Io): Context {
  let code: ExitCode = EXIT.done;
  const globals = (command: Command): Globals => {
    const given: { manifest?: string; json?: boolean; actor?: string; taskQueue?: string } = command.optsWithGlobals();
    return {
      manifest: given.manifest ?? io.env['PROBITY_MANIFEST'] ?? defaultManifest(),
      json: given.json ?? false,
      actor: given.actor ?? io.env['PROBITY_ACTOR'] ?? DEFAULT_ACTOR,
      taskQueue: given.taskQueue ?? io.env['PROBITY_TASK_QUEUE'] ?? DEFAULT_TASK_QUEUE,
    };
  };
  return {
    io,
    colours: picocolors.createColors(io.colour),
    globals,
    withProject: async (command, act) => {
      const given = globals(command);
      const project = await openProject(given.manifest, io.env);
      try {
        return await act(project, given);
      } finally {
        await project.close();
      }
    },
    withTemporal: async (act) => {
      const { client, close } = await connectTemporal(io.env);
      try {
        return await act(client);
      } finally {
        await close();
      }
    },
    exit: (chosen) => (code = chosen),
    exitCode: () => code,
  };
}

function defaultManifest(): string {
  return !existsSync(DEFAULT_MANIFEST) && existsSync(DEFAULT_FOLDER) ? DEFAULT_FOLDER : DEFAULT_MANIFEST;
}
