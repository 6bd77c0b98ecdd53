import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyRing, readMasterKeys } from '../../client/master-key.ts';
import { openIdentities, rewrapVault, sealIdentities, vaultLooks, type VaultContent } from '../../client/vault.ts';
import { rewrapKeys } from '../../database/requests/rewrap.ts';
import { destroyExpired, encryptIdentities, openIdentities as openFrom, storeIdentities } from '../../database/requests/vault.ts';
import { inTransaction } from '../../database/store.ts';
import { SERVICE } from '../../domain/requests/actor.ts';
import { masterKeyId, openContent, sealContent, unwrapKey, wrapKey } from '../../domain/requests/vault.ts';
import { decideWorld, masterKey, type DecideWorld } from './decide-support.ts';

const OFFICER = { name: 'olga', roles: ['officer'] };
const CONTENT: VaultContent = {
  people: [{ subject: 'customer', key: ['4711'], identities: { email: ['vera@example.test'], phone: ['+49 30 1234'] } }],
  reply: 'vera@example.test',
};

let world: DecideWorld;
beforeAll(async () => {
  world = await decideWorld();
});
afterAll(() => world.close());

async function sealed(content = CONTENT): Promise<string> {
  const id = await world.request('desk');
  await sealIdentities(world.project, id, content);
  return id;
}

const refused = (code: string): unknown => expect.objectContaining({ name: 'VaultRefused', code });

test('what was sealed opens for an officer and the service; each look is on record, and stays', async () => {
  const id = await sealed();
  expect(await openIdentities(world.project, id, OFFICER, 'the requester calls')).toEqual(CONTENT);
  expect(await openIdentities(world.project, id, SERVICE, 'find rows')).toEqual(CONTENT);
  expect(await vaultLooks(world.project, id)).toMatchObject([
    { actor: 'olga', roles: ['officer'], why: 'the requester calls' },
    { actor: 'service', why: 'find rows' },
  ]);
  await expect(openIdentities(world.project, id, { name: 'anna', roles: ['approver'] }, 'curious')).rejects.toThrow(
    /needs the role officer/,
  );
  await expect(openIdentities(world.project, id, { name: 'service', roles: ['service'] }, 'curious')).rejects.toThrow(
    /needs the role officer/,
  );
  await expect(openIdentities(world.project, id, OFFICER, '  ')).rejects.toThrow(/needs its reason/);
  await expect(openIdentities(world.project, 'R-0', OFFICER, 'why')).rejects.toEqual(refused('absent'));
  expect(await vaultLooks(world.project, id)).toHaveLength(2);
  for (const change of [
    `update probity.vault_look set actor = 'x'`,
    'delete from probity.vault_look',
    'truncate probity.vault_look cascade',
  ])
    await expect(world.query(change)).rejects.toThrow(/append-only/);
});

test('a look that cannot be recorded shows nothing; one that does not open is recorded', async () => {
  const id = await sealed();
  await world.query(`alter table probity.vault_look add constraint never check (actor <> 'olga') not valid`);
  await expect(openIdentities(world.project, id, OFFICER, 'why')).rejects.toThrow(/constraint/);
  await world.query('alter table probity.vault_look drop constraint never');
  const other = world.with({ PROBITY_MASTER_KEY: masterKey() });
  await expect(openIdentities(other, id, OFFICER, 'with another key')).rejects.toEqual(refused('other key'));
  expect(await vaultLooks(world.project, id)).toMatchObject([{ why: 'with another key' }]);
});

test('nothing in the database tells who it is, and no two rows share a key or a nonce', async () => {
  const ids = [await sealed(), await sealed()];
  const rows = await world.query<{ row: string; wrapped: Buffer; nonce: Buffer; ciphertext: Buffer }>(
    `select v::text as row, wrapped_key as wrapped, nonce, ciphertext from probity.request_vault v where request_id = any ($1) order by request_id`,
    [ids],
  );
  expect(rows).toHaveLength(2);
  for (const { row, ciphertext } of rows) {
    expect(row).not.toContain('vera');
    expect(ciphertext.toString('latin1')).not.toContain('vera');
  }
  expect(new Set(rows.map(({ nonce }) => nonce.toString('hex'))).size).toBe(2);
  expect(new Set(rows.map(({ wrapped }) => wrapped.toString('hex'))).size).toBe(2);
  // Sealed again: another key and nonce, and the new content.
  await sealIdentities(world.project, ids[0]!, { ...CONTENT, reply: null });
  const [again] = await world.query<{ nonce: Buffer }>(`select nonce from probity.request_vault where request_id = $1`, [ids[0]]);
  expect(again!.nonce.equals(rows[0]!.nonce)).toBe(false);
  expect((await openIdentities(world.project, ids[0]!, OFFICER, 'again')).reply).toBeNull();
});

test.each([
  ['ciphertext', 'set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)'],
  ['ciphertext', 'set_byte(ciphertext, length(ciphertext) - 1, get_byte(ciphertext, length(ciphertext) - 1) # 1)'],
  ['ciphertext', 'substr(ciphertext, 1, 10)'],
  ['ciphertext', `''::bytea`],
  ['nonce', 'set_byte(nonce, 3, get_byte(nonce, 3) # 1)'],
  ['nonce', 'substr(nonce, 1, 11)'],
  ['wrapped_key', 'set_byte(wrapped_key, 0, get_byte(wrapped_key, 0) # 1)'],
  ['wrapped_key', 'set_byte(wrapped_key, 20, get_byte(wrapped_key, 20) # 1)'],
  ['wrapped_key', 'substr(wrapped_key, 1, 40)'],
])('an altered %s (%s) is refused', async (column, value) => {
  const id = await sealed();
  await world.query(`update probity.request_vault set ${column} = ${value} where request_id = $1`, [id]);
  await expect(openIdentities(world.project, id, OFFICER, 'why')).rejects.toEqual(refused('altered'));
});

test('a row in the place of another request’s is refused, whole or in parts', async () => {
  for (const columns of ['wrapped_key, nonce, ciphertext', 'nonce, ciphertext', 'wrapped_key']) {
    const [mine, theirs] = [await sealed(), await sealed({ ...CONTENT, reply: 'someone@example.test' })];
    await world.query('drop index probity.request_vault_nonce');
    await world.query(
      `update probity.request_vault v set (${columns}) = (select ${columns} from probity.request_vault where request_id = $2) where request_id = $1`,
      [mine, theirs],
    );
    await expect(openIdentities(world.project, mine, OFFICER, 'why')).rejects.toEqual(refused('altered'));
    await world.query('delete from probity.request_vault where request_id = $1', [mine]);
    await world.query('create unique index request_vault_nonce on probity.request_vault (nonce) where nonce is not null');
  }
});

test('each part is bound to its request by itself, and the key to what wraps it', () => {
  const [dataKey, master, nonce] = [randomBytes(32), randomBytes(32), randomBytes(12)];
  const box = sealContent(CONTENT, 'R-1', dataKey, nonce);
  expect(openContent(box, 'R-1', dataKey, nonce)).toEqual(CONTENT);
  expect(() => openContent(box, 'R-2', dataKey, nonce)).toThrow(/R-2 do not open/);
  const wrapped = wrapKey(dataKey, master, 'R-1', nonce);
  expect(unwrapKey(wrapped, master, 'R-1').equals(dataKey)).toBe(true);
  expect(() => unwrapKey(wrapped, master, 'R-2')).toThrow(/R-2 do not open/);
  expect(() => unwrapKey(wrapped, randomBytes(32), 'R-1')).toThrow(/R-1 do not open/);
  // A wrapped key is no content, even under the same key.
  expect(() => openContent(wrapped.subarray(12), 'R-1', master, nonce)).toThrow(/R-1 do not open/);
});

test('a key that names itself as another’s does not open what is the other’s', async () => {
  const id = await sealed();
  const [own, other] = [Buffer.from(world.env['PROBITY_MASTER_KEY']!, 'base64'), randomBytes(32)];
  await world.query('update probity.request_vault set key_id = $2 where request_id = $1', [id, masterKeyId(other)]);
  await expect(openFrom(world.project.home, keyRing([other, own]), id, SERVICE, 'why')).rejects.toEqual(refused('altered'));
});

test('a new master key: the ring opens, rewrapping frees the old one, and a row under a lost key is named', async () => {
  const own = await decideWorld();
  try {
    const [old, fresh, lost] = [own.env['PROBITY_MASTER_KEY']!, masterKey(), masterKey()];
    const ids = await Promise.all(Array.from({ length: 3 }, () => own.request('desk')));
    for (const id of ids.slice(0, 2)) await sealIdentities(own.project, id, CONTENT);
    await sealIdentities(own.with({ PROBITY_MASTER_KEY: lost }), ids[2]!, CONTENT);
    const file = join(own.folder, 'ring.key');
    writeFileSync(file, `${fresh}\n${old}\n`);
    const ring = { PROBITY_MASTER_KEY: '', PROBITY_MASTER_KEY_FILE: file };
    expect(await openIdentities(own.with(ring), ids[0]!, OFFICER, 'before')).toEqual(CONTENT);
    const before = await own.query('select request_id, nonce, ciphertext from probity.request_vault order by request_id');

    const said = await own.probity(['keys', 'rewrap'], ring);
    expect(said.code).toBe(1);
    expect(said.out).toMatch(/2 requests wrapped by [0-9a-f]{16} now/);
    const lostId = masterKeyId(Buffer.from(lost, 'base64'));
    expect(said.out).toContain(`1 stay under ${lostId}`);
    expect(await own.query('select request_id, nonce, ciphertext from probity.request_vault order by request_id')).toEqual(before);

    const only = own.with({ PROBITY_MASTER_KEY: fresh });
    expect(await openIdentities(only, ids[1]!, OFFICER, 'after')).toEqual(CONTENT);
    await expect(openIdentities(own.project, ids[1]!, OFFICER, 'with the old key')).rejects.toEqual(refused('other key'));
    expect(await rewrapVault(only)).toEqual({ rewrapped: 0, left: { [lostId]: 1 }, keyId: masterKeyId(Buffer.from(fresh, 'base64')) });
    expect((await own.probity(['keys', 'rewrap'], { PROBITY_MASTER_KEY: `${fresh} ${lost}` })).code).toBe(0);
    expect(await openIdentities(only, ids[2]!, OFFICER, 'found again')).toEqual(CONTENT);
  } finally {
    await own.close();
  }
});

test('rewrapping beside a new sealing loses neither', async () => {
  const id = await sealed();
  const [old, fresh] = [Buffer.from(world.env['PROBITY_MASTER_KEY']!, 'base64'), randomBytes(32)];
  const ring = keyRing([fresh, old]);
  const meanwhile = {
    ...ring,
    wrap: async (dataKey: Buffer, requestId: string) => {
      await sealIdentities(world.project, id, { ...CONTENT, reply: 'meanwhile' });
      return ring.wrap(dataKey, requestId);
    },
  };
  await world.query('delete from probity.request_vault where request_id <> $1', [id]);
  await rewrapKeys(world.project.home, meanwhile);
  expect((await openIdentities(world.project, id, OFFICER, 'why')).reply).toBe('meanwhile');
});

test('content is destroyed when the window after the close is over, not before; then it is gone for good', async () => {
  await world.query('delete from probity.request_vault');
  const [early, late, open] = [await sealed(), await sealed(), await sealed()];
  // Half a year in Berlin, over the change of the clocks.
  await world.closeRequest(early, new Date('2026-01-10T11:00:00Z'));
  await world.closeRequest(late, new Date('2026-01-10T11:00:01Z'));
  const home = world.project.home;
  expect(await destroyExpired(home, new Date('2026-07-10T10:00:00Z'), 10)).toBe(0);
  expect(await destroyExpired(home, new Date('2026-07-10T10:00:00.500Z'), 10)).toBe(1);
  await expect(openIdentities(world.project, early, OFFICER, 'why')).rejects.toEqual(refused('destroyed'));
  expect(await openIdentities(world.project, late, OFFICER, 'complaint')).toEqual(CONTENT);
  expect(
    await world.query('select wrapped_key, nonce, ciphertext, destroyed_at from probity.request_vault where request_id = $1', [early]),
  ).toEqual([{ wrapped_key: null, nonce: null, ciphertext: null, destroyed_at: new Date('2026-07-10T10:00:00.500Z') }]);
  await expect(sealIdentities(world.project, late, CONTENT)).rejects.toEqual(refused('closed'));

  const more = await Promise.all([1, 2, 3].map(() => sealed()));
  for (const id of more) await world.closeRequest(id, new Date('2026-02-01T00:00:00Z'));
  const now = new Date('2027-01-01T00:00:00Z');
  // Two at once share the work.
  const done = await Promise.all([destroyExpired(home, now, 2), destroyExpired(home, now, 2)]);
  expect(done[0] + done[1]).toBe(4);
  expect(await destroyExpired(home, now, 2)).toBe(0);
  expect(await openIdentities(world.project, open, OFFICER, 'still open')).toEqual(CONTENT);
  await world.apply({ own: { complaint_window: 'P1Y' } });
  const [longer] = [await sealed()];
  await world.closeRequest(longer, new Date('2026-02-01T00:00:00Z'));
  expect(await destroyExpired(home, now, 2)).toBe(0);
  await world.apply({});
});

test('in one transaction with the request: neither without the other', async () => {
  const keys = readMasterKeys(world.env);
  const id = await world.request('desk');
  const box = await encryptIdentities(keys, id, CONTENT);
  await expect(
    inTransaction(world.project.home, {}, async (trx) => {
      await storeIdentities(trx, box);
      throw new Error('the rest failed');
    }),
  ).rejects.toThrow('the rest failed');
  await expect(openIdentities(world.project, id, OFFICER, 'why')).rejects.toEqual(refused('absent'));
});

test('with its request a row of the vault goes, and only then its looks', async () => {
  const id = await sealed();
  await openIdentities(world.project, id, OFFICER, 'why');
  await world.query(`alter table probity.request_event disable trigger user`);
  await world.query('delete from probity.request_event where request_id = $1', [id]);
  await world.query(`alter table probity.request_event enable trigger user`);
  await expect(world.query('delete from probity.vault_look where request_id = $1', [id])).rejects.toThrow(/append-only/);
  await world.query('delete from probity.request where request_id = $1', [id]);
  expect(await world.query('select request_id from probity.request_vault where request_id = $1', [id])).toEqual([]);
  await world.query('delete from probity.vault_look where request_id = $1', [id]);
});

test('master keys that are none are refused without being quoted', () => {
  const short = randomBytes(31).toString('base64');
  const ok = masterKey();
  for (const text of [short, 'secret-but-short', `${ok}x`, ok.replace('=', ''), `${ok}\n${short}`, `${ok.slice(0, 10)}!${ok.slice(10)}`]) {
    const thrown = (() => {
      try {
        readMasterKeys({ PROBITY_MASTER_KEY: text });
        return '';
      } catch (error) {
        return String(error);
      }
    })();
    expect(thrown).toMatch(/not 32 bytes in base64/);
    for (const part of text.split(/\s/)) expect(thrown).not.toContain(part.slice(0, 8));
  }
  expect(() => readMasterKeys({})).toThrow(/keys create --master FILE/);
  expect(() => readMasterKeys({ PROBITY_MASTER_KEY: ' \n' })).toThrow(/no master key/);
  expect(() => readMasterKeys({ PROBITY_MASTER_KEY_FILE: '/nowhere/master.key' })).toThrow(/cannot be read/);
});
