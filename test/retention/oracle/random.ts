import fc, { type GeneratorValue } from 'fast-check';
import {
  ASOF_MS,
  DAY_MS,
  leafOf,
  type Case,
  type Cell,
  type Column,
  type HoldCase,
  type Key,
  type Row,
  type Rule,
  type Table,
} from './case.ts';

const LEAVES = ['_p0', '_p1', '_p2'] as const;

/** Rows of a table at most. Few, but one a page, so that batches, lanes and stripes have something to divide. */
const MOST_ROWS = 50;

/** Draws a schema, rows, rules and holds. Everything comes from `gen`, so that a printed seed brings the same case back. */
export function randomCase(gen: GeneratorValue): Case {
  const below = (n: number): number => gen(fc.integer, { min: 0, max: n - 1 });
  const chance = (percent: number): boolean => below(100) < percent;
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;

  const tables: Table[] = Array.from({ length: 2 + below(3) }, (_, index) => {
    const partitioned = chance(35);
    return {
      name: `t${index}`,
      composite: !partitioned && chance(30),
      partitioned: partitioned ? pick(['plain', 'with default'] as const) : null,
      at: partitioned ? pick(['timestamptz', 'date'] as const) : pick(['timestamptz', 'timestamptz', 'date', 'timestamp'] as const),
      indexed: chance(60),
      keys: [],
      rule: null,
      floor: null,
    };
  });
  const referable = tables.filter((table) => table.partitioned === null);
  for (const table of tables) {
    const keys: Key[] = [];
    for (let index = below(4); index > 0; index--) {
      const to = pick(tables);
      keys.push({
        columns: `f${keys.length}`,
        to: to.name,
        onDelete: pick(['no action', 'no action', 'cascade', 'set null'] as const),
        parts: randomParts(table, to),
      });
    }
    table.keys = keys;
  }
  for (const table of tables) {
    if (chance(80)) table.rule = randomRule(table);
    if (chance(25)) table.floor = { years: 1 + below(3), after: pick(['at', 'seen'] as const), endOfYear: chance(50) };
  }
  const rows = Object.fromEntries(
    tables.map((table) => [table.name, Array.from({ length: below(MOST_ROWS) }, (_, index) => randomRow(table, index + 1))]),
  );
  for (const table of tables) if (table.partitioned !== null) numberByLeaf(rows[table.name]!);
  for (const table of tables) for (const row of rows[table.name]!) for (const key of table.keys) refer(row, key);
  const subject = referable.length > 0 && chance(70) ? pick(referable).name : null;
  const holds: HoldCase[] = [];
  for (let index = below(4); index > 0; index--) {
    const held = subject === null ? undefined : pick([...rows[subject]!, undefined]);
    if (held !== undefined && chance(50)) holds.push({ kind: 'subject', key: keyOf(table(subject!), held) });
    else {
      const on = pick(tables);
      const leaf = on.partitioned !== null && chance(50) ? pick(['_p0', '_p1', '_p2']) : '';
      holds.push({ kind: 'table', table: on.name, leaf, group: below(4) });
    }
  }
  return { tables, rows, subject, holds, lanes: 1 + below(2) };

  function table(name: string): Table {
    return tables.find((one) => one.name === name)!;
  }

  /** Nothing is unique in a partitioned table as a whole, so keys go onto its partitions; keys of one may be those of some partitions only. */
  function randomParts(from: Table, to: Table): Key['parts'] {
    const some = LEAVES.filter(() => chance(60));
    const leaves = some.length === 0 ? [pick(LEAVES)] : some;
    if (to.partitioned === null) return from.partitioned === null || chance(40) ? [[null, null]] : leaves.map((leaf) => [leaf, null]);
    // Postgres refuses a key of a whole table onto its own partition.
    if (from.partitioned === null || (from !== to && chance(40))) return [[null, pick(LEAVES)]];
    return leaves.map((leaf) => [leaf, leaf]);
  }

  function randomRule(of: Table): Rule {
    const odd = (): 'keep' | 'expire' => (chance(25) ? 'expire' : 'keep');
    const incoming = tables.flatMap((from) => from.keys.filter((key) => key.to === of.name).map(() => from));
    const [active] = incoming;
    // Ages are read from a table whose rows hang on nothing else: otherwise the outcome would depend on the order of the rows.
    const last = incoming.length === 1 && active!.name !== of.name && active!.keys.length === 1 && chance(30) ? active!.name : null;
    const children: Rule['children'] = {};
    for (const from of incoming) if (chance(65)) children[from.name] = pick(['keep', 'delete', 'delete', 'detach'] as const);
    const then = pick(['delete', 'delete', 'delete', 'mask', 'aggregate'] as const);
    const keep = pick(['P6M', 'P1Y', 'P400D', 'P2Y', 'P18M'] as const);
    return {
      keep,
      last,
      missing: odd(),
      infinite: odd(),
      future: odd(),
      zoneless: pick(['keep', 'local', 'utc'] as const),
      children,
      then,
    };
  }

  function randomRow(of: Table, index: number): Row {
    const row: Row = {
      a: index,
      b: of.composite ? below(3) : null,
      at: randomTime(of.at, of.partitioned !== 'plain'),
      seen: randomTime('timestamptz', true),
      grp: below(4),
      amount: chance(20) ? null : below(1000),
      payload: `${of.name}-${index}`,
      doc: chance(20) ? null : `{"n":  ${index}}`,
    };
    for (const key of of.keys) for (const column of ['a', 'b'] as const) row[`${key.columns}_${column}`] = null;
    return row;
  }

  function randomTime(type: Column, odd: boolean): Cell {
    if (odd && chance(8)) return null;
    if (odd && chance(6)) return pick(['infinity', '-infinity']);
    const days = chance(5) ? 10 + below(200) : -1 - below(1400);
    const time = new Date(ASOF_MS + days * DAY_MS + (1 + below(600)) * 61_000).toISOString();
    if (type === 'date') return time.slice(0, 10);
    return type === 'timestamptz' ? `${time.slice(0, 19).replace('T', ' ')}+00` : time.slice(0, 19).replace('T', ' ');
  }

  function refer(row: Row, key: Key): void {
    const to = table(key.to);
    const leaf = leafOf(row['at']!);
    // What a partition has a key for must be there; without a key any value may stand there.
    const onto = key.parts.find(([from]) => from === null || from === leaf)?.[1] ?? null;
    const there = rows[key.to]!.filter((one) => onto === null || leafOf(one['at']!) === onto);
    if (there.length === 0 || chance(35)) return;
    const target = pick(there);
    row[`${key.columns}_a`] = target['a']!;
    if (to.composite) row[`${key.columns}_b`] = chance(10) ? null : target['b']!;
  }
}

/** So that the same numbers stand in several partitions. */
function numberByLeaf(rows: readonly Row[]): void {
  for (const [, inLeaf] of Map.groupBy(rows, (row) => leafOf(row['at']!))) inLeaf.forEach((row, index) => (row['a'] = index + 1));
}

export function keyOf(table: Table, row: Row): string[] {
  return table.composite ? [String(row['a']), String(row['b'])] : [String(row['a'])];
}
