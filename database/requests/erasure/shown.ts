import type { MaskedColumn } from '../../../domain/requests/plan.ts';
import { liveColumn, type DerivedForm, type MaskValue, type TableMasks } from './masks.ts';
import type { TargetTable } from './target.ts';

/** Which of a table's rows are masked. */
interface MaskedRows {
  /** Since a purpose goes on. */
  readonly kept: boolean;
  /** Since other rows need them. */
  readonly pinned: boolean;
  /** Of which a document or a reference names the people. */
  readonly named: boolean;
}

/** What masked rows of a table hold afterwards, column by column. Says nothing that any row has held. */
export function maskedColumnsOf({ plan, masks }: TargetTable, { kept, pinned, named }: MaskedRows): MaskedColumn[] {
  if (plan === null || masks === null) return [];
  const names = [...(kept || pinned ? plan.masks : []), ...(pinned ? plan.masksWhenPinned : [])];
  const parts = named ? [...Map.groupBy(plan.json, ({ column }) => column)] : [];
  const whole = names.flatMap((column): MaskedColumn[] => {
    const value = masks.values.get(column);
    return value === undefined ? [] : [{ column, becomes: valueText(masks, column, value) }];
  });
  const inside = parts.map(([column, some]): MaskedColumn => {
    const paths = some.map(({ path, onErase }) => `${path} ${onErase === 'null' ? 'null' : 'removed'}`);
    return { column, becomes: `${paths.join(', ')}, where it names the person` };
  });
  const mentions = named ? [...new Set(plan.mentions.flatMap((it) => it.columns))] : [];
  const mentioned = mentions.flatMap((column): MaskedColumn[] => {
    const value = masks.values.get(column);
    return value === undefined ? [] : [{ column, becomes: `${valueText(masks, column, value)}, where it names the person` }];
  });
  return [...whole, ...[...mentioned, ...inside].filter(({ column }) => !whole.some((it) => it.column === column))];
}

function valueText({ live, key }: TableMasks, column: string, value: MaskValue): string {
  if (value.kind === 'derived') return `${FORMS[value.form]} (${key.length === 0 ? 'made up' : 'made from the row’s key'})`;
  if (value.text === null) return 'null';
  return ['number', 'boolean'].includes(liveColumn(live, column).typeCategory) ? value.text : `'${value.text}'`;
}

const FORMS: Readonly<Record<DerivedForm, string>> = {
  name: `'erased-…'`,
  address: `'erased-…@erased.invalid'`,
  digits: `'+999…'`,
  short: 'a few digits',
  key: `'~…'`,
  below: 'a number below zero',
  number: 'a number',
  negative: 'a number below zero',
  uuid: 'a uuid',
  time: 'a time before 1970',
  bytes: 'bytes',
  json: 'a text',
  array: 'a list of one text',
};
