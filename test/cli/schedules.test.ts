import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandShop, type CommandShop } from './shop.ts';
import { probity, probityJson } from './support.ts';

let shop: CommandShop;
beforeAll(async () => {
  shop = await commandShop();
});
afterAll(() => shop.close());

interface Line {
  readonly name: string;
  readonly id: string;
  readonly state: string;
  readonly paused: boolean;
  readonly before: string | null;
  readonly after: string | null;
}

const states = async (...command: string[]): Promise<Record<string, string>> => {
  const lines = await probityJson<Line[]>(['schedules', ...command], { env: shop.env }, [0, 1]);
  return Object.fromEntries(lines.map((line) => [line.name, line.state]));
};
const code = async (...command: string[]): Promise<number | null> => (await probity(['schedules', ...command], { env: shop.env })).code;

test('schedules follow the manifest, however often they are applied', async () => {
  expect((await probity(['schedules', 'trigger', 'purge'], { env: shop.env })).stderr).toContain('probity schedules apply');
  expect(await code('diff')).toBe(1);
  expect(await states('diff')).toEqual({ purge: 'new', audits: 'not available yet' });
  expect(await states('apply')).toEqual({ purge: 'new', audits: 'not available yet' });
  expect(await code('diff')).toBe(0);
  expect(await states('apply')).toEqual({ purge: 'same', audits: 'not available yet' });

  const [purge] = await probityJson<Line[]>(['schedules', 'list'], { env: shop.env });
  expect(purge).toMatchObject({ id: `probity-${shop.organisation.toLowerCase().replace(' ', '-')}-purge`, paused: false });
  expect(purge?.after).toContain('15 1 * * * Europe/Berlin · jitter PT10M · overlap skip · catch up PT6H');

  // A pause is somebody's decision: a change of the manifest does not undo it.
  expect(await code('pause', 'purge')).toBe(0);
  shop.write({ '15 1 * * *': '45 2 * * *', 'jitter: 10m, ': '' });
  expect(await states('diff')).toMatchObject({ purge: 'changed' });
  expect(await states('apply')).toMatchObject({ purge: 'changed' });
  const [changed] = await probityJson<Line[]>(['schedules', 'list'], { env: shop.env });
  expect(changed).toMatchObject({ state: 'same', paused: true });
  expect(await code('unpause', 'purge')).toBe(0);
  expect(await code('pause', 'nothing')).toBe(2);

  shop.write({ '  purge: {': '  nightly: {' });
  // The list of schedules is told by an index that follows a moment later.
  await expect.poll(() => states('diff'), { timeout: 20_000, interval: 500 }).toMatchObject({ nightly: 'new', purge: 'surplus' });
  await states('apply');
  shop.write({ "  purge: { cron: '15 1 * * *', jitter: 10m, catch_up: 6h, run: retention }\n": '' });
  await expect.poll(() => states('apply'), { timeout: 20_000, interval: 500 }).toMatchObject({ nightly: 'surplus' });
  await expect.poll(() => states('diff'), { timeout: 20_000, interval: 500 }).toEqual({ audits: 'not available yet' });
});
