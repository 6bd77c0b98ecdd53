import { randomBytes } from 'node:crypto';
import { readCatalog } from '../../database/catalog.ts';
import { incarnation } from '../../database/incarnation.ts';
import { carryOut, releaseTables, takeTables } from '../../database/requests/carry.ts';
import { analyseKeys, removeKeys, writeKeys, type RunKey } from '../../database/requests/erasure/keys.ts';
import { openErasure } from '../../database/requests/erasure/target.ts';
import { removePeople, writePeople } from '../../database/requests/run-people.ts';
import { buryPeople } from '../../database/requests/tombstones.ts';
import type { Project } from '../../client/project.ts';
import { planErasure } from '../../domain/requests/erasure.ts';
import type { ErasureScope } from '../../domain/requests/model.ts';
import { createWorld, type World } from '../serving/support.ts';

export const WHOLE: ErasureScope = { ended: null, remaining: [] };

/** A world that enforces, with things of customers that documents and people's keys lead to. */
export async function erasingWorld(options: Parameters<typeof createWorld>[0]): Promise<World> {
  const world = await createWorld(options);
  await world.home(
    `create table public.purchase (purchase_id integer primary key, customer_id integer not null references public.customer, note text)`,
  );
  await world.home(`create table public.event (event_id integer primary key, payload jsonb not null)`);
  await world.home(
    `insert into public.purchase select n * 10 + j, n, 'canary note ' || n from generate_series(1, 20) n, generate_series(1, 2) j`,
  );
  await world.home(
    `insert into public.event select n, jsonb_build_object('email', 'Person' || n || '@canary.example ', 'kept', n) from generate_series(1, 20) n`,
  );
  await world.apply({
    mode: 'enforce',
    tables: {
      'shop.public.customer': { purposes: ['service', 'newsletter', 'analytics'] },
      'shop.public.purchase': { purposes: ['service'] },
      'shop.public.event': { purposes: ['service'], json: [{ column: 'payload', path: '$.email', refers: 'customer.email' }] },
      'support.public.ticket': { purposes: ['service', 'newsletter'], captured_at: 'at' },
      'support.public.chat': { purposes: ['service', 'analytics', 'newsletter', 'adult'], captured_at: 'at' },
    },
  });
  return world;
}

/** Erases customers in both stores and buries them, as a request does that was approved. Returns the numbers of their requests. */
export async function erase(
  world: World,
  project: Project,
  customers: readonly number[],
  { scope = WHOLE, kind = 'erasure' }: { readonly scope?: ErasureScope; readonly kind?: string } = {},
): Promise<string[]> {
  const { home, stores } = project;
  const { manifest } = world;
  const run = `erasure-${randomBytes(4).toString('hex')}`;
  const requests: string[] = [];
  const keys: RunKey[] = [];
  for (const [person, customer] of customers.entries()) {
    const [made] = await world.home<{ id: string }>(
      `insert into probity.request (request_id, kind, ref, purpose, received_at, due_at, state, grounds, record_id)
       values ('R-' || nextval('probity.request_number'), $1, gen_random_uuid(), null, now(), now() + interval '1 month', 'running', '{no_longer_necessary}',
         case when $1 = 'erasure' then null else 1 end) returning request_id as id`,
      [kind],
    );
    requests.push(made!.id);
    const [known] = await world.home<{ email: string }>('select email from customer where customer_id = $1', [customer]);
    for (const [identity, value] of [
      ['key', String(customer)],
      ['email', known!.email],
    ] as const)
      keys.push({ chunk: 0, person, class: 0, identity, parts: [value] });
  }
  await writePeople(
    home,
    run,
    requests.map((request, person) => ({ person, request })),
  );
  for (const store of stores.values()) {
    await writeKeys(store, run, 'customer', keys);
    await analyseKeys(store);
    const erasure = planErasure('customer', scope, await readCatalog(store), manifest);
    if (erasure.problems.length > 0) throw new Error(JSON.stringify(erasure.problems));
    const targets = [{ class: 0, target: await openErasure(store, manifest, erasure) }];
    const leases = (await takeTables(store, targets, run))!;
    await carryOut(store, targets, { runId: run, incarnation: await incarnation(store.db), leases }, { beat: () => undefined });
    await releaseTables(store, leases);
  }
  const burial = {
    home,
    stores,
    manifest,
    manifestHash: 'manifest',
    plan: 'plan',
    run,
    classes: [{ before: null, scope }],
    erasedAt: new Date(),
  };
  const buried = await buryPeople(burial);
  // As a worker does that did not hear the answer.
  if (buried !== (await buryPeople(burial))) throw new Error('burying again buries others');
  for (const store of stores.values()) await removeKeys(store, run);
  await removePeople(home, run);
  await world.home(`update probity.request set state = 'closed', closed_at = now() where request_id = any ($1)`, [requests]);
  return requests;
}

/** Everything of everybody but some, in both stores. */
export async function others(world: World, without: readonly number[]): Promise<string> {
  return JSON.stringify([
    await world.home('select * from customer where customer_id <> all ($1) order by 1', [without]),
    await world.home('select * from purchase where customer_id <> all ($1) order by 1', [without]),
    await world.home('select * from event where event_id <> all ($1) order by 1', [without]),
    await world.other('select * from ticket where ticket_id <> all ($1) order by 1', [without]),
    await world.other('select * from chat where chat_id <> all ($1) order by 1', [without]),
  ]);
}

/** What the tables still say of a customer. */
export async function leftOf(world: World, customer: number): Promise<string[]> {
  const rows = [
    ...(await world.home<{ it: string }>('select t::text as it from customer t where customer_id = $1', [customer])),
    ...(await world.home<{ it: string }>('select t::text as it from purchase t where customer_id = $1', [customer])),
    ...(await world.home<{ it: string }>(`select t::text as it from event t where payload ->> 'email' ilike 'person' || $1 || '@%'`, [
      customer,
    ])),
    ...(await world.other<{ it: string }>(`select t::text as it from ticket t where requester_email ilike 'person' || $1 || '@%'`, [
      customer,
    ])),
    ...(await world.other<{ it: string }>('select t::text as it from chat t where customer_id = $1', [customer])),
  ];
  return rows.map(({ it }) => it);
}
