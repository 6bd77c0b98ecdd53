import type { ManifestInput } from '../../../manifest/schema/root.ts';

export const ZONE = 'Europe/Berlin';
export const DAY_MS = 86_400_000;
/** A day that every month has, at a time that no generated row shares. */
export const ASOF_MS = Date.parse('2024-06-15T10:17:23.456Z');

export type Column = 'timestamptz' | 'date' | 'timestamp';
export type Cell = string | number | null;
export type Row = Record<string, Cell>;

/** A foreign key, or several of partitions that say the same: columns `f0_a` (and `f0_b` when it goes to a composite key). */
export interface Key {
  readonly columns: string;
  readonly to: string;
  readonly onDelete: 'no action' | 'cascade' | 'set null';
  /** Which partitions declare it, and onto which partitions; null for the whole table. */
  readonly parts: readonly (readonly [from: string | null, to: string | null])[];
}

export interface Rule {
  readonly keep: string;
  /** The table whose `at` tells the age; null for the table's own. */
  readonly last: string | null;
  readonly missing: 'keep' | 'expire';
  readonly infinite: 'keep' | 'expire';
  readonly future: 'keep' | 'expire';
  readonly zoneless: 'keep' | 'local' | 'utc';
  readonly children: Record<string, 'keep' | 'delete' | 'detach'>;
  readonly then: 'delete' | 'mask' | 'aggregate';
}

export interface Table {
  readonly name: string;
  readonly composite: boolean;
  readonly partitioned: 'plain' | 'with default' | null;
  readonly at: Column;
  readonly indexed: boolean;
  keys: readonly Key[];
  rule: Rule | null;
  floor: { readonly years: number; readonly after: 'at' | 'seen'; readonly endOfYear: boolean } | null;
}

export type HoldCase =
  | { readonly kind: 'subject'; readonly key: readonly string[] }
  | { readonly kind: 'table'; readonly table: string; readonly leaf: string; readonly group: number };

export interface Case {
  readonly tables: readonly Table[];
  readonly rows: Readonly<Record<string, readonly Row[]>>;
  readonly subject: string | null;
  readonly holds: readonly HoldCase[];
  readonly lanes: number;
}

/** Where partitions end; the first begins with MINVALUE and the last has no end. */
export const BOUNDS = ['2022-06-01', '2023-06-01'] as const;

export const END = 'infinity';
export const BEGINNING = '-infinity';

/** The partition that a row of that time is in. */
export function leafOf(time: Cell): string {
  if (time === null) return '_rest';
  const day = time === BEGINNING ? '' : time === END ? '9999' : String(time).slice(0, 10);
  const later = BOUNDS.filter((bound) => day >= bound).length;
  return `_p${later}`;
}

export const MASKED = 'masked';
/** Of a type that no operator compares. */
export const MASKED_DOC = '{"gone": true}';

/** The schema with its rows: constraints last, so that cycles need no order. */
export function ddl({ tables, rows }: Case): string {
  const statements: string[] = [];
  for (const table of tables) {
    const key = table.partitioned !== null ? '' : `, primary key (a${table.composite ? ', b' : ''})`;
    const references = table.keys.flatMap(({ columns }) => [`${columns}_a int`, `${columns}_b int`]);
    const columns = [
      'a int not null',
      `b int`,
      `at ${table.at}`,
      'seen timestamptz',
      'grp int',
      'amount int',
      'payload text',
      'doc json',
      ...references,
      `filler text default repeat('x', 700)`,
    ];
    const tail = table.partitioned === null ? ' with (fillfactor = 10)' : ' partition by range (at)';
    statements.push(`create table ${table.name} (${columns.join(', ')}${key})${tail}`);
    if (table.partitioned !== null) {
      statements.push(
        `create table ${table.name}_p0 partition of ${table.name} for values from (minvalue) to ('${BOUNDS[0]}')`,
        `create table ${table.name}_p1 partition of ${table.name} for values from ('${BOUNDS[0]}') to ('${BOUNDS[1]}')`,
        `create table ${table.name}_p2 partition of ${table.name} for values from ('${BOUNDS[1]}') to (maxvalue)`,
      );
      if (table.partitioned === 'with default') statements.push(`create table ${table.name}_rest partition of ${table.name} default`);
    }
    const all = rows[table.name]!;
    if (all.length > 0) {
      const names = Object.keys(all[0]!);
      const values = all.map((row) => `(${names.map((name) => literal(row[name]!)).join(', ')})`);
      statements.push(`insert into ${table.name} (${names.join(', ')}) values ${values.join(', ')}`);
    }
    if (table.indexed) statements.push(`create index on ${table.name} (at)`);
    statements.push(
      `create table ${table.name}_daily (grp int, day date, rows bigint, amount bigint, least int, most int, unique nulls not distinct (grp, day))`,
    );
  }
  for (const table of tables) {
    for (const { columns, to, onDelete, parts } of table.keys) {
      const own = composite(tables, to) ? `${columns}_a, ${columns}_b` : `${columns}_a`;
      for (const [from, onto] of parts) {
        if (onto !== null) statements.push(`create unique index if not exists ${to}${onto}_a on ${to}${onto} (a)`);
        const target = onto === null ? to : `${to}${onto} (a)`;
        statements.push(`alter table ${table.name}${from ?? ''} add foreign key (${own}) references ${target} on delete ${onDelete}`);
      }
      statements.push(`create index on ${table.name} (${own})`);
    }
    statements.push(`analyze ${table.name}`);
  }
  return statements.join(';\n');
}

function composite(tables: readonly Table[], name: string): boolean {
  return tables.find((table) => table.name === name)!.composite;
}

function literal(cell: Cell): string {
  return cell === null ? 'null' : typeof cell === 'number' ? String(cell) : `'${cell}'`;
}

const id = (table: string): string => `shop.public.${table}`;

/** The rules in the words of a manifest. */
export function manifestTables({ tables }: Case): ManifestInput['tables'] {
  const declared = tables.map((table) => {
    const { rule, floor } = table;
    return [
      id(table.name),
      {
        purposes: ['use'],
        ...(rule && {
          retention: {
            keep: rule.keep,
            after: rule.last === null ? 'at' : { last: `${id(rule.last)}.at` },
            missing: rule.missing,
            infinite: rule.infinite,
            future: rule.future,
            zoneless: rule.zoneless,
            children: Object.fromEntries(Object.entries(rule.children).map(([name, action]) => [id(name), action])),
            then: action(table, rule),
          },
        }),
        ...(floor && {
          floor: { keep: `P${floor.years}Y`, after: floor.after, rule: 'law', ...(floor.endOfYear && { from: 'end_of_year' as const }) },
        }),
      },
    ] as const;
  });
  return Object.fromEntries(declared) as unknown as ManifestInput['tables'];
}

function action(table: Table, { then }: Rule): unknown {
  if (then === 'delete') return 'delete';
  if (then === 'mask')
    return {
      mask: {
        payload: { constant: MASKED },
        doc: { constant: MASKED_DOC },
        amount: null,
        ...(table.floor?.after === 'seen' ? {} : { seen: { truncate: 'month' } }),
      },
    };
  return {
    aggregate_into: id(`${table.name}_daily`),
    by: { grp: 'grp', day: { date: 'at' } },
    measures: { rows: 'count', amount: { sum: 'amount' }, least: { min: 'amount' }, most: { max: 'amount' } },
  };
}
