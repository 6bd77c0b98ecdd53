import { afterAll, beforeAll, expect, test } from 'vitest';
import { readObligations } from '../../../database/requests/obligations.ts';
import { approvePlan } from '../job/support.ts';
import { jobWorld, MANIFEST, type JobWorld } from '../job/world.ts';
import { discharge } from './support.ts';

const SHOP = `
  create table member (club text, member_id bigint, left_at timestamptz, primary key (club, member_id));
  create table bill (bill_id bigint primary key, club text, member_id bigint, issued_at timestamptz not null, foreign key (club, member_id) references member);
  insert into member select 'a "b", c', i, now() - interval '1 day' from generate_series(1, 2) i;
  insert into bill select i * 10 + j, 'a "b", c', i, now() - interval '8 years' + interval '30 days' from generate_series(1, 2) i, generate_series(1, 2) j`;
const { floor } = MANIFEST.tables!['shop.public.invoice']!;
const { from: _, ...eightYears } = floor!;

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld({
    shop: SHOP,
    manifest: {
      purposes: { ...MANIFEST.purposes, membership: { basis: 'contract', ends: 'shop.public.member.left_at', description: 'Club' } },
      subjects: { ...MANIFEST.subjects, member: { table: 'shop.public.member', key: ['club', 'member_id'] } },
      tables: {
        ...MANIFEST.tables,
        'shop.public.member': { purposes: ['membership'] },
        'shop.public.bill': { purposes: ['tax', 'membership'], floor: eightYears },
      },
    },
  });
});
afterAll(() => world.close());

/** Erases a member who has left, to the certificate; gives what is kept. */
async function erased(member: number): Promise<string> {
  const open = ['request', 'open', '--subject', 'member', '--kind', 'erasure', '--ground', 'no_longer_necessary'];
  const input = `a "b", c\n${member}\n`;
  const { out } = await world.probity([...open, '--verified-by', 'login', '--evidence', 'SESSION-1'], { input });
  const id = /R-\d+/.exec(out)![0];
  await approvePlan(world, id, (await world.probity(['request', 'plan', id])).out);
  expect((await world.carryOut(id)).state).toBe('closed');
  const [kept] = await readObligations(world.project.home, { request: id, open: false, limit: 1 });
  await world.shop(`update bill set issued_at = now() - interval '9 years' where member_id = $1`, [member]);
  return kept!.id;
}

const bills = (member: number) => world.shop(`select from bill where member_id = $1`, [member]);

test('who came back keeps what they came back for, also under a key of several columns', async () => {
  const [back, gone] = [await erased(1), await erased(2)];
  await world.shop(`update member set left_at = null where member_id = 1`);
  const lift = ['consent', 'record', '--subject', 'member', '--decision', 'restriction_lifted'];
  expect((await world.probity(lift, { input: 'a "b", c\n1\n' })).code).toBe(0);
  await discharge(world, back);
  expect(await bills(1)).toHaveLength(2);
  expect((await discharge(world, gone)).state).toBe('discharged');
  expect(await bills(2)).toHaveLength(0);
}, 90_000);
