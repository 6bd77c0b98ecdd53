import fc, { type GeneratorValue } from 'fast-check';
import { ASOF_MS, DAY_MS, type Case, type Cell, type Column, type HoldCase, type Key, type Row, type Rule, type Table } from './case.ts';

/** Rows of a table at most. Few, but one a page, so that batches, lanes and stripes have something to divide. */
const MOST_ROWS = 50;

/** Draws a schema, rows, rules and holds. Everything comes from `gen`, so that a printed seed brings the same case back. */
export function randomCase(gen: GeneratorValue): Case {
  const below = (n: number): number => gen(fc.integer, { min: 0, max: n - 1 });
  const chance = (percent: number): boolean => below(100) < percent;
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;

  const tables: Table[] = Array.from({ length: 2 + below(3) }, (_, index) => {
    const partitioned = chance(20);
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
    for (let index = below(4); index > 0 && referable.length > 0; index--) {
      keys.push({
        columns: `f${keys.length}`,
        to: pick(referable).name,
        onDelete: pick(['no action', 'no action', 'cascade', 'set null'] as const),
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
    if (rows[key.to]!.length === 0 || chance(35)) return;
    const target = pick(rows[key.to]!);
    row[`${key.columns}_a`] = target['a']!;
    if (to.composite) row[`${key.columns}_b`] = chance(10) ? null : target['b']!;
  }
}

export function keyOf(table: Table, row: Row): string[] {
  return table.composite ? [String(row['a']), String(row['b'])] : [String(row['a'])];
}
