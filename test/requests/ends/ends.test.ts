import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cancelRequest } from '../../../client/requests/change.ts';
import { forgetEnded } from '../../../database/requests/forget.ts';
import { pruneRequests } from '../../../database/requests/prune.ts';
import { forgetProtected, shareProtected } from '../../../database/retention/protected.ts';
import { openStore } from '../../../database/store.ts';
import { startProbityLoops } from '../../../worker/loops.ts';
import { placesOf } from '../../support/canaries.ts';
import { approvePlan } from '../job/support.ts';
import { jobWorld, type JobWorld } from '../job/world.ts';

let world: JobWorld;
beforeAll(async () => {
  world = await jobWorld();
});
afterAll(() => world.close());

let people = 0;
/** Somebody of whom every store has something, by words that stand nowhere else; all but the key in the spelling of nobody's. */
interface Canary {
  readonly key: string;
  readonly words: readonly string[];
}

async function somebody({ left = true }: { readonly left?: boolean } = {}): Promise<Canary> {
  people += 1;
  const key = String(770_010_000 + people * 7);
  const [email, phone, name] = [`Kanarek.${key}@nest.example`, `+49 151 ${key}`, `Vogel${key} Kanarek`];
  await world.shop(`insert into customer values ($1, $2, $3, $4, case when $5 then now() - interval '1 day' end)`, [
    key,
    email,
    phone,
    name,
    left,
  ]);
  await world.shop(`insert into purchase values ($1, $1, 'a cage')`, [key]);
  await world.shop(`insert into page_view values ($1, $1, '/')`, [key]);
  await world.support(`insert into ticket values ($1, lower($2), 'It sings')`, [key, email]);
  return { key, words: [key, email, phone, name] };
}

const done = async (args: readonly string[], more: { input?: string; token?: string } = {}): Promise<string> => {
  const ran = await world.probity(args, more);
  if (ran.code !== 0 && ran.code !== 3) throw new Error(`${args.join(' ')}: ${ran.code}\n${ran.out}${ran.err}`);
  return ran.out;
};
async function opened(who: Canary, kind = 'erasure', more: readonly string[] = ['--ground', 'no_longer_necessary']): Promise<string> {
  const open = ['request', 'open', '--subject', 'customer', '--kind', kind, ...more, '--verified-by', 'login', '--evidence', 'SESSION-1'];
  return /R-\d+/.exec(await done(open, { input: `${who.key}\n` }))![0];
}

/** Whether the request, before it ended, was one that left something in both stores. */
const known = async (who: Canary): Promise<void> => {
  expect(await placesOf(world.shop, who.words)).toContain('run_key.parts');
  expect(await placesOf(world.support, who.words)).toContain('run_key.parts');
};
const planned = async (who: Canary): Promise<string> => {
  const id = await opened(who);
  await done(['request', 'plan', id]);
  await known(who);
  return id;
};
const left = async ({ words }: Canary): Promise<string[]> => [
  ...(await placesOf(world.shop, words)).map((it) => `shop ${it}`),
  ...(await placesOf(world.support, words)).map((it) => `support ${it}`),
];
/** The consent ledger's, as docs/requests-keys.md tells. */
const LEDGER = 'shop consent_link.key';
/** The same, on its way to stores that mirror it, and of everybody whose address they know. */
const REPLICAS = ['shop replica_change.key', 'shop replica_email.key'];

const approved = async (who: Canary): Promise<string> => {
  const id = await opened(who);
  await approvePlan(world, id, await done(['request', 'plan', id]));
  await known(who);
  return id;
};
const cancel = (id: string): Promise<string> => done(['request', 'cancel', id, '--reason', 'opened_in_error']);
const batchOf = async (...ids: readonly string[]): Promise<string> => /B-\d+/.exec(await done(['request', 'plan', ...ids]))![0];
/** What the loops of a worker do in each store, again and again. */
const sweep = async (project = world.project): Promise<void> => {
  for (const store of project.stores.values()) await forgetEnded(project.home, store);
};

describe('whom a request was about is forgotten in every store, at once', () => {
  test('when it is cancelled, planned or approved', async () => {
    for (const state of [planned, approved]) {
      const who = await somebody();
      await cancel(await state(who));
      expect(await left(who)).toEqual([LEDGER]);
    }
  });

  test('when it is refused', async () => {
    const who = await somebody();
    await done(['request', 'refuse', await planned(who), '--article', '17(3)(b)']);
    expect(await left(who)).toEqual([LEDGER]);
  });

  test('when it is certified, but for rows under a floor, until their day', async () => {
    const [who, obliged] = [await somebody(), await somebody()];
    await world.shop(`insert into invoice values ($1, $1, now() - interval '2 years', 'Nest 1')`, [obliged.key]);
    for (const it of [who, obliged]) expect(await world.carryOut(await approved(it))).toMatchObject({ state: 'closed' });
    expect(await left(who)).toEqual([LEDGER]);
    // Found by their key alone: by the ledger, whose word keeps the rows from being used, and by the obligation.
    expect(await left(obliged)).toEqual([LEDGER, 'shop obligation_key.parts', 'shop permission_span.key', REPLICAS[0]]);
  });

  test('when it is planned anew, except by the new plan', async () => {
    const who = await somebody();
    const id = await planned(who);
    const runs = () => world.support<{ run: string }>(`select distinct run_id as run from probity.run_key where parts && $1`, [who.words]);
    const before = await runs();
    await done(['request', 'plan', id]);
    expect(await runs()).toHaveLength(1);
    expect(await runs()).not.toEqual(before);
    await cancel(id);
    expect(await left(who)).toEqual([LEDGER]);
  });

  test('when its plan is dropped, since more became known or the world has moved', async () => {
    const [told, drifted] = [await somebody(), await somebody()];
    const id = await planned(told);
    await done(['request', 'identity', id, '--by', 'email'], { input: 'another@nest.example\n' });
    expect(await left(told)).toEqual([LEDGER]);
    const late = await approved(drifted);
    await world.shop(`insert into page_view select 900000 + i, $1, '/' from generate_series(1, 200) i`, [drifted.key]);
    expect(await world.carryOut(late)).toMatchObject({ state: 'drifted' });
    expect(await left(drifted)).toEqual([LEDGER]);
    for (const it of [id, late]) await cancel(it);
  });

  test('when it leaves a batch, and nobody else of it', async () => {
    const [first, second, third] = [await somebody(), await somebody(), await somebody()];
    const [one, two, three] = [await opened(first), await opened(second), await opened(third)];
    const batch = await batchOf(one, two, three);
    for (const it of [first, second, third]) await known(it);
    await cancel(one);
    expect(await left(first)).toEqual([LEDGER]);
    for (const it of [second, third]) await known(it);
    await done(['request', 'plan', two]);
    const runs = () =>
      world.support<{ n: number }>(`select count(distinct run_id)::int as n from probity.run_key where parts && $1`, [second.words]);
    expect(await runs()).toEqual([{ n: 1 }]);
    await done(['request', 'plan', batch]);
    await cancel(two);
    expect(await left(second)).toEqual([LEDGER]);
    await known(third);
    await cancel(three);
    for (const it of [first, second, third]) expect(await left(it)).toEqual([LEDGER]);
    expect(await world.shop(`select from probity.run_person`)).toEqual([]);
  });

  test('when nothing came of a plan', async () => {
    const who = await somebody();
    const id = await opened(who);
    await world.shop(`create table stranger (customer_id bigint not null references customer)`);
    await world.shop(`insert into stranger values ($1)`, [who.key]);
    expect(await world.probity(['request', 'plan', id])).toMatchObject({ code: 2 });
    await world.shop(`drop table stranger`);
    expect(await left(who)).toEqual([LEDGER]);
    await cancel(id);
  });
});

describe('the sweep finds what a path forgot', () => {
  test('in a store that was away when the request ended', async () => {
    const who = await somebody();
    const id = await planned(who);
    const away = openStore({ name: 'support', url: 'postgres://nobody@127.0.0.1:9/nothing' });
    const { project } = world;
    await cancelRequest({ ...project, stores: new Map([...project.stores, ['support', away]]) }, id, {
      actor: 'helpdesk',
      reason: 'duplicate',
    });
    await away.close();
    expect(await left(who)).toEqual([LEDGER, 'support run_key.parts']);
    await sweep();
    expect(await left(who)).toEqual([LEDGER]);
  });

  test('of requests that were ended by no path of ours, or pruned', async () => {
    const [who, gone] = [await somebody(), await somebody()];
    const [id, old] = [await planned(who), await planned(gone)];
    await world.shop(`update probity.request set state = 'cancelled', closed_at = now() where request_id = $1`, [id]);
    await world.shop(`update probity.request set state = 'cancelled', closed_at = now() - interval '9 years' where request_id = $1`, [old]);
    const { manifest, home } = world.project;
    expect(await pruneRequests(home, manifest, new Date(), 10)).toBe(1);
    await sweep();
    expect(await left(who)).toEqual([LEDGER]);
    // Nobody knows of that run any more: it might be one that is being planned.
    expect(await left(gone)).toContain('support run_key.parts');
    await hoursPass(3);
    await sweep();
    expect(await left(gone)).toEqual([LEDGER]);
  });

  test('of a plan whose making was killed, once it cannot be one that is being made; and never of what is still needed', async () => {
    const [killed, waits, works] = [await somebody(), await somebody(), await somebody()];
    for (const query of [world.shop, world.support])
      await query(`insert into probity.run_key values ('erasure-killed', 0, 0, 'customer', 'key', array[$1], 0)`, [killed.key]);
    const id = await planned(waits);
    for (const query of [world.shop, world.support]) {
      await query(`insert into probity.run_key values ('replay-works', 0, 0, 'customer', 'key', array[$1], 0)`, [works.key]);
      await query(`insert into probity.lease values ('public.nest', 'replay-works', 1, now() + interval '1 hour')`);
    }
    await sweep();
    for (const it of [killed, waits, works]) await known(it);
    await hoursPass(3);
    await sweep();
    expect(await left(killed)).toEqual([]);
    for (const it of [waits, works]) await known(it);
    for (const query of [world.shop, world.support]) await query(`delete from probity.lease where run_id = 'replay-works'`);
    await sweep();
    expect(await left(works)).toEqual([]);
    await cancel(id);
  });

  test('of a copy that was handed over: another store knows no longer that a purge must spare them', async () => {
    const who = await somebody();
    const id = await opened(who, 'access', []);
    await shareProtected(world.project.home, world.project.stores.get('support')!, sources());
    expect(await left(who)).toEqual([LEDGER, 'support protected_subject.value']);
    await cancel(id);
    for (const store of world.project.stores.values()) await forgetProtected(world.project.home, store, sources());
    expect(await left(who)).toEqual([LEDGER]);
  });

  test('and where keys are lost that were still needed, nothing is called complete', async () => {
    const who = await somebody();
    await world.support(
      `insert into ticket values (1, 'nobody@nest.example', $1) on conflict (ticket_id) do update set body = excluded.body`,
      [`asked by ${who.words[1]!}`],
    );
    const id = await approved(who);
    expect(await world.carryOut(id)).toMatchObject({ state: 'hits' });
    await world.support(`delete from probity.run_key`);
    await done(['request', 'found', id, '--again']);
    await expect(world.carryOut(id)).rejects.toThrow();
    expect(await world.probity(['request', 'certificate', id])).toMatchObject({ code: 3 });
    await world.support(`update ticket set body = null where ticket_id = 1`);
  });

  test('as a worker does by itself', async () => {
    const who = await somebody();
    const id = await planned(who);
    await world.shop(`update probity.request set state = 'cancelled', closed_at = now() where request_id = $1`, [id]);
    const loops = startProbityLoops({
      manifest: world.project.manifest,
      taskQueue: `nobody-${randomUUID()}`,
      client: () => Promise.reject(new Error('Temporal is away')),
      env: world.env,
    });
    try {
      for (let tries = 0; tries < 400 && (await left(who)).includes('support run_key.parts'); tries++)
        await new Promise((resolve) => setTimeout(resolve, 25));
    } finally {
      await loops.stop();
    }
    expect((await left(who)).filter((it) => !REPLICAS.includes(it))).toEqual([LEDGER]);
  });
});

const sources = () => ({ manifest: world.project.manifest, storeNamed: (name: string) => world.project.stores.get(name)! });

/** For whatever is known of runs by now. */
async function hoursPass(hours: number): Promise<void> {
  await world.shop(`update probity.run_person set written_at = written_at - $1::integer * interval '1 hour'`, [hours]);
  for (const query of [world.shop, world.support])
    await query(`update probity.run_key set written_at = written_at - $1::integer * interval '1 hour'`, [hours]);
}
