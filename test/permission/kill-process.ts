import { writeSync } from 'node:fs';
import { createReadStream } from 'node:fs';
import pg from 'pg';
import { importConsents } from '../../client/consent/import.ts';
import { consentRecorder } from '../../client/consent/recorder.ts';
import { openProject } from '../../client/project.ts';
import { sealConsents } from '../../database/permission/seal.ts';

/*
 * Records, imports or seals, and is killed around a statement: `KILL='before commit 2'` kills it when it is about to send its second commit,
 * `'after commit 2'` when the server has answered, and nothing of ours has seen the answer. Acknowledgements go to stdout as they come.
 */
const [, , what = '', input = '', kill = ''] = process.argv;
const [when, statement = '', count = '1'] = kill.split(' ');
let left = Number(count);

type Query = (this: unknown, ...args: unknown[]) => unknown;
const prototype = pg.Client.prototype as unknown as { query: Query };
const query = prototype.query;
const die = (): void => void process.kill(process.pid, 'SIGKILL');
const textOf = (given: unknown): string => {
  const it = given as { text?: string; cursor?: { text?: string } } | string;
  return typeof it === 'string' ? it : (it.text ?? it.cursor?.text ?? '');
};
let armed = false;
prototype.query = function (...args) {
  const reached = armed && statement !== '' && textOf(args[0]).trimStart().toLowerCase().includes(statement) && --left === 0;
  if (reached && when === 'before') die();
  const answer = Reflect.apply(query, this, args);
  return reached && answer instanceof Promise ? answer.then(die) : answer;
};

const project = await openProject(process.env['PROBITY_MANIFEST'] ?? '', process.env);
armed = true;
if (what === 'record') {
  const recorder = consentRecorder(project, { actor: 'tester' });
  const one = async (key: number): Promise<void> => {
    const { durable } = await recorder.record({
      subject: 'customer',
      key: [key],
      purpose: 'newsletter',
      decision: 'withdrawn',
      id: `w${key}`,
    });
    writeSync(1, `${key} ${durable}\n`);
  };
  // Some come alone, the others together.
  const keys = input.split(',').map(Number);
  for (const key of keys.slice(0, 2)) await one(key);
  await Promise.all(keys.slice(2).map(one));
  await recorder.close();
} else if (what === 'import') {
  await importConsents(project, {
    input: createReadStream(input),
    format: 'csv',
    subject: 'customer',
    map: {},
    constants: { purpose: 'newsletter' },
    zone: 'UTC',
    actor: 'tester',
    dryRun: false,
  });
} else if (what === 'seal') {
  await sealConsents(project.home);
}
await project.close();
writeSync(1, 'done\n');
