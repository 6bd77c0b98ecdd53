import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { start } from '../../client/retention.ts';
import { readCertificate } from '../../database/certificates.ts';
import { placeHold } from '../../database/holds.ts';
import { openStore } from '../../database/store.ts';
import { verifyCertificate } from '../../domain/evidence/certificate.ts';
import { readPlan } from '../../database/runs.ts';
import { ASOF_MS, ddl, manifestTables, ZONE, type Case, type Row } from './oracle/case.ts';
import { addInto, oracle, type DailyRow, type Expected } from './oracle/oracle.ts';
import { randomCase } from './oracle/random.ts';
import { withWorker } from '../support/worker.ts';
import { createShop, type Shop } from './support.ts';

/** A case takes about a second. `PROBITY_ORACLE_CASES=500` looks longer, `PROBITY_ORACLE_SEED=n` looks again. */
const CASES = Number(process.env['PROBITY_ORACLE_CASES'] ?? 25);
const SEED = Number(process.env['PROBITY_ORACLE_SEED'] ?? Date.now() % 2 ** 31);
const CASE_LIMIT_MS = 20_000;

let open: Shop | null = null;
afterEach(async () => open?.close());

test(
  `over ${CASES} random schemas exactly the planned rows change (PROBITY_ORACLE_SEED=${SEED})`,
  async () => {
    console.log(`oracle: ${CASES} cases, PROBITY_ORACLE_SEED=${SEED}`);
    const property = fc.asyncProperty(fc.gen(), async (gen) => check(randomCase(gen)));
    await fc.assert(property, { seed: SEED, numRuns: CASES, endOnFailure: process.env['PROBITY_ORACLE_SHRINK'] === undefined });
  },
  CASES * CASE_LIMIT_MS,
);

async function check(given: Case): Promise<void> {
  const subject =
    given.subject === null ? {} : { person: { table: `shop.public.${given.subject}`, key: keyColumns(given, given.subject) } };
  const shop = await createShop(ddl(given), manifestTables(given), {
    timezone: ZONE,
    subjects: subject,
    purge: { lanes: given.lanes, duty: 1 },
  });
  open = shop;
  const store = openStore({ name: 'shop', url: shop.database.url });
  try {
    for (const [index, hold] of given.holds.entries()) {
      const scope =
        hold.kind === 'subject'
          ? ({ kind: 'subject', subject: 'person', key: hold.key } as const)
          : ({
              kind: 'table',
              table: `public.${hold.table}${hold.leaf}`,
              conditions: [{ column: 'grp', operator: '=', value: String(hold.group) }],
            } as const);
      await placeHold(store, { id: `H-${index}`, scope, reason: 'case', actor: 'tester', endsAt: null });
    }
    const input = { actor: 'tester', asOf: new Date(ASOF_MS).toISOString(), only: null, dryRun: false };
    const result = await withWorker(shop, async (client, taskQueue) => (await start(client, { ...input, taskQueue })).result());
    const file = await readCertificate(store.db, result.runId);
    const plan = await readPlan(store.db, result.planHash);
    if (file === null || plan === null) throw new Error('no certificate or no plan');
    const order = plan.tables.map(({ table }) => table.replace('public.', ''));
    const expected = oracle(given, order);

    expect(await actualRows(shop, given), 'rows').toEqual(expectedRows(expected));
    expect(await actualDaily(shop, given), 'aggregates').toEqual(expected.daily);
    expect(verifyCertificate(file, [])).toMatchObject({ valid: true });
    expect(result.outcome).toBe('complete');
    const quiet = given.tables.every(
      ({ rule }) => !['delete', 'detach'].some((action) => Object.values(rule?.children ?? {}).includes(action as 'delete')),
    );
    for (const table of file.certificate.tables) {
      const name = table.table.replace('shop.public.', '');
      const { erased, masked, along, kept } = expected.outcomes[name]!;
      expect(table, `certificate of ${name}`).toMatchObject({ erased, masked, failed: 0 });
      expect(byTable(table.along), `with ${name}`).toEqual(along);
      expect(byKind(table.kept), `kept of ${name}`).toEqual(kept);
      const planned = plan.tables.find((it) => it.table === `public.${name}`)!;
      // Nothing went before the first table, and where each of its rows went as planned, so did what hangs on them.
      if (name === order[0] && planned.rows === erased) expect(byTable(planned.along), `planned with ${name}`).toEqual(along);
      if (quiet && follows(given, order)) expect(table.planned, `planned of ${name}`).toBe(erased + masked);
    }
  } finally {
    await store.close();
    await shop.close();
    open = null;
  }
}

function keyColumns(given: Case, name: string): string[] {
  return given.tables.find((table) => table.name === name)?.composite === true ? ['a', 'b'] : ['a'];
}

/** No rule looks at rows that a later rule takes, so that the plan can tell the outcome exactly. */
function follows(given: Case, order: readonly string[]): boolean {
  return given.tables.every((table) =>
    table.keys.every((key) => {
      const [from, to] = [order.indexOf(table.name), order.indexOf(key.to)];
      return from < 0 || to < 0 || from < to;
    }),
  );
}

const comparable = (row: Row): string => JSON.stringify(Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))));

function expectedRows({ rows }: Expected): Record<string, string[]> {
  return Object.fromEntries(Object.entries(rows).map(([name, all]) => [name, all.map(comparable).sort()]));
}

async function actualRows(shop: Shop, given: Case): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const { name, keys } of given.tables) {
    const references = keys.flatMap(({ columns }) => [`${columns}_a`, `${columns}_b`]);
    const columns = ['a', 'b', 'at::text', 'seen::text', 'grp', 'amount', 'payload', 'doc::text', ...references];
    const rows = await shop.query<Row>(`select ${columns.join(', ')} from ${name}`);
    found[name] = rows.map(comparable).sort();
  }
  return found;
}

async function actualDaily(shop: Shop, given: Case): Promise<Expected['daily']> {
  const found: Expected['daily'] = {};
  for (const { name } of given.tables) {
    const rows = await shop.query<DailyRow & { key: string }>(
      `select grp || '/' || coalesce(day::text, 'null') as key, rows::int, amount::int, least, most from ${name}_daily order by 1`,
    );
    for (const { key, ...row } of rows) addInto((found[name] ??= new Map()), key, row);
  }
  return found;
}

function byTable(along: Readonly<Record<string, number>>): Record<string, number> {
  const deleted = Object.entries(along).filter(([name, rows]) => name.startsWith('along:') && rows > 0);
  return Object.fromEntries(deleted.map(([name, rows]) => [name.replace('along:public.', ''), rows]));
}

function byKind(kept: Readonly<Record<string, number>>): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const [reason, rows] of Object.entries(kept)) {
    const kind = reason.split(':')[0] ?? '';
    const name = ['hold', 'floor', 'child'].includes(kind) ? 'protected' : kind;
    kinds[name] = (kinds[name] ?? 0) + rows;
  }
  return kinds;
}
