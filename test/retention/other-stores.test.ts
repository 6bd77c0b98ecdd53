import { afterAll, beforeAll, expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { jobWorld, MANIFEST, type JobWorld } from '../requests/job/world.ts';
import { withWorker } from '../support/worker.ts';
import { input } from './support.ts';

let world: JobWorld;
beforeAll(async () => {
  const rule = { purposes: ['delivery'], retention: { keep: 'P1Y', after: 'at' } };
  world = await jobWorld({
    manifest: {
      tables: { ...MANIFEST.tables, 'support.public.ticket': { purposes: ['delivery'] }, 'support.public.reply': rule, 'support.public.call': rule },
      references: [...MANIFEST.references!, { from: 'support.public.call.who', when: { kind: 'customer' }, to: 'customer' }],
    },
    support: `
      update ticket set requester_email = ' ' || upper(requester_email);
      create table reply (reply_id bigint primary key, ticket_id bigint not null references ticket, at timestamptz not null);
      insert into reply select ticket_id, ticket_id, now() - interval '3 years' from ticket where ticket_id < 6;
      create table call (call_id bigint primary key, kind text, who text, at timestamptz not null);
      insert into call select i, 'customer', i::text, now() - interval '3 years' from generate_series(1, 5) i;
      insert into call select i + 10, 'supplier', i::text, now() - interval '3 years' from generate_series(1, 5) i`,
  }); // prettier-ignore
});
afterAll(() => world.close());

const purged = () =>
  withWorker({ manifest: world.project.manifest, env: world.env }, async (client, taskQueue) =>
    (await start(client, { ...input, taskQueue })).result(),
  );
/** Numbers of the replies, and of the calls, that are there. */
const left = async (): Promise<number[][]> => {
  const numbers = (sql: string) => world.support<{ id: number }>(sql).then((rows) => rows.map(({ id }) => id));
  return [
    await numbers('select reply_id::int as id from reply order by 1'),
    await numbers('select call_id::int as id from call order by 1'),
  ];
};

test('rows of a store without the person’s own table stay, too: by address, by key, and behind a row that names them', async () => {
  const { out } = await world.probity(['request', 'open', '--kind', 'access', '--subject', 'customer'], { input: '2\n' });
  const id = /R-\d+/.exec(out)![0];
  await purged();
  expect(await left()).toEqual([[2], [2]]);
  await world.probity(['request', 'cancel', id, '--reason', 'withdrawn_by_requester']);
  await purged();
  expect(await left()).toEqual([[], []]);
  // What is known of them goes with the request.
  expect(await world.support(`select from probity.protected_subject`)).toEqual([]);
}, 120_000);

test('a hold on a person reaches them there, also under an address that they got later, until it is released', async () => {
  await world.support(`insert into reply select ticket_id, ticket_id, now() - interval '3 years' from ticket where ticket_id < 6`);
  await world.support(`insert into call select i, 'customer', i::text, now() - interval '3 years' from generate_series(1, 5) i`);
  const hold = ['hold', 'add', '--subject', 'customer', '--reason', 'lawsuit', '--id', 'H-3'];
  // Also where the person's own table is elsewhere.
  expect(await world.probity([...hold, '--store', 'support'], { input: '99999\n' })).toMatchObject({ code: 2 });
  const { out } = await world.probity(hold, { input: '03\n' });
  expect(out).toContain('hold H-3 is in force in shop, support');
  expect(out).toContain('1 support.public.reply, 1 support.public.call');
  const names = await world.support(`select identity from probity.hold_name where hold_id = 'H-3' order by 1`);
  expect(names).toEqual([{ identity: 'email' }, { identity: 'key' }, { identity: 'phone' }]);
  await world.shop(`update customer set email = 'later@canary.example' where customer_id = 3`);
  await world.support(`update ticket set requester_email = 'Later@canary.example' where ticket_id = 3`);
  await purged();
  expect(await left()).toEqual([[3], [3]]);
  const { out: why } = await world.probity(['retention', 'explain', 'support.public.reply', '--kept']);
  expect(why).toContain('H-3');
  await world.probity(['hold', 'release', 'H-3', '--reason', 'settled']);
  expect(await world.support(`select from probity.hold_name`)).toEqual([]);
  await purged();
  expect(await left()).toEqual([[], []]);
}, 120_000);
