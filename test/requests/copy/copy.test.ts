import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCatalog } from '../../../database/catalog.ts';
import { copyStore, ROWS_AT_A_TIME } from '../../../database/requests/copy.ts';
import { countErasure } from '../../../database/requests/erasure/count.ts';
import { removeKeys, writeKeys } from '../../../database/requests/erasure/keys.ts';
import { openErasure } from '../../../database/requests/erasure/target.ts';
import { EVERYTHING, REDACTED } from '../../../domain/requests/copy.ts';
import { planErasure } from '../../../domain/requests/erasure.ts';
import { tableTitle } from '../../../domain/requests/titles.ts';
import { CANARY, copyWorld, type CopyWorld } from './world.ts';

interface Copied {
  readonly request: string;
  readonly person: { subject: string; keys: string[][]; identities: Record<string, string[]> }[];
  readonly tables: {
    title: string;
    rows: Record<string, unknown>[];
    count: number;
    naming: number;
    withheld: Record<string, number>;
    captured: unknown;
    kept: string | null;
    endsAt: string | null;
    floor: string | null;
    floorUntil: string | null;
    purposes: { bases: string[] }[];
    recipients: string[];
    columns: { name: string; origin: string | null }[];
    leftOut: { column: string; because: string }[];
  }[];
  readonly consent: { permissions: { purpose: string; allowed: boolean }[]; history: unknown[] } | null;
  readonly recipients: { name: string; outside: boolean; safeguard: string | null }[] | null;
  readonly rights: string[] | null;
  readonly requests: { request: string }[] | null;
}

let world: CopyWorld;
beforeAll(async () => {
  world = await copyWorld();
});
afterAll(() => world.close());

const out = (id: string): string => join(world.folder, `out-${id}`);
async function copied(id: string, ...more: string[]) {
  const ran = await world.probity(['request', 'copy', id, '--out', out(id), ...more], { token: world.tokens.olga });
  if (ran.code !== 0) throw new Error(ran.out + ran.err);
  const text = readFileSync(join(out(id), `${id}.json`), 'utf8');
  return { ran, text, copy: JSON.parse(text) as Copied };
}
const titleOf = (table: string) => tableTitle(table, world.project.manifest);
const tableOf = (copy: Copied, name: string) => copy.tables.find(({ title }) => title === titleOf(name))!;

async function looks(): Promise<number> {
  return (await world.shop<{ n: number }>('select count(*)::integer as n from probity.vault_look'))[0]!.n;
}

describe('access', () => {
  let id: string;
  let first: Awaited<ReturnType<typeof copied>>;
  beforeAll(async () => {
    id = await world.request('access');
    first = await copied(id);
  });

  test('nothing of another person stands in any file, and nothing of anybody in what the command says', () => {
    for (const name of readdirSync(out(id))) {
      const text = readFileSync(join(out(id), name), 'utf8');
      expect([name, text.includes(CANARY), text.includes('7777')]).toEqual([name, false, false]);
    }
    const { out: said, err } = first.ran;
    expect(`${said}${err}`).not.toMatch(/home\.example|Ada|170 1|canary/i);
    expect(`${said}${err}`).not.toContain(world.folder);
  });

  test('what was withheld is marked where it stood, and counted', () => {
    const purchase = tableOf(first.copy, 'shop.public.purchase');
    expect(purchase.rows.find((it) => it['purchase_id'] === 2)).toMatchObject({
      gift_for: REDACTED,
      gift_note: REDACTED,
      tenant: 1,
      customer_id: 1,
    });
    expect(purchase.rows.find((it) => it['purchase_id'] === 100)).toMatchObject({ gift_for: 1, customer_id: REDACTED, tenant: 1 });
    expect(purchase.withheld).toEqual({ handled_by: 1, gift_for: 1, gift_note: 2, customer_id: 1 });
    const [shared, alone] = tableOf(first.copy, 'shop.public.household').rows;
    expect(shared).toEqual({ household_id: 1, label: REDACTED, contact_email: REDACTED, city: 'Bonn', rooms: 4, note: REDACTED });
    expect(alone).toMatchObject({ label: 'alone', contact_email: 'ada@home.example', note: 'my own note' });
    expect(tableOf(first.copy, 'shop.public.customer').rows).toMatchObject([
      { email: 'Ada@home.example', name: 'Ada <b>', referred_by: REDACTED },
    ]);
    expect(tableOf(first.copy, 'desk.public.ticket').rows).toMatchObject([{ agent_id: REDACTED, body: 'It rains in' }]);
  });

  test('documents lose what names others, and of rows about others only the person is shown', () => {
    expect(tableOf(first.copy, 'shop.public.profile').rows).toMatchObject([
      { document: { mail: 'ada@home.example', friend: null, size: 42 } },
    ]);
    const events = tableOf(first.copy, 'shop.public.event');
    expect(events).toMatchObject({ count: 0, naming: 2, withheld: { payload: 1 } });
    expect(events.rows.map((it) => it['payload'])).toEqual([
      { page: '/a', contact: { email: 'ada@home.example' }, friends: [] },
      { '$.contact.email': ['ada@home.example'], '$.friends[*].email': ['ADA@home.example '] },
    ]);
  });

  test('theirs means what it means to an erasure', async () => {
    const { project } = world;
    for (const [name, store] of project.stores) {
      const erasure = planErasure('customer', EVERYTHING, await readCatalog(store), project.manifest);
      const place = { chunk: 0, person: 0, class: 0 };
      await writeKeys(store, 'twin', 'customer', [
        { ...place, identity: 'key', parts: ['1', '1'] },
        { ...place, identity: 'email', parts: ['Ada@home.example'] },
        { ...place, identity: 'phone', parts: ['+49 170 1'] },
      ]);
      const { tables } = await countErasure(await openErasure(store, project.manifest, erasure), { runId: 'twin', chunk: null, class: 0 });
      await removeKeys(store, 'twin');
      const sum = (held: Readonly<Record<string, number>>): number => Object.values(held).reduce((total, it) => total + it, 0);
      const counted = tables.map((it) => {
        // Events are nobody's: what an erasure masks there is named in documents.
        const naming = it.table === 'public.event' ? it.masked : 0;
        const rows = it.erased + it.masked - naming + it.kept + (it.floor?.rows ?? 0) + it.pinned + it.shared + sum(it.held);
        // The line of the gift stays for whom it was given, while in a copy it is of both.
        const ofBoth = it.table === 'public.purchase_line' ? 1 : 0;
        return { title: titleOf(`${name}.${it.table}`), rows: rows + ofBoth, naming };
      });
      const held = first.copy.tables.filter(({ title }) => tables.some(({ table }) => titleOf(`${name}.${table}`) === title));
      expect(held.map(({ title, count, naming }) => ({ title, rows: count, naming }))).toEqual(
        counted.filter(({ rows, naming }) => rows + naming > 0),
      );
      for (const { rows, count, naming } of held) expect(rows).toHaveLength(count + naming);
    }
  });

  test('it tells purposes, periods, recipients, consent and rights', () => {
    const { copy } = first;
    expect(copy.person).toEqual([
      { subject: 'customer', keys: [['1', '1']], identities: { email: ['Ada@home.example'], phone: ['+49 170 1'] } },
    ]);
    expect(tableOf(copy, 'shop.public.purchase')).toMatchObject({
      captured: { from: '2026-01-02T00:00:00.000Z', to: '2026-03-02T00:00:00.000Z' },
      kept: '9 years after placed_at',
      endsAt: '2035-03-02T00:00:00.000Z',
      floor: 'de-hgb-257: 8 years after the end of the year of placed_at',
      floorUntil: '2034-12-31T23:00:00.000Z',
    });
    expect(tableOf(copy, 'shop.public.customer').recipients).toEqual(['mailer']);
    expect(copy.recipients).toMatchObject([{ name: 'mailer', outside: true, safeguard: 'clauses' }]);
    expect(copy.consent?.permissions).toContainEqual(expect.objectContaining({ purpose: 'newsletter', allowed: false }));
    expect(copy.requests).toMatchObject([{ request: id }]);
    expect(copy.rights?.join(' ')).toMatch(/dpo@copy\.example.*Art\. 16.*Art\. 77.*Art\. 79/);
    // Numbers are as the database has them, however many digits.
    expect(first.text).toContain('12345678901234567890.1234567891');
  });

  test('the page is escaped, runs nothing, and says how many rows are in the JSON only', () => {
    const page = readFileSync(join(out(id), `${id}.html`), 'utf8');
    expect(page).toContain('Ada &lt;b&gt;');
    expect(page).not.toMatch(/<script|Ada <b>|javascript:/i);
    expect(page).toContain('11 rows more');
    const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, to]) => to!);
    expect(links.length).toBeGreaterThan(8);
    for (const to of links) expect(page).toContain(`id="${to}"`);
  });

  test('files are their owner’s, nothing is overwritten, look and hash are recorded', async () => {
    const files = readdirSync(out(id)).sort();
    expect(files).toEqual([`${id}.html`, `${id}.json`]);
    for (const name of files) expect(statSync(join(out(id), name)).mode & 0o777).toBe(0o600);
    const hash = createHash('sha256').update(first.text).digest('hex');
    expect(first.ran.out).toContain(hash);
    const events = await world.shop(`select verb, state, actor, code from probity.request_event where request_id = $1 and verb = 'copy'`, [
      id,
    ]);
    expect(events).toEqual([{ verb: 'copy', state: 'copied', actor: 'olga', code: `sha256:${hash.slice(0, 32)}` }]);
    expect(await world.shop('select actor from probity.vault_look where request_id = $1', [id])).toEqual([{ actor: 'olga' }]);
    // Keys of the person are gone with the snapshot.
    expect(await world.shop('select 1 from probity.run_key')).toEqual([]);
    const again = await world.probity(['request', 'copy', id, '--out', out(id)], { token: world.tokens.olga });
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining(`${id}.json is there already`) as string });
    expect(readFileSync(join(out(id), `${id}.json`), 'utf8')).toBe(first.text);
    expect((await copied(id, '--force')).text).not.toBe(first.text);
  });

  test('the reply covers the copy, and sent, it closes the request', async () => {
    const draft = await world.probity(['request', 'reply', id]);
    expect(draft.out).toMatch(/copy of the personal data.*Art\. 15.*Art\. 77/s);
    expect((await world.probity(['request', 'status', id])).out).toContain('hand the copy over');
    expect(await world.probity(['request', 'reply', id, '--sent'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('is closed') as string,
    });
    const after = await world.probity(['request', 'copy', id, '--out', out(id), '--force'], { token: world.tokens.olga });
    expect(after).toMatchObject({ code: 2, err: expect.stringContaining('it is closed') as string });
  });
});

describe('without a right to look', () => {
  test('no file is written, and without a look nothing is read', async () => {
    const id = await world.request('access');
    const before = await looks();
    const run = (token?: string) => world.probity(['request', 'copy', id, '--out', out(id)], token === undefined ? {} : { token });
    expect(await run()).toMatchObject({ code: 2, err: expect.stringContaining('PROBITY_ACTOR_TOKEN') as string });
    expect(await run(world.tokens.anna)).toMatchObject({ code: 2, err: expect.stringContaining('role officer') as string });
    expect(await looks()).toBe(before);
    // A look that cannot be recorded is none.
    await world.shop('alter table probity.vault_look add constraint never check (false) not valid');
    expect((await run(world.tokens.olga)).code).not.toBe(0);
    await world.shop('alter table probity.vault_look drop constraint never');
    expect(existsSync(out(id)) ? readdirSync(out(id)) : []).toEqual([]);
    expect(await world.probity(['request', 'reply', id, '--sent'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('recorded that they were told') as string,
    });
    await world.probity(['request', 'cancel', id, '--reason', 'duplicate']);
  });

  test('an unverified request and another kind are refused with a sentence', async () => {
    const open = await world.probity(['request', 'open', '--kind', 'access', '--subject', 'customer', '--json'], { input: '1\n2' });
    const { id } = (JSON.parse(open.out) as { request: { id: string } }).request;
    const run = (one: string) => world.probity(['request', 'copy', one, '--out', out('none')], { token: world.tokens.olga });
    expect(await run(id)).toMatchObject({ code: 2, err: expect.stringContaining('waits for its requester to be verified') as string });
    const other = await world.request('rectification', 2);
    expect(await run(other)).toMatchObject({ code: 2, err: expect.stringContaining('asks for no copy') as string });
    const good = await world.request('access', 3);
    const both = await world.probity(['request', 'copy', id, good, '--out', out('none'), '--json-only'], { token: world.tokens.olga });
    expect(both).toMatchObject({ code: 1 });
    expect(readdirSync(out('none'))).toEqual([`${good}.json`]);
  });

  test('what an erasure could not reach keeps a copy from being made', async () => {
    const id = await world.request('access');
    await world.shop(
      'create table wish (wish_id integer, tenant integer, customer_id bigint, foreign key (tenant, customer_id) references customer)',
    );
    const ran = await world.probity(['request', 'copy', id, '--out', out(id)], { token: world.tokens.olga });
    await world.shop('drop table wish');
    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining('shop.public.wish') as string });
    expect(readdirSync(out(id))).toEqual([]);
  });
});

describe('portability', () => {
  test('only what was provided or observed, by consent or contract, in JSON and CSV', async () => {
    const id = await world.request('portability');
    const { copy, ran } = await copied(id);
    expect(copy.tables.map(({ title }) => title).sort()).toEqual(['data about profiles', 'what you bought', 'your details']);
    for (const name of readdirSync(out(id)))
      expect(readFileSync(join(out(id), name), 'utf8'), name).not.toMatch(/shop\.public|household_member/);
    const customer = tableOf(copy, 'shop.public.customer');
    expect(Object.keys(customer.rows[0]!)).toEqual(['tenant', 'customer_id', 'email', 'phone', 'name', 'referred_by']);
    expect(customer.leftOut).toEqual([{ column: 'score', because: 'derived' }]);
    const purchase = tableOf(copy, 'shop.public.purchase');
    expect(purchase.leftOut).toContainEqual({ column: 'paid', because: 'neither consent nor contract' });
    expect(purchase.leftOut).toContainEqual({ column: 'customer_id', because: 'origin not declared' });
    expect(copy.consent).toBe(null);
    const csv = readFileSync(join(out(id), `${id}.what-you-bought.csv`), 'utf8').split('\r\n');
    expect(csv[0]).toBe('purchase_id,gift_for,handled_by,placed_at,gift_note');
    expect(csv).toHaveLength(63);
    expect(readFileSync(join(out(id), `${id}.data-about-profiles.csv`), 'utf8')).toContain('"[""rock"",');
    for (const name of readdirSync(out(id))) {
      expect([name, readFileSync(join(out(id), name), 'utf8').includes(CANARY)]).toEqual([name, false]);
      expect(statSync(join(out(id), name)).mode & 0o777).toBe(0o600);
    }
    expect(ran.out).toContain('columns left out');
  });
});

describe('somebody with very many rows', () => {
  test('is read some rows at a time', async () => {
    const { project } = world;
    await world.shop(`insert into purchase select i, 1, 1, null, null, now(), 'for myself', 1 from generate_series(1001, 200000) i`);
    await world.shop('analyze purchase');
    const store = project.stores.get('shop')!;
    const catalog = await readCatalog(store);
    const erasures = [planErasure('customer', EVERYTHING, catalog, project.manifest)];
    const keys = [{ subject: 'customer', identity: 'key', parts: ['1', '1'] }];
    let most = 0;
    let rows = 0;
    const sink = {
      begin: () => Promise.resolve(),
      rows: (some: readonly unknown[]) => {
        most = Math.max(most, some.length);
        rows += some.length;
        return Promise.resolve();
      },
      end: () => Promise.resolve(),
    };
    await copyStore({ store, manifest: project.manifest, catalog, erasures, kind: 'access', regime: null, keys }, sink);
    expect(rows).toBeGreaterThan(199_000);
    expect(most).toBe(ROWS_AT_A_TIME);
  }, 60_000);
});
