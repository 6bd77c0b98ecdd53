import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, relative } from 'node:path';
import { runProbity } from '../../cli/run.ts';
import { EXIT } from '../../cli/exit.ts';
import { makeStateFolder, projectRoot, stateFolder } from '../paths.ts';
import { isSample } from '../sample/marker.ts';
import { startServices, withoutTemporal, type Services } from './services.ts';
import { permissionTour } from './permission.ts';
import { requestsTour } from './requests.ts';
import { removeSession, writeSession } from './session.ts';
import { TourFailed, type Story } from './story.ts';
import type { TourSubject } from './subject.ts';
import { startWorker } from './worker.ts';

/** Shown in the run as who approved, where the manifest's policy asks for somebody else than the starter. */
const SECOND_PERSON = 'second-person';
const OBSERVES = /^mode: observe\b.*$/m;

/**
 * The whole way with services and databases of our own: start, fill, check, plan in mode observe, enforce, purge, certificate.
 * `onStop` is told how to stop each thing that was started, in the order of starting.
 */
export async function guidedTour(subject: TourSubject, story: Story, onStop: (stop: () => Promise<void>) => void): Promise<void> {
  const services = await startServices(story, process.env, onStop);
  const urls: Record<string, string> = {};
  for (const [variable, name] of Object.entries(subject.databases)) urls[variable] = await services.database(name);
  const folder = makeStateFolder(subject.name);
  const env = environment(subject, services, urls, folder);

  const filled = await story.step(`Fill ${Object.values(subject.databases).join(' and ')}`, async () => {
    const filledNow = await subject.fill(urls, story);
    if (!filledNow) story.say('  filled by an earlier start; --refill makes it anew');
    return filledNow;
  });
  // Everything below changes these databases: they must be ours.
  for (const url of Object.values(urls))
    if (!(await isSample(url))) throw new TourFailed('A database is not one that we made: nothing was changed', EXIT.usage);

  const manifest = env['PROBITY_MANIFEST'] ?? '';
  const resumed = prepareManifest(subject, manifest);
  await story.step('Check the manifest against the live databases', () => story.probity(env, ['check']));
  await story.step('Create our schema, put the manifest in force', async () => {
    await story.probity(env, ['migrate']);
    if (!resumed) await story.probity(env, ['apply']);
  });
  const asOf = subject.asOf === null ? [] : ['--as-of', subject.asOf];
  await story.step(resumed ? 'What would be purged' : 'What would be purged: in mode observe nothing changes', () =>
    story.probity(env, ['retention', 'plan', ...asOf]),
  );
  await story.step('Enforce', async () => {
    if (OBSERVES.test(readFileSync(manifest, 'utf8'))) enforce(manifest);
    story.say(
      `  ${relative(projectRoot, manifest)} says \`mode: enforce\`: an explicit change, here because we made these databases ourselves.`,
    );
    await story.probity(env, ['apply', '--enforce']);
    // In a Temporal of somebody else's nothing is left behind.
    if (services.ownTemporal) await story.probity(env, ['schedules', 'apply']);
    else await story.probity(env, ['schedules', 'diff'], [EXIT.done, EXIT.findings]);
  });
  await story.step('Start a worker', async () => {
    const key = env['PROBITY_SIGNING_KEY_FILE'] ?? '';
    if (!existsSync(key)) await story.probity(env, ['keys', 'create', key]);
    const master = env['PROBITY_MASTER_KEY_FILE'] ?? '';
    if (!existsSync(master)) await story.probity(env, ['keys', 'create', '--master', master]);
    const worker = await startWorker(env, join(makeStateFolder(), 'worker.log'));
    onStop(worker.stop);
    story.say(`  process ${worker.pid}, task queue ${env['PROBITY_TASK_QUEUE'] ?? ''}`);
  });
  const file = writeSession(
    Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => SESSION.test(entry[0]) && entry[1] !== undefined)),
  );
  onStop(async () => removeSession());

  const runId = `${subject.name}-${new Date()
    .toISOString()
    .replaceAll(/[-:]|\..*$/g, '')
    .toLowerCase()}`;
  const certificate = join(folder, `${runId}.certificate.json`);
  if (!filled) story.say('\nAn earlier start has purged these databases: what is left to do is what has expired since.');
  await story.step('Purge', () => purge(story, env, runId, [...asOf, '--certificate', certificate]));
  await story.step('Verify the certificate, offline', () =>
    story.probity(env, ['evidence', 'verify', certificate, '--key', env['PROBITY_SIGNING_KEY_FILE'] ?? '']),
  );
  if (subject.asOf !== null) await story.step('Compare what is left with what must be left', () => subject.examine(urls, story));
  const home = Object.values(urls)[0] ?? '';
  const withdrawal = await permissionTour(subject.permission, story, env, home, folder);
  await requestsTour(subject.requests, story, env, home, folder, withdrawal);
  farewell(subject, services, story, runId, file);
}

/** What a second terminal is given. */
const SESSION =
  /^(DATABASE_URL|SUPPORT_DATABASE_URL|TEMPORAL_|PROBITY_(MANIFEST|TASK_QUEUE|SIGNING_KEY_FILE|MASTER_KEY_FILE|SINK|SINK_KEY)$)/;

function environment(subject: TourSubject, services: Services, urls: Readonly<Record<string, string>>, folder: string): NodeJS.ProcessEnv {
  const outer = services.ownTemporal ? withoutTemporal(process.env) : process.env;
  return {
    ...outer,
    ...services.temporal,
    ...urls,
    PROBITY_MANIFEST: join(folder, 'probity.yaml'),
    PROBITY_TASK_QUEUE: taskQueue(subject, services),
    PROBITY_SIGNING_KEY_FILE: join(makeStateFolder(), 'signing-key.pem'),
    PROBITY_MASTER_KEY_FILE: join(makeStateFolder(), 'master-key'),
    PROBITY_SINK: join(folder, 'sink.jsonl'),
    PROBITY_SINK_KEY: sinkKey(),
  };
}

/** Kept beside the signing key: what was written with it must stay readable. */
function sinkKey(): string {
  const file = join(makeStateFolder(), 'sink-key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

/** Of its own: jobs over other databases on the same Temporal are for other workers, and another tour may be among them. */
function taskQueue({ name }: TourSubject, { ownTemporal }: Services): string {
  if (ownTemporal) return `probity-${name}`;
  return `probity-${name}-${createHash('sha256').update(`${hostname()} ${stateFolder()}`).digest('hex').slice(0, 8)}`;
}

/** A working copy, so that whoever tries something out edits that. Returns whether an earlier start has made it and enforced it. */
function prepareManifest(subject: TourSubject, manifest: string): boolean {
  if (existsSync(manifest)) return !OBSERVES.test(readFileSync(manifest, 'utf8'));
  const schema = join(projectRoot, 'manifest', 'manifest.schema.json');
  const text = readFileSync(join(projectRoot, subject.manifest), 'utf8').replace(/(\$schema=).*$/m, `$1${schema}`);
  writeFileSync(manifest, text);
  return false;
}

function enforce(manifest: string): void {
  const text = readFileSync(manifest, 'utf8');
  writeFileSync(
    manifest,
    text.replace(OBSERVES, 'mode: enforce # set by npm start, since it made these databases; begin with `observe` over your own'),
  );
}

/** Runs the job before the reader's eyes; where the policy asks for a second person, one approves what is shown. */
async function purge(story: Story, env: NodeJS.ProcessEnv, runId: string, options: readonly string[]): Promise<void> {
  const run = ['retention', 'run', '--wait', '--id', runId, ...options];
  const code = await story.probity(env, run, [EXIT.done, EXIT.person]);
  if (code === EXIT.done) return;
  let text = '';
  await runProbity(['retention', 'status', runId, '--json'], { ...story.io, env, terminal: false, out: (line) => (text += line) });
  const { state, planHash } = JSON.parse(text) as { readonly state: string; readonly planHash: string | null };
  if (state !== 'waiting' || planHash === null) throw new TourFailed(`The run is ${state}`, EXIT.person);
  story.say('The manifest asks for an approval of plans this large, by somebody else than the starter:');
  await story.probity(env, ['retention', 'approve', runId, '--plan', planHash.slice(0, 8), '--actor', SECOND_PERSON]);
  await story.probity(env, run);
}

function farewell(subject: TourSubject, services: Services, story: Story, runId: string, sessionFile: string): void {
  story.say('\nDone. While this runs, try in a second terminal, in this folder:');
  for (const command of subject.next) story.say(`  npm run probity -- ${command.replace('RUN', runId)}`);
  story.say(`With an installed \`probity\`, or psql "$DATABASE_URL": set -a; . ${relative(process.cwd(), sessionFile)}; set +a`);
  if (services.console !== null) story.say(`Temporal's console: ${services.console}`);
  story.say('Over your own database, reading only: DATABASE_URL=postgres://… npm start');
}
