import { setTimeout as sleep } from 'node:timers/promises';
import type { Project } from '../client/project.ts';
import { isPolled } from '../client/queue.ts';
import { ending, status, workflowProgress, type Ending, type RunStatus } from '../client/retention.ts';
import type { TemporalClient } from '../client/temporal.ts';
import { isClosed } from '../client/wording.ts';
import type { Context } from './context.ts';
import { EXIT, type ExitCode } from './exit.ts';
import { createProgress } from './progress.ts';

export interface FollowOptions {
  readonly project: Project;
  /** Null follows the stores alone. */
  readonly client: TemporalClient['client'] | null;
  readonly runId: string;
  readonly taskQueue: string;
  readonly quiet: boolean;
}

export interface Followed {
  readonly exit: ExitCode;
  /** Null when the run was never opened. */
  readonly status: RunStatus | null;
  /** Null while it goes on, and where nobody asked Temporal. */
  readonly ending: Ending | null;
}

const POLL_MS = 400;
/** A worker that lives opens a run within a second or so: only then is it worth asking whether there is one. */
const ASK_EVERY_MS = 5_000;
const WORKER_LIMIT_MS = 30_000;
/** Faults of the manifest in force and of what was asked for; everything else is the run's. */
const REFUSALS: ReadonlySet<string> = new Set(['no manifest', 'time']);
const FOR_A_PERSON: ReadonlySet<string> = new Set(['waiting', 'parked', 'paused']);

/** Shows how far a run has come until it ends, waits for a person, or finds no worker. */
export async function followRun(context: Context, options: FollowOptions): Promise<Followed> {
  const { project, client, runId, quiet } = options;
  let ended: Ending | null = null;
  let failure: unknown = null;
  // Waiting for the end is one long call: left alone it would keep the process until Temporal answers it.
  const over = new AbortController();
  if (client !== null) {
    client
      .withAbortSignal(over.signal, () => ending(client, runId))
      .then(
        (one) => (ended = one),
        (error: unknown) => (failure = error ?? new Error('Temporal ended the connection')),
      );
  }
  const progress = quiet ? null : createProgress(context.io);
  const began = Date.now();
  let askAt = began + ASK_EVERY_MS;
  let hinted = false;
  try {
    for (;;) {
      // Asked before the stores are, so that what they say afterwards is the end.
      const outcome = ended as Ending | null;
      const found = await status(project, runId);
      if (found?.plan && found.run.mode === 'enforce') progress?.show(found.plan, found.changed);
      if (outcome !== null) return { exit: exitOf(outcome), status: found, ending: outcome };
      if (failure !== null) throw failure as Error;
      const state = found?.run.state ?? null;
      if (state !== null && FOR_A_PERSON.has(state)) return { exit: EXIT.person, status: found, ending: null };
      if (client === null && (state === null || isClosed(state))) return { exit: exitOfState(state), status: found, ending: null };
      if (found === null && client !== null && Date.now() > askAt) {
        askAt = Date.now() + ASK_EVERY_MS;
        const polled = await isPolled(client, options.taskQueue);
        const late = Date.now() - began > WORKER_LIMIT_MS;
        if (!polled && !hinted)
          context.io.err(`No worker polls the task queue ${options.taskQueue}: start one (\`probity worker\`); the run waits`);
        hinted = hinted || !polled;
        if (late && !polled) return { exit: EXIT.unreachable, status: null, ending: null };
        // A worker has it that writes into another home store than ours.
        if (late && (await workflowProgress(client, runId))?.stage === 'parked') return { exit: EXIT.person, status: null, ending: null };
      }
      await sleep(POLL_MS);
    }
  } finally {
    over.abort();
    progress?.stop();
  }
}

function exitOf(over: Ending): ExitCode {
  if (over.outcome === 'failed') return REFUSALS.has(over.kind) ? EXIT.usage : EXIT.findings;
  return over.outcome === 'complete' || over.outcome === 'observed' ? EXIT.done : EXIT.findings;
}

/** For who asks the home store alone. */
export function exitOfState(state: RunStatus['run']['state'] | null): ExitCode {
  if (state === null) return EXIT.usage;
  if (FOR_A_PERSON.has(state)) return EXIT.person;
  return ['incomplete', 'cancelled', 'failed'].includes(state) ? EXIT.findings : EXIT.done;
}
