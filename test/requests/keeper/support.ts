import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import type { Faults } from '../../../database/faults.ts';
import type { ManifestInput } from '../../../manifest/schema/root.ts';
import { probityActivities } from '../../../worker/activities.ts';
import type { keeper } from '../../../workflows/keeper.ts';
import type { obligation, ObligationResult } from '../../../workflows/obligations.ts';
import { temporalAddress, temporalNamespace } from '../../support/temporal.ts';
import { withWorker } from '../../support/worker.ts';
import { approvedErasure } from '../job/support.ts';
import type { JobWorld } from '../job/world.ts';

/** Puts a changed manifest in force. */
export async function applied(world: JobWorld, change: (manifest: ManifestInput) => ManifestInput): Promise<void> {
  const file = join(world.folder, 'probity.json');
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as ManifestInput)));
  const ran = await world.probity(['apply', '--enforce']);
  if (ran.code !== 0) throw new Error(ran.out + ran.err);
}

export interface Keeping {
  /** Lets the keeper look, and waits until it has. */
  readonly look: () => Promise<void>;
  readonly handle: WorkflowHandle<typeof keeper>;
  readonly logged: string[];
}

/** A keeper with a worker, by a clock of the test's, for as long as `act` takes; then it is lost. */
export async function withKeeper(world: JobWorld, now: () => number, act: (keeping: Keeping) => Promise<void>): Promise<void> {
  const { manifest } = world.project;
  const logged: string[] = [];
  const log = (message: string, attributes: Readonly<Record<string, unknown>>): void =>
    void logged.push(`${message} ${JSON.stringify(attributes)}`);
  const { activities, close } = probityActivities({ manifest, env: { ...world.env }, now, log });
  let looks = 0;
  const keep = async () => {
    const kept = await activities.keep();
    looks += 1;
    return kept;
  };
  try {
    await withWorker(
      { manifest, env: world.env },
      async (client, taskQueue) => {
        const handle = await client.workflow.start<typeof keeper>('keeper', { taskQueue, workflowId: `keeper-${randomUUID()}`, args: [] });
        const until = async (count: number): Promise<void> => {
          for (let tries = 0; looks < count; tries++) {
            if (tries > 600) throw new Error('the keeper does not look');
            await new Promise((resolve) => setTimeout(resolve, 25));
          }
        };
        await until(1);
        const look = async (): Promise<void> => {
          const before = looks;
          await handle.signal('look');
          await until(before + 1);
        };
        try {
          await act({ look, handle, logged });
        } finally {
          await handle.terminate('the test is over');
        }
      },
      { activities: { ...activities, keep } },
    );
  } finally {
    await close();
  }
}

/** Discharges one obligation now, whatever its day. */
export async function discharge(world: JobWorld, id: string, faults?: Faults): Promise<ObligationResult> {
  return withWorker(
    { manifest: world.project.manifest, env: world.env },
    (client, taskQueue) =>
      client.workflow.execute<typeof obligation>('obligation', { taskQueue, workflowId: `obligation-${id}-${randomUUID()}`, args: [id] }),
    faults === undefined ? {} : { faults },
  );
}

/** Erases a customer who has left, to the certificate; gives the request's number. */
export async function erased(world: JobWorld, customer: number): Promise<string> {
  const id = await approvedErasure(world, customer);
  const result = await world.carryOut(id);
  if (result.state !== 'closed') throw new Error(`${id}: ${result.state}`);
  return id;
}

const MAIN = fileURLToPath(new URL('../../../worker/main.ts', import.meta.url));

/** A worker in a process of its own, as a user would run it. `fault`: it is killed there. Gives the signal that ended it. */
export function startWorkerProcess(
  world: JobWorld,
  taskQueue: string,
  fault?: string,
): { readonly ended: Promise<NodeJS.Signals | null>; readonly stop: () => Promise<void> } {
  const env = {
    ...process.env,
    ...world.env,
    TEMPORAL_ADDRESS: temporalAddress(),
    TEMPORAL_NAMESPACE: temporalNamespace(),
    PROBITY_TASK_QUEUE: taskQueue,
    ...(fault !== undefined && { PROBITY_FAULT: fault }),
  };
  const child = spawn(process.execPath, [MAIN], { stdio: 'ignore', env });
  const ended = once(child, 'close').then(() => child.signalCode);
  return {
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
