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

test('rows of a store without the person’s own table stay, too: by address, by key, and behind a row that names them', async () => {
  const { out } = await world.probity(['request', 'open', '--kind', 'access', '--subject', 'customer'], { input: '2\n' });
  const id = /R-\d+/.exec(out)![0];
  const purged = () =>
    withWorker({ manifest: world.project.manifest, env: world.env }, async (client, taskQueue) =>
      (await start(client, { ...input, taskQueue })).result(),
    );
  await purged();
  expect(await world.support(`select reply_id::int as id from reply order by 1`)).toEqual([{ id: 2 }]);
  expect(await world.support(`select call_id::int as id from call order by 1`)).toEqual([{ id: 2 }]);
  await world.probity(['request', 'cancel', id, '--reason', 'withdrawn_by_requester']);
  await purged();
  expect(await world.support(`select from reply`)).toEqual([]);
  expect(await world.support(`select from call`)).toEqual([]);
  // What is known of them goes with the request.
  expect(await world.support(`select from probity.protected_subject`)).toEqual([]);
}, 120_000);
