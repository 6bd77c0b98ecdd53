import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { addActor, authenticate } from '../../client/actors.ts';
import { recordDecision, setPlan } from '../../client/decisions.ts';
import { failureOf } from '../../client/failures.ts';
import { openIdentities, sealIdentities } from '../../client/vault.ts';
import type { Project } from '../../client/project.ts';
import { decideWorld, masterKey, type DecideWorld } from './decide-support.ts';

/** Stands in every identity. */
const CANARY = `canary${randomBytes(6).toString('hex')}`;
const CONTENT = {
  people: [{ subject: 'customer', key: [`${CANARY}-key`], identities: { email: [`${CANARY}@example.test`] } }],
  reply: `${CANARY}@example.test`,
};
const OFFICER = { name: 'olga', roles: ['officer'] };

let world: DecideWorld;
/** Whatever must appear nowhere, by what it is. */
const secrets = new Map<string, string>();
const said: { what: string; text: string }[] = [];
beforeAll(async () => {
  world = await decideWorld();
  secrets.set('identity', CANARY);
  secrets.set('master key', world.env['PROBITY_MASTER_KEY']!);
  secrets.set('token of root', world.root);
});
afterAll(() => world.close());

async function failing(what: string, act: () => Promise<unknown>): Promise<void> {
  const error: unknown = await act().then(
    () => null,
    (it: unknown) => it,
  );
  if (error === null) throw new Error(`${what} did not fail`);
  said.push({ what, text: `${inspect(error, { depth: 9, showHidden: true })} ${failureOf(error).message}` });
}

async function command(args: readonly string[], env: Record<string, string> = {}, shownOnce = false): Promise<string> {
  const { out, err } = await world.probity(args, env);
  said.push({ what: `probity ${args.slice(0, 2).join(' ')}: stderr`, text: err });
  if (!shownOnce) said.push({ what: `probity ${args.slice(0, 2).join(' ')}: stdout`, text: out });
  return out.trim();
}

test('identities, keys and tokens appear in no table, log, error or output but the one place', async () => {
  const { project } = world;
  const id = await world.request('desk');
  await sealIdentities(project, id, CONTENT);
  await openIdentities(project, id, OFFICER, 'why');
  const byRoot = { PROBITY_ACTOR_TOKEN: world.root };
  const token = await command(['actor', 'add', 'anna', '--role', 'approver'], byRoot, true);
  secrets.set('token of anna', token);
  const other = await command(['actor', 'rotate', 'anna'], byRoot, true);
  secrets.set('second token of anna', other);
  const file = join(world.folder, 'master.key');
  await command(['keys', 'create', '--master', file]);
  secrets.set('key file', readFileSync(file, 'utf8').trim());
  await command(['keys', 'create', '--master', file]);
  await command(['keys', 'rewrap'], { PROBITY_MASTER_KEY: `${secrets.get('key file')!} ${world.env['PROBITY_MASTER_KEY']!}` });
  await command(['keys', 'rewrap'], { PROBITY_MASTER_KEY: `${CANARY} x` });
  await command(['actor', 'list']);
  await command(['actor', 'add', 'bert', '--role', 'approver'], { PROBITY_ACTOR_TOKEN: token });
  await command(['actor', 'add', 'bert', '--role', 'approver', '--token', world.root]);

  const now: Project = world.with({ PROBITY_MASTER_KEY: secrets.get('key file')! });
  await setPlan(project, id, 'a'.repeat(64));
  await recordDecision(project, { requestId: id, planHash: 'a'.repeat(64), decision: 'approve' }, other);
  for (const wrong of [token, `${other}${CANARY}`, `${other.slice(0, -1)}`])
    await failing('a wrong token', () => authenticate(project, wrong));
  await failing('a reason about somebody', () =>
    recordDecision(project, { requestId: id, planHash: 'a'.repeat(64), decision: 'reject', reason: CANARY.toUpperCase() }, other),
  );
  await failing('a name', () => addActor(project, { name: `${CANARY}@x`, roles: ['officer'] }, { token: world.root, name: 'x' }));
  await failing('another key', () => openIdentities(world.with({ PROBITY_MASTER_KEY: masterKey() }), id, OFFICER, 'why'));
  await failing('a key that is none', () => openIdentities(world.with({ PROBITY_MASTER_KEY: `${CANARY}` }), id, OFFICER, 'why'));
  await world.query('update probity.request_vault set ciphertext = ciphertext || $1', [Buffer.from('x')]);
  await failing('an altered row', () => openIdentities(now, id, OFFICER, 'why'));
  await world.query(`alter table probity.request_vault add constraint never check (false) not valid`);
  await failing('a row that the database refuses', () => sealIdentities(now, id, CONTENT));
  await world.query(`alter table probity.request_vault drop constraint never`);
  await world.closeRequest(id, new Date());
  await failing('a closed request', () => sealIdentities(now, id, CONTENT));
  said.push({ what: "Postgres's log", text: readFileSync(inject('postgresLog'), 'latin1') });
  said.push({
    what: 'what this process shows of a project',
    text: inspect(await world.query('select * from probity.request_event'), { depth: 9 }),
  });

  const { tables } = (
    await world.query<{ tables: string[] }>(
      `select array_agg(relname::text order by relname) as tables from pg_class where relnamespace = 'probity'::regnamespace and relkind = 'r'`,
    )
  )[0]!;
  for (const table of tables) {
    const rows = await world.query<{ text: string }>(`select t::text as text from probity.${table} t`);
    said.push({ what: `table ${table}`, text: rows.map(({ text }) => text).join('\n') });
  }
  expect(tables).toContain('request_vault');
  // The search must be able to find something: names of actors stand in what they decided.
  expect(said.filter(({ text }) => text.includes('anna')).map(({ what }) => what)).toContain('table request_decision');

  const leaks = said.flatMap(({ what, text }) =>
    [...secrets].flatMap(([name, secret]) => spellings(secret).flatMap((it) => (text.includes(it) ? [`${name} in ${what}`] : []))),
  );
  expect(leaks).toEqual([]);
});

/** As it is, as bytes that a table shows, and (of tokens) the part that is secret. */
function spellings(secret: string): string[] {
  const last = secret.startsWith('probity_actor_') ? secret.slice(-43) : secret;
  const bytes = secret.endsWith('=') ? Buffer.from(secret, 'base64') : Buffer.from(last, 'utf8');
  return [last, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, '')];
}
