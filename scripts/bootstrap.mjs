// Runs a script of this project with the Node that it is written for, on a fresh clone too: installs what package-lock.json names if it is
// not what is installed. Plain JavaScript of Node 20 without dependencies, since that may be all there is.
//
//   node scripts/bootstrap.mjs scripts/start.ts …     a TypeScript file
//   node scripts/bootstrap.mjs vitest run …           vitest

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const pinnedNode = join(modules, 'node', 'bin', 'node');

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** The first package that is not installed as the lock file says; undefined if all are. npm writes its record last, so a broken-off installation has none. */
const firstDifference = () => {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record) || !existsSync(pinnedNode)) return 'nothing is installed';
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const installed = readJson(record).packages;
  for (const [path, { version, optional, devOptional, link }] of Object.entries(wanted)) {
    if (path === '' || link) continue;
    const found = installed[path];
    // Programs for other platforms are named but not installed.
    if (found === undefined && (optional || devOptional)) continue;
    if (found?.version !== version) return `${path.replace(/^.*node_modules\//, '')} is ${found?.version ?? 'missing'}, not ${version}`;
  }
  return undefined;
};

const install = (why) => {
  console.log(`installing dependencies with npm ci (${why})`);
  const began = Date.now();
  // Under npm, the same npm; `--include=dev` because the tests and the embedded services are wanted even where NODE_ENV is production.
  const npm = process.env.npm_execpath ? [process.execPath, [process.env.npm_execpath]] : ['npm', []];
  const { status } = spawnSync(npm[0], [...npm[1], 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error('npm ci failed: see above. It needs an npm registry; nothing else was changed.');
    process.exit(4);
  }
  console.log(`installed in ${((Date.now() - began) / 1000).toFixed(1)} s`);
};

const [target, ...args] = process.argv.slice(2);
if (target === undefined || Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  console.error(
    target === undefined
      ? 'usage: bootstrap.mjs FILE|vitest [ARGUMENT…]'
      : `Node ${OLDEST_NODE} or newer is needed; this is ${process.version}`,
  );
  process.exit(2);
}

const difference = firstDifference();
if (difference !== undefined) install(difference);

const script = target === 'vitest' ? join(modules, 'vitest', 'vitest.mjs') : join(root, target);
process.env.PATH = [join(modules, '.bin'), ...(process.env.PATH ?? '').split(delimiter)]
  .filter((folder, at, all) => all.indexOf(folder) === at)
  .join(delimiter);

if (process.execve !== undefined) {
  // This process becomes the script: signals and the exit code need no help.
  process.execve(pinnedNode, [pinnedNode, script, ...args], process.env);
}
const child = spawn(pinnedNode, [script, ...args], { stdio: 'inherit' });
// In a terminal, Ctrl-C reaches the child by itself, and twice would mean "at once".
process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
child.on('error', (error) => {
  console.error(`${pinnedNode} does not run: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, name) => process.exit(code ?? 128 + constants.signals[name]));
