import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Project } from '../../client/project.ts';
import type { Replayed } from '../../client/restore.ts';
import { postgres15 } from '../support/postgres15.ts';
import { dump, dumpTools } from '../serving/dump.ts';
import { probity, until, withLoops, type Ran, type World } from '../serving/support.ts';
import { erase, erasingWorld, leftOf, others } from './tombstones-support.ts';

const SIGNING = { PROBITY_SIGNING_KEY: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };

describe.skipIf(!dumpTools())('a store restored from a dump from before an erasure', () => {
  const server = postgres15();
  let world: World;
  let adminUrl: string;
  beforeEach(async () => {
    adminUrl = (await server()).adminUrl;
    world = await erasingWorld({ sink: true, adminUrl });
  });
  afterEach(() => world.close());

  const inProject = async <T>(act: (project: Project) => Promise<T>): Promise<T> => {
    const project = await world.project();
    try {
      return await act(project);
    } finally {
      await project.close();
    }
  };
  const replay = (...more: readonly string[]): Promise<Ran> => probity(world, ['restore', 'replay', ...more], SIGNING);
  const told = (ran: Ran): Replayed => JSON.parse(ran.out) as Replayed;
  const drained = async (): Promise<void> => void expect((await probity(world, ['serving', 'drain'])).code).toBe(0);
  const allows = async (customer: number): Promise<boolean> =>
    (await world.home<{ it: boolean }>('select probity.permission($1, $2, $3) as it', ['customer', String(customer), 'service']))[0]?.it ??
    false;
  const askOther = (): Promise<unknown[]> => world.other(`select probity.is_erased('customer', 'key', '1', '2020-01-01') as it`);

  test('the home store is closed until the person has gone again, and nobody else', async () => {
    await withLoops(world, () => until('the other store opens', world.open));
    // When the backup was made, somebody else had the address of the one whose document it names.
    await world.home(
      `insert into customer values (301, 'person30@canary.example', '1980-01-01', null), (302, 'Person30@canary.example', '1980-01-01', null)`,
    );
    await world.home(`insert into event values (302, '{"email": "person30@canary.example", "kept": 302}')`);
    const untouched = await others(world, [1, 2, 301]);
    const restore = dump(world.shop.url, adminUrl);
    await world.home(`update customer set email = 'another@canary.example' where customer_id = 302`);
    const first = await inProject((project) => erase(world, project, [301]));
    const requests = await inProject((project) => erase(world, project, [1, 2]));
    await drained();
    await restore();
    expect([(await leftOf(world, 1)).length, (await leftOf(world, 2)).length]).toEqual([4, 4]);
    expect([await allows(1), await allows(3)]).toEqual([false, false]);
    await expect(world.home(`select probity.is_erased('customer', 'key', '1', '2020-01-01')`)).rejects.toMatchObject({ code: 'PB015' });

    const replayed = await replay('--json');
    expect(replayed.code).toBe(0);
    expect(told(replayed)).toMatchObject({
      complete: true,
      open: true,
      counts: { erasures: 3, people: 3 },
      erasures: { left: [], held: [], certificates: [1] },
    });
    expect([...(await leftOf(world, 1)), ...(await leftOf(world, 2)), ...(await leftOf(world, 301))]).toEqual([]);
    expect(await others(world, [1, 2, 301])).toBe(untouched);
    expect(await allows(3)).toBe(true);
    expect(await world.home(`select probity.is_erased('customer', 'email', 'PERSON2@canary.example', '2020-01-01') as it`)).toEqual([
      { it: true },
    ]);
    // What it has to know of the requests: that they are over, and that their numbers are taken.
    expect(await world.home('select request_id as id, state from probity.request order by 1')).toEqual(
      [...first, ...requests].map((id) => ({ id, state: 'closed' })),
    );
    expect(await world.home(`select nextval('probity.request_number')::int - 1 as it`)).toEqual([
      { it: Number(requests.at(-1)!.slice(2)) },
    ]);
    const [certificate] = await world.home<{ it: unknown }>('select document as it from probity.certificate');
    expect(JSON.stringify(certificate)).toContain('erased again by the scope that was approved');
    expect(JSON.stringify([certificate, replayed])).not.toMatch(/canary/i);
    for (const table of ['run_key', 'tombstone_owed']) expect(await world.home(`select from probity.${table}`)).toEqual([]);
    expect(told(await replay('--json'))).toMatchObject({ counts: { erasures: 0, people: 0, rows: 0 } });
    expect(await others(world, [1, 2, 301])).toBe(untouched);
  });

  test('another store, which knows people by their address and key alone, stays closed, also while workers run, until it is replayed', async () => {
    await withLoops(world, () => until('the other store opens', world.open));
    const restore = dump(world.support.url, adminUrl);
    const untouched = await others(world, [1]);
    await inProject((project) => erase(world, project, [1]));
    // Came back after the erasure, in a store that was not restored.
    await world.home(`insert into customer values (1, 'person1@canary.example', '1980-01-01', null)`);
    await drained();
    await restore();
    expect(await world.other('select ticket_id from ticket where ticket_id = 1')).toHaveLength(1);
    await withLoops(world, async (logged) => {
      await until(
        'it was refreshed',
        async () => (await world.other('select from probity.serving where incarnation = probity.incarnation()')).length > 0,
        20_000,
      );
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      expect(await world.open()).toBe(false);
      await expect(askOther()).rejects.toMatchObject({ code: 'PB015' });
      expect((await probity(world, ['restore', 'status'])).out).toContain('support: restored');
      const replayed = await replay('--json');
      expect(told(replayed)).toMatchObject({ complete: true, counts: { erasures: 1, people: 1, rows: 2 } });
      await until('it opens', world.open, 20_000);
      expect(logged.join('\n')).not.toMatch(/canary/i);
    });
    expect(await askOther()).toEqual([{ it: true }]);
    expect(await leftOf(world, 1)).toEqual([expect.stringContaining('person1@canary.example')]);
    expect(await others(world, [1])).toBe(untouched);
  });

  test('a hold that was placed since wins; when it is released the rest follows', async () => {
    const restore = dump(world.support.url, adminUrl);
    await inProject((project) => erase(world, project, [1, 2]));
    await drained();
    await restore();
    await world.other('update probity.serving set replayed = $1', ['another']);
    expect(
      (
        await probity(world, [
          'hold',
          'add',
          '--table',
          'support.public.ticket',
          '--where',
          'ticket_id = 1',
          '--reason',
          'case',
          '--id',
          'H-9',
        ])
      ).code,
    ).toBe(0);
    const first = await replay('--json');
    expect(told(first)).toMatchObject({ open: true, erasures: { held: ['support'] } });
    expect(await world.other('select ticket_id from ticket where ticket_id < 3')).toEqual([{ ticket_id: 1 }]);
    expect(await probity(world, ['hold', 'release', 'H-9', '--reason', 'over'])).toMatchObject({ code: 0 });
    expect(told(await replay('--json'))).toMatchObject({ erasures: { held: [] }, counts: { erasures: 0, people: 1, rows: 1 } });
    expect(await leftOf(world, 1)).toEqual([]);
    expect(await world.other('select from probity.tombstone_owed')).toEqual([]);
  });

  test('an altered entry or another key keeps it closed', async () => {
    const restore = dump(world.shop.url, adminUrl);
    await inProject((project) => erase(world, project, [1]));
    await drained();
    await restore();
    const good = readFileSync(world.sink, 'utf8');
    const lines = good.split('\n').filter((line) => line !== '');
    const at = lines.findIndex((line) => (JSON.parse(line) as { kind: string }).kind === 'erasure');
    lines[at] = lines[at]!.replace(/"box":"..../, '"box":"AAAA');
    writeFileSync(world.sink, `${lines.join('\n')}\n`);
    // The other store's copy must not help here.
    await world.other('delete from probity.tombstone');
    const damaged = await replay();
    expect([damaged.code, damaged.out]).toEqual([1, expect.stringMatching(/1 lines damaged or altered[^]*still closed/)]);
    expect([await allows(3), (await leftOf(world, 1)).length]).toEqual([false, 4]);
    const other = await probity(world, ['restore', 'replay'], { ...SIGNING, PROBITY_SINK_KEY: randomBytes(32).toString('base64') });
    expect(other.code).toBe(1);
    writeFileSync(world.sink, good);
    expect((await replay()).code).toBe(0);
    expect([await allows(3), await leftOf(world, 1)]).toEqual([true, []]);
  });

  test('a manifest that only observes erases nothing, and it stays closed', async () => {
    const restore = dump(world.shop.url, adminUrl);
    await inProject((project) => erase(world, project, [1]));
    await drained();
    await restore();
    await world.home(`update probity.manifest_version set mode = 'observe'`);
    const refused = await replay();
    expect([refused.code, refused.out]).toEqual([1, expect.stringContaining('only observes')]);
    expect([await allows(3), (await leftOf(world, 1)).length]).toEqual([false, 4]);
    await world.home(`update probity.manifest_version set mode = 'enforce'`);
    expect((await replay()).code).toBe(0);
    expect(await leftOf(world, 1)).toEqual([]);
  });
});
