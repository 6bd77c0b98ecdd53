import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jobWorld, type JobWorld } from '../job/world.ts';
import { applied, withKeeper } from './support.ts';

const DAY = 86_400_000;
const RECEIVED = Date.UTC(2026, 8, 1, 10);

interface Heard {
  readonly id: string;
  readonly request: string;
  readonly level: string;
  readonly days_left: number;
}

let world: JobWorld;
let server: Server;
const heard: Heard[] = [];
let refusing = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      response.statusCode = refusing-- > 0 ? 503 : 204;
      if (response.statusCode === 204) heard.push(JSON.parse(text) as Heard);
      response.end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  world = await jobWorld();
  (world.env as Record<string, string>)['ALERTS'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await applied(world, (manifest) => ({ ...manifest, requests: { alerts: { webhook: '${ALERTS}' } } }));
});
afterAll(async () => {
  server.close();
  await world.close();
});

async function received(customer: number, at: number): Promise<string> {
  const open = ['request', 'open', '--subject', 'customer', '--kind', 'erasure', '--ground', 'no_longer_necessary'];
  const { out } = await world.probity([...open, '--verified-by', 'login', '--evidence', 'S'], { input: `${customer}\n` });
  const id = /R-\d+/.exec(out)![0];
  await world.shop(`update probity.request set received_at = $2, due_at = $2::timestamptz + interval '1 month' where request_id = $1`, [
    id,
    new Date(at),
  ]);
  return id;
}

const told = async (id: string): Promise<string[]> =>
  (
    await world.shop<{ text: string }>(
      `select verb || coalesce(' ' || code, '') as text from probity.request_event where request_id = $1 and verb in ('warn', 'overdue') order by event_id`,
      [id],
    )
  ).map(({ text }) => text);

describe('a month passes', () => {
  test('each warning comes once and in its order, also when the keeper is lost in between', async () => {
    const id = await received(1, RECEIVED);
    let now = RECEIVED;
    const logged: string[] = [];
    const days = async (upTo: number, look: () => Promise<void>): Promise<void> => {
      for (; now < RECEIVED + upTo * DAY; now += DAY) await look();
    };
    await withKeeper(world, () => now, async (keeping) => {
      await days(24, keeping.look);
      logged.push(...keeping.logged);
    }); // prettier-ignore
    expect(await told(id)).toEqual(['warn due_in_14_days', 'warn due_in_7_days']);
    refusing = 2;
    await withKeeper(world, () => now, async (keeping) => {
      await days(34, keeping.look);
      await keeping.look();
      for (let tries = 0; tries < 400; tries++) {
        if ((await world.shop(`select from probity.request_warning where alert = 'open'`)).length === 0) break;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      logged.push(...keeping.logged);
    }); // prettier-ignore
    expect(await told(id)).toEqual(['warn due_in_14_days', 'warn due_in_7_days', 'warn due_in_3_days', 'warn due_in_1_day', 'overdue']);
    // One day after another hears of what is late.
    const late = await world.shop<{ days: number }>(
      `select days from probity.request_warning where request_id = $1 and kind = 'overdue' order by days`,
      [id],
    );
    expect(late.map(({ days: since }) => since)).toEqual([1, 2, 3, 4]);
    const ours = heard.filter(({ request }) => request === id);
    expect(ours.map(({ level, days_left }) => `${level} ${days_left}`)).toEqual([
      'warn 14', 'warn 7', 'warn 3', 'warn 1', 'overdue -1', 'overdue -2', 'overdue -3', 'overdue -4',
    ]); // prettier-ignore
    expect(new Set(ours.map(({ id: once }) => once)).size).toBe(ours.length);
    expect(logged.filter((line) => line.includes(`"request":"${id}"`)).length).toBe(ours.length);
    expect(logged.join()).not.toMatch(/canary/i);
    expect(JSON.stringify(heard)).not.toMatch(/canary/i);
    expect((await world.probity(['request', 'status', id])).out).toContain('warned (due in 3 days)');
    expect((await world.probity(['request', 'list', '--due-within', '7d'])).code).toBe(1);
  }, 60_000);

  test('a deadline that moves is warned of anew; what stands still or is over is not', async () => {
    const id = await received(2, RECEIVED);
    const over = await received(3, RECEIVED);
    await world.probity(['request', 'cancel', over, '--reason', 'withdrawn_by_requester']);
    let now = RECEIVED + 20 * DAY;
    await withKeeper(world, () => now, async ({ look }) => {
      await look();
      expect(await told(id)).toEqual(['warn due_in_14_days']);
      await world.shop(`update probity.request set extended_at = $2, due_at = received_at + interval '3 months' where request_id = $1`, [
        id,
        new Date(now),
      ]);
      now = RECEIVED + 40 * DAY;
      await look();
      expect(await told(id)).toEqual(['warn due_in_14_days']);
      now = RECEIVED + 85 * DAY;
      await look();
    }); // prettier-ignore
    // Two had come by then: the later one is told.
    expect(await told(id)).toEqual(['warn due_in_14_days', 'warn due_in_7_days']);
    expect(await told(over)).toEqual([]);
  }, 60_000);
});

describe('what goes with age', () => {
  test('the vault after the complaint window, the request after its years; certificates stay', async () => {
    const id = await received(4, RECEIVED);
    await world.probity(['request', 'cancel', id, '--reason', 'withdrawn_by_requester']);
    await world.shop(`update probity.request set closed_at = $2 where request_id = $1`, [id, new Date(RECEIVED)]);
    await world.shop(
      `insert into probity.request_vault (request_id, key_id, wrapped_key, nonce, ciphertext) values ($1, 'k', '\\x01', '\\x02', '\\x03')
       on conflict do nothing`,
      [id],
    );
    let now = RECEIVED + 100 * DAY;
    const vault = () =>
      world.shop<{ gone: boolean }>(`select ciphertext is null as gone from probity.request_vault where request_id = $1`, [id]);
    await withKeeper(world, () => now, async ({ look }) => {
      await look();
      expect(await vault()).toEqual([{ gone: false }]);
      now = RECEIVED + 200 * DAY;
      await look();
      expect(await vault()).toEqual([{ gone: true }]);
      expect(await world.shop(`select from probity.request where request_id = $1`, [id])).toHaveLength(1);
      now = RECEIVED + 3 * 366 * DAY;
      await look();
    }); // prettier-ignore
    for (const table of ['request', 'request_event', 'request_vault', 'request_plan', 'request_decision'])
      expect(await world.shop(`select from probity.${table} where request_id = $1`, [id])).toEqual([]);
    expect(await world.shop(`select what, rows from probity.pruning`)).toEqual([{ what: 'requests', rows: '1' }]);
  }, 60_000);
});
