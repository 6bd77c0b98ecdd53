import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

/** A bundle of workflow code in a file. */
export interface BundleFile {
  readonly codePath: string;
  readonly remove: () => Promise<void>;
}

/**
 * Bundles workflows in a process of its own: the bundler takes about 130 MB that a worker would never get back, and a worker lives long.
 * Read the file, then call `remove`.
 */
export async function bundleWorkflows(workflowsPath: string): Promise<BundleFile> {
  const folder = await mkdtemp(join(tmpdir(), 'probity-workflows-'));
  const codePath = join(folder, 'bundle.js');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const child = fork(fileURLToPath(import.meta.url), [workflowsPath, codePath], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code === 0) return { codePath, remove };
  await remove();
  throw new Error('The workflows could not be bundled; the lines before this one say why');
}

const silent = (): void => undefined;
const complain = (message: string): void => void process.stderr.write(`${message}\n`);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , workflowsPath = '', codePath = ''] = process.argv;
  const logger = { log: silent, trace: silent, debug: silent, info: silent, warn: complain, error: complain };
  const { code } = await bundleWorkflowCode({ workflowsPath, logger });
  await writeFile(codePath, code);
  process.disconnect();
}
