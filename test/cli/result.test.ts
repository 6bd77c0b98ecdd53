import { expect, test } from 'vitest';
import { outcomeTable, resultJson } from '../../cli/result.ts';
import type { Followed } from '../../cli/follow.ts';
import type { TableOutcome } from '../../domain/evidence/certificate.ts';

const gone: TableOutcome = {
  table: 'shop.public.orders',
  rule: 'P1Y at',
  cutOff: '2025-01-01T00:00:00.000Z',
  planned: 20,
  erased: 7,
  masked: 0,
  failed: 13,
  failedBecause: { '23503': 3, schema: 10 },
  withOthers: 0,
  kept: {},
  along: { 'along:public.item': 2 },
};

test('failed rows stand with their reasons under the table', () => {
  expect(outcomeTable([gone], null).split('\n').slice(-2)).toEqual([
    'orders: 3 rows failed: a row would break a constraint (SQLSTATE 23503)',
    'orders: 10 rows failed: the table is not what the plan saw; check the manifest and plan again',
  ]);
});

test('and in JSON, with the rows of other tables among those that changed', () => {
  const status = { run: { planHash: 'p', state: 'incomplete' }, plan: null, certificate: { certificate: { serial: 1, tables: [gone] } } };
  const json = resultJson('r', { status, ending: null, exit: 1 } as unknown as Followed, null);
  expect(json).toMatchObject({
    outcome: 'incomplete',
    exitCode: 1,
    changed: 9,
    failed: 13,
    tables: [{ failedBecause: { '23503': 3, schema: 10 } }],
  });
});
