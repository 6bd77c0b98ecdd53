import { z } from 'zod';
import { columnId, dailyWindow, duration, name, notCarriedOut, subjectOrColumn, tableId, words } from './scalars.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const onErase = z
  .union([
    z.null().meta({ description: 'Set to NULL' }),
    z.strictObject({ constant: scalar }),
    z.literal('generated').meta({ description: "Made from the row's key" }),
    z.literal('keep').meta({ description: 'As it is; of a column that says who somebody is only with `because`' }),
  ])
  .optional()
  .meta({ description: 'What it holds in a row that stays although an erasure is about it' });

const column = z.strictObject({
  category: words.optional().meta({ description: 'contact, demographic, behaviour, financial, location, device, key, …' }),
  identifying: z.boolean().default(false).meta({ description: 'Identifies a person alone or with others' }),
  origin: z.enum(['provided', 'observed', 'derived']).optional(),
  protected: words.optional().meta({ description: 'Protected attribute, such as age' }),
  special: words.optional().meta({ description: 'Special category (Art. 9) only, such as health' }),
  purposes: z.array(name).optional(),
  on_erase: onErase,
  because: words.optional(),
});

const json = z.strictObject({
  column: words,
  path: words.meta({ description: 'SQL/JSON path, such as $.contact.email' }),
  refers: subjectOrColumn.optional(),
  on_erase: z.enum(['remove', 'null']).default('remove'),
});

const mask = z.union([
  z.null().meta({ description: 'Set to NULL' }),
  z.strictObject({ constant: scalar }),
  z.strictObject({ truncate: z.enum(['day', 'month', 'year']) }),
]);

const measure = z.union([
  z.literal('count'),
  z.strictObject({ sum: words }),
  z.strictObject({ min: words }),
  z.strictObject({ max: words }),
]);

const action = z.union([
  z.literal('delete'),
  z.strictObject({ mask: z.record(words, mask).refine((columns) => Object.keys(columns).length > 0, 'names no column') }),
  z.strictObject({
    aggregate_into: tableId,
    by: z
      .record(words, z.union([words, z.strictObject({ date: words })]))
      .refine((groups) => Object.keys(groups).length > 0, 'names no group')
      .meta({ description: 'Target column ← source column, or ← { date: source column } for its local day' }),
    measures: z
      .record(words, measure)
      .refine((measures) => Object.keys(measures).length > 0, 'names no measure')
      .meta({ description: 'Target column ← count, { sum: column }, { min: column } or { max: column }' }),
  }),
]);

const oddTime = z.enum(['keep', 'expire']).default('keep');

const retention = z.strictObject({
  keep: duration,
  after: z
    .union([words, z.strictObject({ last: columnId })])
    .meta({ description: 'A time column, or { last: column of a table that references this one }' }),
  missing: oddTime.meta({ description: 'Rows without a time' }),
  infinite: oddTime.meta({ description: 'Rows at infinity or -infinity' }),
  future: oddTime.meta({ description: 'Rows with a time still to come' }),
  zoneless: z.enum(['keep', 'local', 'utc']).default('keep').meta({ description: 'How a timestamp without time zone is read' }),
  children: z
    .record(tableId, z.enum(['keep', 'delete', 'detach']))
    .default({})
    .meta({ description: 'What happens to rows that reference an expired row; not named: the expired row is kept' }),
  then: action.default('delete'),
  between: dailyWindow.optional(),
  because: words.optional(),
});

const floor = z.strictObject({
  keep: duration,
  after: words,
  from: z.literal('end_of_year').optional(),
  rule: words.meta({ description: 'The law or rule, such as de-hgb-257' }),
  restrict: notCarriedOut(
    'no role is let through to rows that a floor keeps, or kept from them',
    'remove `restrict`: after an erasure only purposes that the law demands see the rows; write who reads those under `readers` of the purpose',
  ),
});

const stays = z.strictObject({
  basis: z
    .enum(['contract', 'legal_obligation', 'vital_interests', 'public_task', 'legitimate_interests'])
    .meta({ description: 'What makes it lawful; a consent can be withdrawn' }),
  because: words,
});

export const table = z.strictObject({
  label: words.optional().meta({ description: 'How letters and copies call it to the person', examples: ['your orders'] }),
  purposes: z.array(name).default([]),
  captured_at: words.optional(),
  columns: z
    .record(words, z.union([words, column]))
    .optional()
    .meta({ description: 'Column → category, or → { category, identifying, … }' }),
  json: z.array(json).default([]),
  retention: retention.optional(),
  floor: floor.optional(),
  stays: stays.optional().meta({ description: 'Its rows stay whoever goes: whom they refer to is a mention' }),
  because: words.optional(),
});

export const reference = z.strictObject({
  from: columnId,
  when: z.record(words, scalar).default({}).meta({ description: 'Column values that make the reference hold' }),
  to: subjectOrColumn,
  as: z.enum(['owner', 'mention', 'both']).optional().meta({
    description:
      'What it means for the row: `owner`, it goes with them; `mention`, it stays and the reference goes; `both`, one of several owners',
  }),
  with: z.array(words).default([]).meta({ description: 'Columns that go along with the reference, such as the printed name' }),
});

export const sharedTable = z.strictObject({
  table: tableId,
  owners: tableId,
  on_erase: z.enum(['detach', 'delete', 'keep']).default('detach'),
  last_owner: z.enum(['delete', 'keep']).default('delete'),
});
