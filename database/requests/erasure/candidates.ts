import type { CatalogColumn } from '../../../domain/catalog.ts';
import type { TableErasure } from '../../../domain/requests/model.ts';
import type { TableConstraints } from './constraints.ts';
import { lengthOf, type DerivedForm, type MaskValue } from './masks.ts';

/** Values that a masked column might hold, the least telling first. Which of them its constraints allow only the database knows. */
export function candidates(column: CatalogColumn, constraints: TableConstraints, integerKey: boolean): MaskValue[] {
  const { name } = column;
  const unique = constraints.unique.has(name);
  const found: MaskValue[] = [];
  if (column.nullable && !constraints.nullOnce.has(name)) found.push(constant(null));
  if (unique) return [...found, ...derivedForms(column, integerKey).map((form): MaskValue => ({ kind: 'derived', form }))];
  const usual = constraints.defaults.get(name);
  if (usual !== undefined) found.push(constant(usual));
  found.push(...constants(column, constraints.labels.get(name) ?? []).map(constant));
  // A check may want what only a made-up value looks like.
  if (column.typeCategory === 'string')
    found.push(...derivedForms(column, integerKey).map((form): MaskValue => ({ kind: 'derived', form })));
  // Of a closed list every row gets the same one, which then says nothing any more.
  found.push(...(constraints.listed.get(name) ?? []).map(constant));
  return found;
}

/** What the manifest says; nothing where a unique index lets only one row hold it. */
export function wantedCandidates(
  wanted: TableErasure['wanted'][string],
  column: CatalogColumn,
  constraints: TableConstraints,
  integerKey: boolean,
): MaskValue[] {
  switch (wanted.with) {
    case 'null':
      return column.nullable && !constraints.nullOnce.has(column.name) ? [constant(null)] : [];
    case 'constant':
      return constraints.unique.has(column.name) ? [] : [constant(String(wanted.value))];
    case 'generated':
      return derivedForms(column, integerKey).map((form): MaskValue => ({ kind: 'derived', form }));
  }
}

function constant(text: string | null): MaskValue {
  return { kind: 'constant', text };
}

/** Addresses and numbers among them are of the ranges that are kept free for examples: they reach nobody. */
const TEXTS = [
  'erased',
  '',
  'x',
  'xx',
  'XX',
  'xxx',
  'XXX',
  'erased@erased.invalid',
  'https://erased.invalid',
  '+9990000000',
  '0',
  '00',
  '000',
  '00000',
  '000000',
  '1970-01-01',
  'e',
];
const NUMBERS = ['0', '1', '-1', '10', '100', '1000', '1900', '1970', '2000', '0.5', '10000', '100000', '1000000'];
const TIMES = ['1970-01-01', '2000-01-01', '1900-01-01', '9999-12-31', '00:00', '12:00', 'infinity', '-infinity'];
const OTHERS = [
  '',
  '0',
  '{}',
  'empty',
  '(0,0)',
  '0.0.0.0',
  '::',
  '00:00:00:00:00:00',
  '((0,0),(0,0))',
  '<(0,0),0>',
  '{0,0,0}',
  '0/0',
  '<erased/>',
];

function constants(column: CatalogColumn, labels: readonly string[]): readonly string[] {
  const { baseType, typeCategory } = column;
  if (labels.length > 0) return labels;
  switch (typeCategory) {
    case 'string':
      return TEXTS;
    case 'number':
      return NUMBERS;
    case 'time':
      return baseType === 'interval' ? ['0', '1 day', '1 year'] : TIMES;
    case 'boolean':
      return ['false', 'true'];
    case 'uuid':
      return ['00000000-0000-0000-0000-000000000000'];
    case 'json':
      return ['{}', '[]', 'null', '""', '0'];
    case 'array':
      return ['{}'];
    case 'binary':
      return ['', '\\x00'];
    case 'enum':
    case 'other':
      return OTHERS;
  }
}

/** Longer ones cannot meet; of shorter ones two of a million rows might, and the unique index would then refuse the whole step. */
const NAME_LENGTH = 39;
const ADDRESS_LENGTH = 54;
const SAFE_LENGTH = 16;

function derivedForms(column: CatalogColumn, integerKey: boolean): DerivedForm[] {
  switch (column.typeCategory) {
    case 'string': {
      const length = lengthOf(column) ?? Infinity;
      const long: DerivedForm[] = [
        ...(length >= NAME_LENGTH ? (['name'] as const) : []),
        ...(length >= ADDRESS_LENGTH ? (['address'] as const) : []),
      ];
      return length >= SAFE_LENGTH ? [...long, 'short', 'key', 'digits'] : ['key', 'short', 'digits'];
    }
    case 'number':
      return [...(integerKey ? (['below'] as const) : []), 'negative', 'number'];
    case 'time':
      return ['time'];
    case 'uuid':
      return ['uuid'];
    case 'binary':
      return ['bytes'];
    case 'json':
      return ['json'];
    case 'array':
      return ['array'];
    case 'boolean':
    case 'enum':
    case 'other':
      return [];
  }
}
