import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addActor, authenticate, listActors, revokeActor, rotateActor } from '../../client/actors.ts';
import { readToken, writeToken } from '../../domain/requests/actor.ts';
import { decideWorld, type DecideWorld } from './decide-support.ts';

let world: DecideWorld;
beforeAll(async () => {
  world = await decideWorld();
});
afterAll(() => world.close());

const byRoot = () => ({ token: world.root, name: 'tester' });

test('a token is known again; its parts, and what looks like it, are not', async () => {
  const token = await world.actor('anna', 'approver', 'officer', 'approver');
  expect(await authenticate(world.project, token)).toEqual({ name: 'anna', roles: ['approver', 'officer'] });
  expect(await authenticate(world.project, ` ${token}\n`)).toMatchObject({ name: 'anna' });
  const other = await world.actor('otto', 'officer');
  const id = readToken(token)!.id;
  // The right number with another secret: the hash alone tells them apart.
  const forged = other.replace(readToken(other)!.id, id);
  const flipped = `${token.slice(0, -2)}${token.at(-2) === 'A' ? 'B' : 'A'}${token.at(-1)}`;
  for (const wrong of [
    '',
    'x',
    id,
    token.slice(0, -1),
    `${token}x`,
    token.toUpperCase(),
    forged,
    flipped,
    writeToken(Buffer.alloc(8), Buffer.alloc(32)),
  ]) {
    const thrown = await authenticate(world.project, wrong).catch((error: unknown) => String(error));
    expect(thrown).toMatch(/No actor has this token/);
    if (wrong.length > 10) expect(thrown).not.toContain(wrong.slice(-10));
  }
});

test('only the hash is stored', async () => {
  const token = await world.actor('hans', 'officer');
  const [row] = await world.query<{ hash: Buffer; row: string }>(
    `select token_hash as hash, a::text as row from probity.actor a where actor = 'hans'`,
  );
  expect(row!.hash.equals(createHash('sha256').update(token).digest())).toBe(true);
  expect(row!.row).not.toContain(token.slice(-43));
});

test('tokens end, are replaced and revoked; a name is given once', async () => {
  const token = await world.actor('bea', 'approver');
  const { token: next, expiresAt } = await rotateActor(world.project, { name: 'bea', days: 7 }, { token, name: 'x' });
  expect(Math.round((expiresAt.getTime() - Date.now()) / 3_600_000)).toBe(7 * 24);
  await expect(authenticate(world.project, token)).rejects.toThrow(/No actor/);
  expect(await authenticate(world.project, next)).toMatchObject({ name: 'bea', roles: ['approver'] });
  await world.query(`update probity.actor set expires_at = now() where actor = 'bea'`);
  await expect(authenticate(world.project, next)).rejects.toThrow(/token of bea ended/);
  await expect(rotateActor(world.project, { name: 'bea' }, { token: next, name: 'x' })).rejects.toThrow(/ended/);
  const { token: third } = await rotateActor(world.project, { name: 'bea' }, byRoot());
  await revokeActor(world.project, 'bea', byRoot());
  await expect(authenticate(world.project, third)).rejects.toThrow(/bea was revoked/);
  await expect(rotateActor(world.project, { name: 'bea' }, byRoot())).rejects.toThrow(/revoked/);
  await expect(world.actor('bea', 'officer')).rejects.toThrow(/never given to anybody else/);
  expect(await world.query(`select change, by from probity.actor_change where actor = 'bea' order by change_id`)).toEqual([
    { change: 'added', by: 'root' },
    { change: 'rotated', by: 'bea' },
    { change: 'rotated', by: 'root' },
    { change: 'revoked', by: 'root' },
  ]);
  await expect(world.query(`delete from probity.actor_change`)).rejects.toThrow(/append-only/);
  expect((await listActors(world.project)).find(({ name }) => name === 'bea')).toMatchObject({
    addedBy: 'root',
    revokedAt: expect.any(Date) as Date,
  });
});

test('only an admin changes actors, once there is one', async () => {
  const token = await world.actor('carl', 'officer');
  const add = (by: string | null) => addActor(world.project, { name: 'dora', roles: ['approver'] }, { token: by, name: 'tester' });
  await expect(add(null)).rejects.toThrow(/token of an admin/);
  await expect(add(token)).rejects.toThrow(/carl is no admin/);
  await expect(rotateActor(world.project, { name: 'root' }, { token, name: 'x' })).rejects.toThrow(/carl is no admin/);
  await expect(revokeActor(world.project, 'carl', { token, name: 'x' })).rejects.toThrow(/carl is no admin/);
  await expect(revokeActor(world.project, 'root', byRoot())).rejects.toThrow(/last admin/);
  await expect(revokeActor(world.project, 'nobody', byRoot())).rejects.toThrow(/no actor of this name/);
  for (const name of ['Anna', 'a b', 'anna@example.test', 'service', '', 'x'.repeat(41)])
    await expect(world.actor(name, 'officer')).rejects.toThrow(/name is up to 40/);
  await expect(world.actor('emil', 'aprover')).rejects.toThrow(/did you mean approver/);
  await expect(world.actor('emil', 'service')).rejects.toThrow(/Nothing asks for/);
  await expect(world.actor('emil')).rejects.toThrow(/needs a role/);
  // A role of a person who is told, as the manifest names it.
  expect(await authenticate(world.project, await world.actor('emil', 'dpo'))).toMatchObject({ roles: ['dpo'] });
});

test('without a working admin somebody at the database adds one, and nothing else; of two at once one is the first', async () => {
  const own = await decideWorld();
  try {
    const nobody = { token: null, name: 'tester' };
    await own.actor('anna', 'approver');
    await own.query(`update probity.actor set expires_at = now() where actor = 'root'`);
    await expect(addActor(own.project, { name: 'mia', roles: ['approver'] }, nobody)).rejects.toThrow(/Add an admin first/);
    await expect(rotateActor(own.project, { name: 'anna' }, nobody)).rejects.toThrow(/No admin/);
    // With connections open already: otherwise the first is done before the second begins.
    const names = ['one', 'two', 'three', 'four'];
    await Promise.all(names.map(() => own.project.home.pool.query('select pg_sleep(0.1)')));
    const results = await Promise.allSettled(names.map((name) => addActor(own.project, { name, roles: ['admin'] }, nobody)));
    const added = results.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    expect(added).toHaveLength(1);
    const first = { token: added[0]!.token, name: 'x' };
    const second = await addActor(own.project, { name: 'second', roles: ['admin'] }, first);
    // Each revokes the other: one of them stays.
    const revoked = await Promise.allSettled([
      revokeActor(own.project, 'second', first),
      revokeActor(own.project, added[0]!.actor.name, { token: second.token, name: 'x' }),
    ]);
    expect(revoked.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  } finally {
    await own.close();
  }
});

test('the command: the token is asked for or comes from the environment, is printed once, and is no argument', async () => {
  const env = { PROBITY_ACTOR_TOKEN: world.root };
  const added = await world.probity(['actor', 'add', 'fred', '--role', 'officer', 'approver', '--days', '30'], env);
  expect(added).toMatchObject({ code: 0 });
  const token = added.out.trim();
  expect(await authenticate(world.project, token)).toEqual({ name: 'fred', roles: ['approver', 'officer'] });
  expect(added.err).toMatch(/fred \(approver, officer\); the token works until .* shown only now/);
  expect(added.err).not.toContain(token);

  expect((await world.probity(['actor', 'rotate', 'fred'])).err).toMatch(/token of an admin: set PROBITY_ACTOR_TOKEN/);
  const rotated = await world.probity(['actor', 'rotate', 'fred', '--json'], {}, token);
  expect(JSON.parse(rotated.out)).toMatchObject({ name: 'fred', token: expect.stringMatching(/^probity_actor_/) as string });
  const argument = await world.probity(['actor', 'revoke', 'fred', '--token', token], env);
  expect(argument).toMatchObject({ code: 2 });
  expect(argument.err).toMatch(/not taken as an argument/);
  expect(argument.err + argument.out).not.toContain(token);
  expect(await world.probity(['actor', 'revoke', 'fred'], env)).toMatchObject({ code: 0 });
  const listed = await world.probity(['actor', 'list']);
  expect(listed.out).toMatch(/fred +approver, officer +revoked/);
  expect(listed.out).not.toMatch(/probity_actor_/);
});
