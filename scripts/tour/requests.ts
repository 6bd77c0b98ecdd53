import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProbity } from '../../cli/run.ts';
import { EXIT } from '../../cli/exit.ts';
import { withClient } from '../sample/marker.ts';
import { TourFailed, type Story } from './story.ts';

/** What a tour shows of requests: a withdrawal that has been recorded, and an erasure of somebody who has more to lose. */
export interface RequestScene {
  /** Of the subject, as the manifest calls it. */
  readonly subject: string;
  /** By which the person is named on standard input: an identity, or null for the key. */
  readonly by: string | null;
  /** One row, `who`: somebody of whom several tables know. Read in the home store. */
  readonly who: string;
}

/** Without it nobody could follow: a withdrawal waits for replicas, a plan for a worker. */
const LONGEST_WATCH_MS = 120_000;

/** The request of a withdrawal, and an erasure, each from its plan to a certificate that is checked offline. */
export async function requestsTour(
  scene: RequestScene,
  story: Story,
  env: NodeJS.ProcessEnv,
  url: string,
  folder: string,
  withdrawal: string,
): Promise<void> {
  const token = await story.step('Somebody who may decide: an actor, known by a token', () => approver(story, env, folder));
  const carry = (id: string): Promise<void> => carriedOut(story, { ...env, PROBITY_ACTOR_TOKEN: token }, id, folder);
  await story.step(`The withdrawal ${withdrawal}: what only that consent justified goes`, async () => {
    await story.probity(env, ['request', 'status', withdrawal, '--watch'], [EXIT.done, EXIT.person]);
    await carry(withdrawal);
  });
  await story.step('Somebody asks to be erased', async () => {
    const named = scene.by === null ? [] : ['--by', scene.by];
    const who = await withClient(url, async (client) => (await client.query<{ who: string }>(scene.who)).rows[0]?.who);
    if (who === undefined) throw new TourFailed('Nobody is left to be erased', EXIT.findings);
    const open = ['request', 'open', '--kind', 'erasure', '--ground', 'no_longer_necessary', '--subject', scene.subject, ...named];
    await story.probity(env, open, [EXIT.done], who);
    const id = await newest(url);
    await story.probity(env, ['request', 'verify', id, '--method', 'login', '--evidence', 'SESSION-88']);
    await carry(id);
    await story.probity(env, ['request', 'status', id]);
  });
}

/** Plans, approves what was shown, waits for the worker, has recipients told, and checks the certificate. */
async function carriedOut(story: Story, env: NodeJS.ProcessEnv, id: string, folder: string): Promise<void> {
  story.say(`$ probity request plan ${id}`);
  const plan = await output(story, env, ['request', 'plan', id]);
  story.say(plan);
  const [, hash] = /--plan ([0-9a-f]+)/.exec(plan) ?? [];
  if (hash === undefined) throw new TourFailed(`${id} could not be planned`, EXIT.findings);
  await story.probity(env, ['request', 'approve', id, '--plan', hash]);
  while ((await watched(story, env, id)) !== EXIT.done)
    if (!(await toldByHand(story, env, id))) throw new TourFailed(`${id} waits for a person: see above`, EXIT.person);
  const certificate = join(folder, `${id}.certificate.json`);
  if (!existsSync(certificate)) await story.probity(env, ['request', 'certificate', id, '--out', certificate]);
  await story.probity(env, ['evidence', 'verify', certificate, '--key', env['PROBITY_SIGNING_KEY_FILE'] ?? '']);
}

/** No recipient of the sample is there to answer: a person says that they were told. Returns whether one had still to be. */
async function toldByHand(story: Story, env: NodeJS.ProcessEnv, id: string): Promise<boolean> {
  const notices = JSON.parse(await output(story, env, ['request', 'recipients', id, '--json'])) as Notice[];
  const open = notices.filter(({ settledAt }) => settledAt === null);
  if (open.length === 0) return false;
  await story.probity(env, ['request', 'recipients', id], [EXIT.person]);
  story.say('These recipients do not exist, so none of them will answer; outside a tour a person has told them before they say so:');
  for (const { recipient } of open) await story.probity(env, ['request', 'told', id, '--recipient', recipient]);
  return true;
}

interface Notice {
  readonly recipient: string;
  readonly settledAt: string | null;
}

/** Until it is over or waits for a person. */
async function watched(story: Story, env: NodeJS.ProcessEnv, id: string): Promise<number> {
  const limit = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new TourFailed(`${id} was not carried out in time: see worker.log`, EXIT.findings)), LONGEST_WATCH_MS).unref();
  });
  return Promise.race([story.probity(env, ['request', 'status', id, '--watch'], [EXIT.done, EXIT.person]), limit]);
}

async function output(story: Story, env: NodeJS.ProcessEnv, args: readonly string[]): Promise<string> {
  let text = '';
  await runProbity(args, { ...story.io, env, terminal: false, out: (line) => void (text += `${line}\n`) });
  return text.trimEnd();
}

/** Kept beside the databases, readable by their owner alone: a token is shown once, and a later start goes on with it. */
async function approver(story: Story, env: NodeJS.ProcessEnv, folder: string): Promise<string> {
  const file = join(folder, 'approver-token');
  if (!existsSync(file)) {
    const added = async (name: string, role: readonly string[], token: NodeJS.ProcessEnv): Promise<string> => {
      story.say(`$ probity actor add ${name} --role ${role.join(' ')}`);
      const text = await output(story, { ...env, ...token }, ['actor', 'add', name, '--role', ...role, '--json']);
      return (JSON.parse(text) as { readonly token: string }).token;
    };
    const admin = await added('root', ['admin'], {});
    writeFileSync(file, await added('anna', ['officer', 'approver'], { PROBITY_ACTOR_TOKEN: admin }), { mode: 0o600 });
  }
  await story.probity(env, ['actor', 'list']);
  return readFileSync(file, 'utf8');
}

async function newest(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `select request_id as id from probity.request where kind = 'erasure' order by received_at desc limit 1`,
    );
    return rows[0]?.id ?? '';
  });
}
