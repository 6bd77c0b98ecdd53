import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createShop, type Shop } from '../retention/support.ts';
import { temporaryFolder } from '../support/folders.ts';
import { temporalAddress, temporalNamespace } from '../support/temporal.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TYPESCRIPT = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
/** Packing compiles, and installing may have to ask a registry. */
const LIMIT_MS = 300_000;

/** What docs/worker.md tells a platform team to write. */
const CONSUMER = `
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createProbityWorker, defineManifest, probityActivities, TASK_QUEUE, workflowsPath, type Manifest } from 'probity';
import { loadManifest } from 'probity/manifest';
import { retention } from 'probity/workflows';

const { manifest }: { manifest: Manifest | null } = await loadManifest(process.env['PROBITY_MANIFEST'] ?? '');
if (manifest === null) throw new Error('run \`probity check\`');
const address = process.env['TEMPORAL_ADDRESS'] ?? '';
const namespace = process.env['TEMPORAL_NAMESPACE'] ?? '';
const client = new Client({ connection: await Connection.connect({ address }), namespace });
const connection = await NativeConnection.connect({ address });
const input = { actor: 'consumer', asOf: null, only: null, dryRun: false };

async function run(taskQueue: string): Promise<string> {
  const { outcome } = await client.workflow.execute(retention, { taskQueue, workflowId: taskQueue, args: [input] });
  return outcome;
}

const own = probityActivities({ manifest });
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue: 'consumer-own',
  workflowsPath: new URL('./workflows.mjs', import.meta.url).pathname,
  activities: { ...own.activities, theirs: async (): Promise<number> => 1 },
});
const first = await worker.runUntil(run('consumer-own'));
await own.close();

const ours = await createProbityWorker({ manifest, connection, namespace, taskQueue: 'consumer-ours' });
const second = await ours.worker.runUntil(run('consumer-ours'));
await ours.close();
await client.connection.close();
await connection.close();
defineManifest({ organisation: 'Acme', stores: { shop: { url: '\${URL}' } } });
console.log(JSON.stringify({ first, second, TASK_QUEUE, workflowsPath }));
`;

interface Finished {
  readonly code: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((done, failed) => child.on('error', failed).on('close', (code) => done({ code, output })));
}

async function succeed(command: string, args: readonly string[], cwd: string, env?: Readonly<Record<string, string>>): Promise<string> {
  const { code, output } = await run(command, args, cwd, env);
  expect(code, `${command} ${args.join(' ')}\n${output}`).toBe(0);
  return output;
}

interface Lock {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, { readonly dev?: boolean } & Record<string, unknown>>>;
}

/**
 * A lock file for a project that depends on our tarball alone: the same versions as here, so that nothing newer decides over our test, and
 * nothing has to be asked of a registry that npm has not kept since it installed us.
 */
function lockOf(manifest: { readonly name: string }): string {
  const { lockfileVersion, packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const { '': own, ...others } = packages;
  const { version, dependencies, bin, engines } = own!;
  const needed = Object.fromEntries(Object.entries(others).filter(([, { dev }]) => dev !== true));
  const ours = { version, resolved: 'file:probity.tgz', dependencies, bin, engines };
  return JSON.stringify({ name: manifest.name, lockfileVersion, packages: { '': manifest, 'node_modules/probity': ours, ...needed } });
}

/** The package as it would be published, in a project that has nothing else. */
async function emptyProject(): Promise<string> {
  const packed = temporaryFolder('packed');
  await succeed('npm', ['pack', '--pack-destination', packed], ROOT);
  const [tarball = ''] = readdirSync(packed);
  const project = temporaryFolder('project');
  const manifest = { name: 'consumer', private: true, type: 'module', dependencies: { probity: 'file:probity.tgz' } };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(project, 'package-lock.json'), lockOf(manifest));
  cpSync(join(packed, tarball), join(project, 'probity.tgz'));
  await succeed('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], project);
  return project;
}

const environment = (shop: Shop): Record<string, string> => ({
  ...shop.env,
  PROBITY_MANIFEST: shop.file,
  TEMPORAL_ADDRESS: temporalAddress(),
  TEMPORAL_NAMESPACE: temporalNamespace(),
  // Compiled JavaScript only: an older Node strips no types.
  NODE_OPTIONS: '--no-experimental-strip-types',
});

test(
  'installed from its tarball in an empty project: the types hold, both ways of running a worker work, and so does the command',
  async () => {
    const shop = await createShop(
      `create table visit (id int primary key, at timestamptz); insert into visit select i, '2020-01-01' from generate_series(1, 100) i`,
      { 'shop.public.visit': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at' } } },
    );
    try {
      const project = await emptyProject();
      const source = join(project, 'src');
      mkdirSync(source);
      writeFileSync(join(source, 'consumer.mts'), CONSUMER);
      writeFileSync(join(source, 'workflows.mts'), `export * from 'probity/workflows';\n`);
      const types = [
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'es2023',
        '--skipLibCheck',
        '--types',
        'node',
        '--typeRoots',
        join(ROOT, 'node_modules', '@types'),
      ];
      await succeed(process.execPath, [TYPESCRIPT, ...types, '--outDir', 'out', 'src/consumer.mts', 'src/workflows.mts'], project);
      const output = await succeed(process.execPath, ['out/consumer.mjs'], project, environment(shop));
      const said = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, string>;
      expect(said).toMatchObject({ first: 'complete', second: 'complete', TASK_QUEUE: 'probity' });
      expect(said['workflowsPath']).toMatch(/node_modules\/probity\/dist\/workflows\/index\.js$/);
      expect(await shop.query('select id from visit')).toEqual([]);

      const command = join(project, 'node_modules', '.bin', 'probity');
      expect(await succeed(process.execPath, [command, '--version'], project)).toMatch(/^\d+\.\d+\.\d+\n$/);
      const list = await succeed(process.execPath, [command, 'retention', 'list', '--json'], project, environment(shop));
      expect(list).toContain('consumer-own');
    } finally {
      await shop.close();
    }
  },
  LIMIT_MS,
);
