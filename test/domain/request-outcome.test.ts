import { describe, expect, test } from 'vitest';
import type { EvidenceRecord } from '../../domain/evidence/chain.ts';
import type { StoreErasure } from '../../domain/requests/model.ts';
import { CLOSING, erasureOutcome, erasureOutcomes, erasureStatements } from '../../domain/requests/outcome.ts';
import { changedRows, planDrifted, type ErasurePlan, type PlannedTable } from '../../domain/requests/plan.ts';

const NONE = {
  erased: 0,
  masked: 0,
  needed: 0,
  columns: [],
  detached: 0,
  kept: 0,
  floor: null,
  held: {},
  pinned: 0,
  shared: 0,
  twice: 0,
  ways: [],
};

/** 6 customers to be masked, 4 visits to be erased, 3 invoices of which two are under a floor; in one store. */
const PLAN = {
  asOf: '2026-11-24T00:00:00.000Z',
  asks: [{ kind: 'erasure', grounds: ['no_longer_necessary'], purpose: null, people: 6 }],
  stores: [
    {
      class: 0,
      erasure: { store: 'shop' },
      tables: [
        { ...NONE, table: 'public.customer', masked: 6 },
        { ...NONE, table: 'public.visit', erased: 4 },
        { ...NONE, table: 'public.invoice', erased: 1, floor: { rows: 2, until: null } },
      ],
    },
  ],
} as unknown as ErasurePlan;

function records(
  ...steps: readonly (readonly [kind: string, range: string, counts: Readonly<Record<string, number>>])[]
): EvidenceRecord[] {
  return steps.map(([kind, range, counts], at) => ({
    head: '',
    body: {
      run: 'r',
      store: 'shop',
      lane: 0,
      seq: at + 1,
      kind,
      table: '',
      pass: 0,
      range,
      cutOff: null,
      counts,
      transaction: '1',
      at: '',
    },
  }));
}

const keptOf = (steps: readonly EvidenceRecord[]) =>
  Object.fromEntries(erasureOutcomes(PLAN, steps).map(({ table, kept, erased, masked }) => [table, { kept, erased, masked }]));

test('without holds the first step tells what stays: a later pass finds masked rows as rows that stay', () => {
  const steps = records(
    ['erase', 'chunk 0', { 'masked:public.customer': 6, 'erased:public.visit': 4, 'erased:public.invoice': 1, 'kept:floor:law:public.invoice': 2 }],
    [CLOSING, 'at 1', { remaining: 1 }],
    ['erase', 'chunk 0', { 'kept:purpose:public.customer': 6, 'erased:public.visit': 1, 'kept:floor:law:public.invoice': 2 }],
    [CLOSING, 'at 2', { remaining: 0 }],
  ); // prettier-ignore
  expect(keptOf(steps)).toEqual({
    'shop.public.customer': { kept: {}, erased: 0, masked: 6 },
    'shop.public.visit': { kept: {}, erased: 5, masked: 0 },
    'shop.public.invoice': { kept: { 'kept:floor:law': 2 }, erased: 1, masked: 0 },
  });
});

test('where some rows were held, those masked before the release are not told as kept, too', () => {
  const steps = records(
    // Two customers are held, and everything of theirs; one customer's row needs nothing and is kept.
    ['erase', 'chunk 0', { 'masked:public.customer': 3, 'kept:purpose:public.customer': 1, 'held:H-1:public.customer': 2, 'erased:public.visit': 3, 'held:H-1:public.visit': 1, 'held:H-1:public.invoice': 3 }],
    [CLOSING, 'at 1', { 'held:H-1:public.customer': 2, remaining: 0 }],
    // One of the two is released, and masked.
    ['erase', 'chunk 0', { 'masked:public.customer': 1, 'kept:purpose:public.customer': 4, 'held:H-1:public.customer': 1, 'erased:public.visit': 1 }],
    [CLOSING, 'at 2', { 'held:H-1:public.customer': 1, remaining: 0 }],
    ['erase', 'chunk 0', { 'masked:public.customer': 1, 'kept:purpose:public.customer': 5, 'erased:public.invoice': 1, 'kept:floor:law:public.invoice': 2 }],
    [CLOSING, 'at 3', { remaining: 0 }],
  ); // prettier-ignore
  expect(keptOf(steps)).toEqual({
    'shop.public.customer': { kept: { 'kept:purpose': 1 }, erased: 0, masked: 5 },
    'shop.public.visit': { kept: {}, erased: 4, masked: 0 },
    'shop.public.invoice': { kept: { 'kept:floor:law': 2 }, erased: 1, masked: 0 },
  });
  expect(erasureOutcome(PLAN, steps, erasureOutcomes(PLAN, steps), [])).toBe('complete with obligations');
});

test('each chunk is told by its own steps', () => {
  const steps = records(
    ['erase', 'chunk 0', { 'masked:public.customer': 2, 'held:H-1:public.customer': 1 }],
    ['erase', 'chunk 1', { 'masked:public.customer': 2, 'kept:purpose:public.customer': 1 }],
    [CLOSING, 'at 1', { 'held:H-1:public.customer': 1, remaining: 0 }],
    ['erase', 'chunk 0', { 'masked:public.customer': 1, 'kept:purpose:public.customer': 2 }],
    ['erase', 'chunk 1', { 'kept:purpose:public.customer': 3 }],
    [CLOSING, 'at 2', { remaining: 0 }],
  );
  expect(keptOf(steps)['shop.public.customer']).toEqual({ kept: { 'kept:purpose': 1 }, erased: 0, masked: 5 });
});

test('what is still held is told as held', () => {
  const steps = records(
    ['erase', 'chunk 0', { 'masked:public.customer': 5, 'held:H-1:public.customer': 1 }],
    [CLOSING, 'at 1', { 'held:H-1:public.customer': 1, remaining: 0 }],
  );
  expect(keptOf(steps)['shop.public.customer']).toEqual({ kept: { 'held:H-1': 1 }, erased: 0, masked: 5 });
  expect(erasureOutcome(PLAN, steps, erasureOutcomes(PLAN, steps), [])).toBe('incomplete');
});

describe('rows that would go, and that rows which stay need', () => {
  const plan = (table: Partial<PlannedTable>): ErasurePlan => ({
    ...PLAN,
    stores: PLAN.stores.map((store) => ({ ...store, tables: [{ ...NONE, table: 'public.customer', ...table }] })),
  });
  const customer = (of: Partial<PlannedTable>, steps: readonly EvidenceRecord[]) => {
    const { planned, erased, masked, failed, kept } = erasureOutcomes(plan(of), steps)[0]!;
    expect(planned).toBe(erased + masked + failed + Object.values(kept).reduce((sum, rows) => sum + rows, 0));
    return { planned, erased, masked, failed, kept };
  };

  test('masked ones are planned and counted as masked; a later pass tells them once', () => {
    const of = { erased: 3, masked: 9, needed: 9, pinned: 2 };
    const first = { 'erased:public.customer': 3, 'masked:pinned:public.customer': 9, 'pinned:public.customer': 2 };
    const expected = { planned: 14, erased: 3, masked: 9, failed: 0, kept: { pinned: 2 } };
    const closing = [CLOSING, 'at 1', { remaining: 0 }] as const;
    expect(customer(of, records(['erase', 'chunk 0', first], closing))).toEqual(expected);
    const again = { 'pinned:public.customer': 11 };
    expect(customer(of, records(['erase', 'chunk 0', first], ['erase', 'chunk 0', again], closing))).toEqual(expected);
  });

  test('what needed one goes with somebody else’s rows: then it goes, too', () => {
    const steps = records(
      ['erase', 'chunk 0', { 'masked:pinned:public.customer': 9 }],
      ['erase', 'chunk 0', { 'erased:public.customer': 4, 'pinned:public.customer': 5 }],
      [CLOSING, 'at 1', { remaining: 0 }],
    );
    expect(customer({ erased: 4, masked: 5, needed: 5 }, steps)).toEqual({ planned: 9, erased: 4, masked: 5, failed: 0, kept: {} });
  });

  test('held at first, masked when they are released', () => {
    const steps = records(
      ['erase', 'chunk 0', { 'masked:pinned:public.customer': 2, 'held:H-1:public.customer': 3 }],
      [CLOSING, 'at 1', { 'held:H-1:public.customer': 3, remaining: 0 }],
      ['erase', 'chunk 0', { 'masked:pinned:public.customer': 3, 'pinned:public.customer': 2 }],
      [CLOSING, 'at 2', { remaining: 0 }],
    );
    expect(customer({ masked: 2, needed: 2, held: { 'H-1': 3 } }, steps)).toEqual({
      planned: 5,
      erased: 0,
      masked: 5,
      failed: 0,
      kept: {},
    });
  });

  test('without a closing statement whatever is not accounted for stands as failed', () => {
    const steps = records(['erase', 'chunk 0', { 'masked:pinned:public.customer': 2 }]);
    expect(customer({ masked: 5, needed: 5 }, steps)).toEqual({ planned: 5, erased: 0, masked: 2, failed: 3, kept: {} });
  });

  test('they are among the rows that change, and the certificate names their columns', () => {
    const columns = [{ column: 'name', becomes: `'erased'` }];
    const of = plan({ erased: 1, masked: 9, needed: 9, columns });
    expect(changedRows(of)).toBe(10);
    expect(erasureStatements(withSpared(of), [], []).filter((it) => it.includes('stay'))).toEqual([
      'shop.public.customer: masked in rows that stay: name',
      'shop.public.customer: nick stays in rows that stay, as the manifest says: it is published',
    ]);
    const members = { ...of, members: 'm', classes: [] };
    expect(planDrifted(members, members)).toBe(false);
    expect(
      planDrifted(members, {
        ...members,
        stores: plan({ erased: 1, masked: 9, needed: 9, columns: [{ column: 'name', becomes: `''` }] }).stores,
      }),
    ).toBe(true);
  });

  function withSpared(of: ErasurePlan): ErasurePlan {
    const spared = [{ column: 'nick', because: 'it is published' }];
    const tables = [{ table: 'public.customer', spared }] as unknown as StoreErasure['tables'];
    return { ...of, people: 1, stores: of.stores.map((store) => ({ ...store, erasure: { ...store.erasure, tables } })) };
  }
});
