import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of ours that is spoken to by messages. */
export interface Child<In, Out extends { readonly kind: string }> {
  readonly send: (message: In) => void;
  /** The next message of that kind; rejects when the process ends first. */
  readonly next: <K extends Out['kind']>(kind: K) => Promise<Extract<Out, { kind: K }>>;
  /** Waits until the process has ended. */
  readonly ended: () => Promise<void>;
}

/** Starts a script beside this one with the Node that runs us. */
export function startChild<In, Out extends { readonly kind: string }>(script: string): Child<In, Out> {
  const child: ChildProcess = fork(fileURLToPath(new URL(script, import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const end = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    send: (message) => void child.send(message as object),
    next: (kind) =>
      new Promise((resolve, reject) => {
        const onMessage = (message: Out): void => {
          if (message.kind !== kind) return;
          child.off('message', onMessage);
          child.off('exit', onExit);
          resolve(message as Extract<Out, { kind: typeof kind }>);
        };
        const onExit = (code: number | null): void => reject(new Error(`${script} ended early (${code ?? 'by a signal'})`));
        child.on('message', onMessage);
        child.once('exit', onExit);
      }),
    ended: () => end,
  };
}
