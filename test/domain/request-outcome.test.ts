import { expect, test } from 'vitest';
import type { EvidenceRecord } from '../../domain/evidence/chain.ts';
import { CLOSING, erasureOutcome, erasureOutcomes } from '../../domain/requests/outcome.ts';
import type { ErasurePlan } from '../../domain/requests/plan.ts';

/** 6 customers to be masked, 4 visits to be erased, 3 invoices of which two are under a floor; in one store. */
const PLAN = {
  asOf: '2026-11-24T00:00:00.000Z',
  asks: [{ kind: 'erasure', grounds: ['no_longer_necessary'], purpose: null, people: 6 }],
  stores: [
    {
      class: 0,
      erasure: { store: 'shop' },
      tables: [
        { table: 'public.customer', erased: 0, masked: 6 },
        { table: 'public.visit', erased: 4, masked: 0 },
        { table: 'public.invoice', erased: 1, masked: 0 },
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
