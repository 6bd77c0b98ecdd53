import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CertificateFile } from '../../domain/evidence/certificate.ts';
import { freshDatabase } from '../support/databases.ts';
import { commandShop, EXPIRED, startWorker, WITH_LIVE_ORDER, type CommandShop } from './shop.ts';
import { probity, probityJson, type Ran } from './support.ts';

interface RunJson {
  readonly run: string;
  readonly outcome: string;
  readonly planned: number;
  readonly changed: number;
  readonly serial: number | null;
}

/** In the order in which a person comes to them: each test goes on from what the one before has left. */
describe('from a database to a certificate', () => {
  let shop: CommandShop;
  let stopWorker: (() => Promise<void>) | null = null;
  const run = (...args: string[]): Promise<Ran> => probity(args, { env: shop.env });
  const json = <T>(...args: string[]): Promise<T> => probityJson<T>(args, { env: shop.env });

  beforeAll(async () => {
    shop = await commandShop();
  });
  afterAll(async () => {
    await stopWorker?.();
    await shop.close();
  });

  test('check says where something is wrong, and what to write', async () => {
    const broken = shop.write(
      { 'after: last_seen_at': 'after: last_seen', 'shop.public.visit:': 'shop.public.visits:' },
      join(shop.folder, 'broken.yaml'),
    );
    const { code, stdout } = await run('check', '--manifest', broken);
    expect(code).toBe(2);
    expect(stdout).toMatch(/broken\.yaml:13:\d+ error P103 .*last_seen.*\n +fix: write `last_seen_at`/);
    expect(stdout).toMatch(/broken\.yaml:16:\d+ error P102 /);
    const report = await json<{ problems: { code: string; severity: string }[]; looked: string[] }>('check');
    expect(report.looked).toEqual(['shop']);
    expect(report.problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  });

  test('init drafts a manifest that passes the check, and never overwrites', async () => {
    const draft = join(shop.folder, 'draft', 'probity.yaml');
    expect((await run('init', 'shop=SHOP_URL', '--out', draft)).code).toBe(0);
    expect((await run('check', '--manifest', draft)).code).toBe(0);
    const before = readFileSync(draft, 'utf8');
    expect((await run('init', 'shop=SHOP_URL', '--out', draft)).code).toBe(2);
    expect(readFileSync(draft, 'utf8')).toBe(before);
  });

  test('a plan needs nothing of ours in the database', async () => {
    const plan = await json<{ mode: string; tables: { table: string; rows: number; kept: Record<string, number> }[] }>('retention', 'plan');
    expect(plan.mode).toBe('observe');
    expect(plan.tables.find(({ table }) => table === 'public.customer')).toMatchObject({
      rows: EXPIRED - WITH_LIVE_ORDER,
      kept: { 'child:public.orders': WITH_LIVE_ORDER, 'missing:last_seen_at': 1 },
    });
    expect(await shop.query(`select from pg_namespace where nspname = 'probity'`)).toEqual([]);
    const { stdout } = await run('retention', 'plan', '--table', 'customer');
    expect(stdout).toMatch(/^Plan [0-9a-f]{4} · as of .* Berlin · OBSERVE, nothing changes\n/);
    expect(stdout).toMatch(/customer +P3Y last_seen_at +\d{4}-\d\d-\d\d +delete +490 +– +10 live orders, 1 no last_seen_at/);
  });

  test('explain names the rows that stay', async () => {
    const told = await json<{ kept: Record<string, number>; rows: { key: Record<string, string>; reason: string }[] }>(
      'retention',
      'explain',
      'customer',
      '--kept',
    );
    expect(told.kept).toEqual({ 'child:public.orders': WITH_LIVE_ORDER, 'missing:last_seen_at': 1 });
    expect(told.rows.map((row) => Number(row.key['customer_id'])).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 5000]);
    expect((await run('retention', 'explain', 'orders')).code).toBe(2);
    const near = await run('retention', 'explain', 'custmer');
    expect([near.code, near.stderr]).toEqual([2, expect.stringContaining('did you mean customer')]);
  });

  test('what changes something needs our schema, which migrate makes, also by hand', async () => {
    const early = await run('retention', 'run');
    expect([early.code, early.stderr]).toEqual([2, expect.stringContaining('probity migrate')]);
    expect((await run('migrate')).stdout).toContain('applied');
    expect((await run('migrate')).stdout).toContain('up to date');
    const byHand = await freshDatabase();
    const { stdout: script } = await run('migrate', '--print-sql');
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: byHand.url });
    await client.connect();
    await client.query(script);
    await client.end();
    expect((await probity(['migrate'], { env: { ...shop.env, SHOP_URL: byHand.url } })).stdout).toContain('up to date');
    await byHand.drop();
  });

  test('a manifest is put in force; enforcing has to be said', async () => {
    expect((await run('retention', 'run')).stderr).toContain('probity apply');
    expect(await json('apply')).toMatchObject({ changed: true, version: 1, mode: 'observe', appliedBy: 'tester' });
    expect(await json('apply')).toMatchObject({ changed: false, version: 1 });
    shop.write({ 'mode: observe': 'mode: enforce' });
    const refused = await run('apply');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--enforce')]);
    const { stdout } = await run('apply', '--enforce', '--actor', 'jane');
    expect(stdout).toMatch(/mode +observe +enforce/);
    expect(await json('manifest', 'versions')).toMatchObject([
      { version: 2, mode: 'enforce', appliedBy: 'jane' },
      { version: 1, mode: 'observe', appliedBy: 'tester' },
    ]);
    shop.write({ 'mode: observe': 'mode: enforce', 'after: last_seen_at': 'after: nothing' });
    expect((await run('apply')).code).toBe(2);
    shop.write({ 'mode: observe': 'mode: enforce' });
  });

  test('a hold that does not fit is refused before it is placed', async () => {
    for (const [where, said] of [
      [`contry = 'DE'`, 'did you mean country'],
      [`last_seen_at > 'soon'`, 'last_seen_at is timestamp with time zone'],
      [`country = 'DE' or true`, '--where is a list of comparisons'],
    ] as const) {
      const { code, stderr } = await run('hold', 'add', '--table', 'customer', '--where', where, '--reason', 'case');
      expect([where, code, stderr]).toEqual([where, 2, expect.stringContaining(said)]);
    }
    for (const rest of [[], ['--table', 'customer'], ['--subject', 'customer'], ['--subject', 'nobody'], ['--subject', 'email']]) {
      expect([rest, (await run('hold', 'add', ...rest, '--reason', 'case')).code]).toEqual([rest, 2]);
    }
    // Whom it is about is no argument, which shells keep and `ps` shows.
    const argument = await run('hold', 'add', '--subject', 'customer', '--key', '4711', '--reason', 'case');
    expect(argument).toMatchObject({ code: 2, stderr: expect.stringContaining('--key is not taken as an argument') as string });
    expect(argument.stderr).not.toContain('4711');
    expect(await json('hold', 'list')).toEqual([]);
  });

  test('a hold for a key that nobody has is refused unless a person insists; another spelling of one is the same key', async () => {
    const hold = (input: string, ...more: string[]) =>
      probity(['hold', 'add', '--subject', 'customer', '--reason', 'Case', '--id', 'H-0', ...more], { env: shop.env, input });
    for (const key of ['99999', '11a']) {
      expect(await hold(`${key}\n`)).toMatchObject({ code: 2 });
      expect(await hold(`${key}\n`, '--store', 'shop')).toMatchObject({ code: 2 });
    }
    expect((await hold('99999\n')).stderr).toContain('no customer with this key');
    expect(await json('hold', 'list')).toEqual([]);
    const insisted = await hold('99999\n', '--unknown');
    expect(insisted).toMatchObject({ code: 0, stdout: expect.stringContaining('own table has nobody with this key') as string });
    expect((await run('hold', 'release', 'H-0', '--reason', 'mistyped')).code).toBe(0);
  });

  test('holds by table and by subject keep rows and are listed', async () => {
    const byTable = await json('hold', 'add', '--table', 'customer', '--where', `country = 'DE'`, '--reason', 'Litigation', '--id', 'H-1');
    const reached = { rows: { 'shop.public.customer': 250 }, stores: ['shop'], notReached: [] };
    // The manifest names no sink.
    expect(byTable).toMatchObject({ id: 'H-1', ...reached, durability: { durable: false, why: 'no sink' } });
    expect((await run('hold', 'add', '--table', 'customer', '--all', '--reason', 'again', '--id', 'H-1')).code).toBe(2);
    const bySubject = await probityJson(
      ['hold', 'add', '--subject', 'customer', '--reason', 'Case', '--id', 'H-2', '--until', '2999-01-01'],
      {
        env: shop.env,
        input: '011\n',
      },
    );
    expect(bySubject).toMatchObject({ rows: { 'shop.public.customer': 1, 'shop.public.orders': 0 } });
    expect(await json('hold', 'list')).toMatchObject([
      { id: 'H-2', scope: { kind: 'subject', key: ['11'] }, actor: 'tester' },
      { id: 'H-1', scope: { kind: 'table' }, stores: ['shop'] },
    ]);
    const plan = await json<{ tables: { table: string; kept: Record<string, number> }[] }>('retention', 'plan', '--table', 'customer');
    expect(plan.tables[0]?.kept).toMatchObject({ 'hold:H-1': 125, 'hold:H-2': 1 });
    expect((await run('hold', 'release', 'H-1', '--reason', 'settled')).code).toBe(0);
    expect((await run('hold', 'release', 'H-1', '--reason', 'settled')).code).toBe(2);
    expect(await json('hold', 'list')).toHaveLength(1);
    expect(await json('hold', 'list', '--released')).toHaveLength(3);
  });

  test('without a worker a run waits, and says so', async () => {
    const { code, stdout, stderr } = await run('retention', 'run', '--id', `queued-${shop.env['PROBITY_TASK_QUEUE'] ?? ''}`, '--dry-run');
    expect([code, stderr]).toEqual([0, expect.stringContaining('No worker polls')]);
    expect(stdout).toContain('probity retention status queued-');
  });

  test('a run purges, and its certificate verifies', async () => {
    expect((await run('keys', 'create', shop.env['PROBITY_SIGNING_KEY_FILE'] ?? '')).code).toBe(0);
    stopWorker = await startWorker(shop);
    const dry = await json<RunJson>('retention', 'run', '--dry-run', '--wait');
    expect(dry).toMatchObject({ outcome: 'observed', planned: EXPIRED - WITH_LIVE_ORDER - 1, changed: 0, serial: null });
    expect(await shop.query('select from customer')).toHaveLength(1_001);

    const future = await run('retention', 'run', '--as-of', '2999-01-01');
    expect([future.code, future.stderr]).toEqual([2, expect.stringContaining('past')]);
    const file = join(shop.folder, 'certificate.json');
    const { code, stdout } = await run('retention', 'run', '--wait', '--certificate', file);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/complete: 489 rows changed/)]);
    expect(await shop.query('select from customer')).toHaveLength(1_001 - 489);
    const { certificate } = JSON.parse(readFileSync(file, 'utf8')) as CertificateFile;
    expect(certificate).toMatchObject({ serial: 1, actor: 'tester', outcome: 'complete' });
    expect((await run('retention', 'run', '--wait', '--certificate', file)).code).toBe(2);

    const verified = await run('evidence', 'verify', file, '--key', shop.env['PROBITY_SIGNING_KEY_FILE'] ?? '');
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('none altered, missing or reordered')]);
    const exported = await run('evidence', 'export', certificate.run);
    expect(JSON.parse(exported.stdout)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
    expect(await json('evidence', 'keys')).toMatchObject([{ keyId: certificate.keyId }]);
    expect(await json('retention', 'status', certificate.run)).toMatchObject({ state: 'complete', serial: 1 });
    expect((await run('retention', 'status', 'no-such-run')).code).toBe(2);
    expect((await run('retention', 'pause', 'no-such-run')).code).toBe(2);
    expect(await json<unknown[]>('retention', 'list')).toHaveLength(3);
  });

  test('verify names what is wrong with a file, without any service', async () => {
    const original = readFileSync(join(shop.folder, 'certificate.json'), 'utf8');
    const verify = async (
      change: (file: { certificate: { actor: string }; records: { body: { counts: Record<string, number> } }[] }) => void,
    ): Promise<string> => {
      const file = JSON.parse(original) as Parameters<typeof change>[0];
      change(file);
      const changed = join(shop.folder, 'changed.json');
      writeFileSync(changed, JSON.stringify(file));
      const { code, stdout } = await probity(['evidence', 'verify', changed]);
      expect(code).toBe(1);
      return stdout;
    };
    expect(await verify((file) => (file.certificate.actor = 'somebody else'))).toContain('altered after it was signed');
    expect(await verify(({ records }) => (records[0]!.body.counts['erased'] = 1))).toMatch(/altered: record 1 of store shop, lane 0/);
    expect(await verify(({ records }) => records.splice(0, 1))).toMatch(/missing: record 1 of store shop, lane 0/);
    expect(await verify(({ records }) => records.reverse())).toMatch(/reordered: record 1 of store shop/);
    writeFileSync(join(shop.folder, 'changed.json'), '{"certificate": {"heads": []}, "records": []}');
    expect((await probity(['evidence', 'verify', join(shop.folder, 'changed.json')])).code).toBe(1);
    const other = join(shop.folder, 'other.pem');
    await run('keys', 'create', other);
    const untrusted = await run('evidence', 'verify', join(shop.folder, 'certificate.json'), '--key', other);
    expect([untrusted.code, untrusted.stdout]).toEqual([1, expect.stringContaining('none of those that you trust')]);
  });

  test('where the manifest asks for it, somebody else approves', async () => {
    await shop.query(`insert into visit select i, now() - interval '2 years' from generate_series(1, 30) i`);
    shop.write({ 'mode: observe': 'mode: enforce', 'duty: 1': 'duty: 1, approval: always' });
    expect((await run('apply')).code).toBe(0);
    const waiting = await run('retention', 'run', '--wait', '--id', `approval-${shop.env['PROBITY_TASK_QUEUE'] ?? ''}`);
    expect([waiting.code, waiting.stdout]).toEqual([3, expect.stringContaining('waits for an approval')]);
    const [, runId = '', plan = ''] = /retention approve (\S+) --plan (\S+)/.exec(waiting.stdout) ?? [];
    expect((await run('retention', 'status', runId)).code).toBe(3);
    const approve = (hash: string, actor: string): Promise<Ran> => run('retention', 'approve', runId, '--plan', hash, '--actor', actor);
    expect((await approve('ffff', 'jane')).stderr).toContain('waits with another plan');
    const own = await approve(plan, 'tester');
    expect([own.code, own.stderr]).toEqual([2, expect.stringContaining('Nobody approves what they started')]);
    await shop.query(`insert into visit select i, now() - interval '2 years' from generate_series(1001, 2000) i`);
    const moved = await approve(plan, 'jane');
    expect([moved.code, moved.stdout]).toEqual([3, expect.stringContaining('waits with another plan')]);
    const again = await probityJson<{ planHash: string }>(['retention', 'status', runId], { env: shop.env }, [3]);
    expect(again.planHash).not.toMatch(new RegExp(`^${plan}`));
    // Behind it the run no longer waits, also for who looks at once.
    expect((await approve(again.planHash, 'jane')).stdout).toContain('goes on with plan');
    expect((await run('retention', 'status', runId, '--watch')).code).toBe(0);
    expect(await json('retention', 'status', runId)).toMatchObject({ state: 'complete', approvedBy: 'jane', serial: 2 });
    expect(await shop.query('select from visit')).toHaveLength(0);
  });
});
