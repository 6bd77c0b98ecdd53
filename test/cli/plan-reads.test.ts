import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandShop, EXPIRED, WITH_LIVE_ORDER, type CommandShop } from './shop.ts';
import { probity, type Ran } from './support.ts';

/** May read the company's tables and do nothing else. */
const ROLE = `reader_${process.pid}`;

let shop: CommandShop;
let plan: (...more: string[]) => Promise<Ran>;

beforeAll(async () => {
  shop = await commandShop();
  await shop.query(`create role ${ROLE} login password 'reader'; grant select on customer, orders, visit to ${ROLE}`);
  const url = new URL(shop.env['SHOP_URL']!);
  [url.username, url.password] = [ROLE, 'reader'];
  plan = (...more) => probity(['retention', 'plan', ...more], { env: { ...shop.env, SHOP_URL: url.href } });
  shop.write({ 'mode: observe': 'mode: enforce' });
});
afterAll(async () => {
  await shop.query(`drop owned by ${ROLE}; drop role ${ROLE}`);
  await shop.close();
});

const customer = { table: 'public.customer', rows: EXPIRED - WITH_LIVE_ORDER };

test('a plan of a manifest that enforces needs nothing but SELECT', async () => {
  expect(JSON.parse((await plan('--json')).stdout)).toMatchObject({ mode: 'enforce', tables: [customer, { table: 'public.visit' }] });
  expect(await plan()).toMatchObject({ code: 0, stderr: '' });
});

test('of our schema too, where it is there: what is missing is named, and nothing that only changes need', async () => {
  await probity(['migrate'], { env: shop.env });
  const { stderr } = await plan();
  expect(stderr).toContain('our role may not read the holds: grant it usage on schema probity, and select on all tables in schema probity');
  expect(stderr).not.toContain('DELETE');
  await shop.query(`grant usage on schema probity to ${ROLE}; grant select on all tables in schema probity to ${ROLE}`);
  expect(await plan()).toMatchObject({ code: 0, stderr: '' });
});

test('a plan that cannot be made says why, and not what only changes need', async () => {
  shop.write({ 'mode: observe': 'mode: enforce', 'after: at': 'after: visited_at' });
  const { code, stderr } = await plan();
  expect([code, stderr]).toEqual([2, expect.stringContaining('no column `visited_at`')]);
  expect(stderr).not.toContain('error P125');
});
