import { DateTime, Duration } from 'luxon';
import {
  ASOF_MS,
  BEGINNING,
  END,
  leafOf,
  MASKED,
  MASKED_DOC,
  ZONE,
  type Case,
  type Cell,
  type Column,
  type Key,
  type Row,
  type Rule,
  type Table,
} from './case.ts';
import { keyOf } from './random.ts';

/** What must be there afterwards, and what the certificate must say. */
export interface Expected {
  readonly rows: Record<string, Row[]>;
  readonly daily: Record<string, Map<string, DailyRow>>;
  readonly outcomes: Record<string, ExpectedOutcome>;
}

export interface ExpectedOutcome {
  readonly erased: number;
  readonly masked: number;
  /** By table. */
  readonly along: Record<string, number>;
  /** By kind of reason; holds, floors and children together. */
  readonly kept: Record<string, number>;
}

export interface DailyRow {
  rows: number;
  amount: number | null;
  least: number | null;
  most: number | null;
}

/**
 * Plays the rules over rows in memory, one row at a time, in the order of tables that the plan names. It is slow and simple, counts
 * forward from each row's own time, and shares no line with the product.
 */
export function oracle(given: Case, order: readonly string[]): Expected {
  const tables = new Map(given.tables.map((table) => [table.name, table]));
  const rows: Record<string, Row[]> = Object.fromEntries(
    given.tables.map(({ name }) => [name, given.rows[name]!.map((row) => ({ ...row }))]),
  );
  const expected: Expected = { rows, daily: {}, outcomes: {} };
  for (const name of order) expected.outcomes[name] = purge(tables.get(name)!);
  return expected;

  function purge(table: Table): ExpectedOutcome {
    const rule = table.rule!;
    const along: Record<string, number> = {};
    let [erased, masked] = [0, 0];
    if (rule.then === 'mask') {
      for (const row of rows[table.name]!) {
        if (!takes(table, rule, row) || protectedItself(table, row) || wearsMask(table, row)) continue;
        mask(table, row);
        masked++;
      }
    } else {
      // Again and again, since each row that goes may have stood in the way of another.
      for (let went = true; went;) {
        went = false;
        for (const row of [...rows[table.name]!]) {
          if (
            !rows[table.name]!.includes(row) ||
            !takes(table, rule, row) ||
            protectedItself(table, row) ||
            blocked(table, rule, row, [[table, row]])
          )
            continue;
          if (rule.then === 'aggregate') addUp(table, row);
          remove(table, rule, row, [table.name], along);
          erased++;
          went = true;
        }
      }
    }
    const kept: Record<string, number> = {};
    for (const row of rows[table.name]!) {
      const kind =
        oddKind(table, rule, row) ?? (takes(table, rule, row) && !(rule.then === 'mask' && wearsMask(table, row)) ? 'protected' : null);
      if (kind !== null) kept[kind] = (kept[kind] ?? 0) + 1;
    }
    return { erased, masked, along, kept };
  }

  function takes(table: Table, rule: Rule, row: Row): boolean {
    if (rule.last !== null) return takesByLast(table, rule, row);
    const time = row['at']!;
    if (time === null) return rule.missing === 'expire';
    if (time === END || time === BEGINNING) return rule.infinite === 'expire';
    if (!readable(table.at, rule)) return false;
    if (isFuture(time, table.at, rule)) return rule.future === 'expire';
    return over(time, table.at, rule);
  }

  function takesByLast(table: Table, rule: Rule, row: Row): boolean {
    const from = tables.get(rule.last!)!;
    const times = referring(from, from.keys[0]!, table, row).flatMap((child) => (child['at'] === null ? [] : [child['at']!]));
    const known = times.filter((time) => time !== BEGINNING);
    if (known.length === 0) return rule.missing === 'expire';
    return readable(from.at, rule) && known.every((time) => time !== END && over(time, from.at, rule));
  }

  function oddKind(table: Table, rule: Rule, row: Row): string | null {
    if (rule.last !== null) {
      const from = tables.get(rule.last)!;
      const times = referring(from, from.keys[0]!, table, row).flatMap((child) => (child['at'] === null ? [] : [child['at']!]));
      if (times.every((time) => time === BEGINNING)) return rule.missing === 'keep' ? 'missing' : null;
      return readable(from.at, rule) ? null : 'zoneless';
    }
    const time = row['at']!;
    if (time === null) return rule.missing === 'keep' ? 'missing' : null;
    if (time === END || time === BEGINNING) return rule.infinite === 'keep' ? 'infinite' : null;
    if (!readable(table.at, rule)) return 'zoneless';
    return isFuture(time, table.at, rule) && rule.future === 'keep' ? 'future' : null;
  }

  function protectedItself(table: Table, row: Row): boolean {
    return held(table, row) || underFloor(table, row);
  }

  function held(table: Table, row: Row): boolean {
    return given.holds.some((hold) => {
      if (hold.kind === 'subject') return belongsTo(table, row, hold.key, [table.name]);
      if (hold.table !== table.name || row['grp'] !== hold.group) return false;
      return hold.leaf === '' || hold.leaf === leafOf(row['at']!);
    });
  }

  function belongsTo(table: Table, row: Row, key: readonly string[], way: readonly string[]): boolean {
    if (table.name === given.subject) return keyOf(table, row).join() === key.join();
    return table.keys.some((one) => {
      if (way.includes(one.to)) return false;
      const to = tables.get(one.to)!;
      return rows[one.to]!.some((parent) => refers(row, one, to, parent) && belongsTo(to, parent, key, [...way, one.to]));
    });
  }

  function underFloor(table: Table, row: Row): boolean {
    const { floor } = table;
    if (floor === null) return false;
    const time = row[floor.after]!;
    if (time === null || time === END || time === BEGINNING) return true;
    const type = floor.after === 'at' ? table.at : 'timestamptz';
    const from = instant(time, type, 'local');
    const start = floor.endOfYear ? from.minus({ milliseconds: 1 }).startOf('year').plus({ years: 1 }) : from;
    return start.plus({ years: floor.years }).toMillis() > ASOF_MS;
  }

  /** Rows elsewhere that keep this one; `way` are the rows, with their tables, that would go before them. */
  function blocked(table: Table, rule: Rule, row: Row, way: readonly (readonly [Table, Row])[]): boolean {
    return [...tables.values()].some((from) =>
      from.keys.some((key) => {
        if (key.to !== table.name) return false;
        const children = referring(from, key, table, row);
        const declared = rule.children[from.name] ?? 'keep';
        const onWay = way.some(([passed]) => passed === from);
        if (declared === 'detach') return children.some((child) => protectedItself(from, child));
        if (declared === 'delete' && !onWay)
          return children.some((child) => protectedItself(from, child) || blocked(from, rule, child, [...way, [from, child]]));
        return children.some((child) => !way.some(([, passed]) => passed === child));
      }),
    );
  }

  function remove(table: Table, rule: Rule, row: Row, way: readonly string[], along: Record<string, number>): void {
    rows[table.name] = rows[table.name]!.filter((one) => one !== row);
    for (const from of tables.values()) {
      for (const key of from.keys) {
        if (key.to !== table.name) continue;
        const declared = rule.children[from.name];
        for (const child of referring(from, key, table, row)) {
          if (declared === 'detach') Object.assign(child, detached(key, table));
          else if (declared === 'delete' && !way.includes(from.name) && rows[from.name]!.includes(child)) {
            along[from.name] = (along[from.name] ?? 0) + 1;
            remove(from, rule, child, [...way, from.name], along);
          }
        }
      }
    }
  }

  function referring(from: Table, key: Key, to: Table, row: Row): Row[] {
    return rows[from.name]!.filter((child) => refers(child, key, to, row));
  }

  function addUp(table: Table, row: Row): void {
    const day = dayOf(row['at']!, table.at);
    const daily = (expected.daily[table.name] ??= new Map<string, DailyRow>());
    addInto(daily, `${row['grp']}/${day}`, {
      rows: 1,
      amount: number(row['amount']),
      least: number(row['amount']),
      most: number(row['amount']),
    });
  }
}

export function addInto(daily: Map<string, DailyRow>, key: string, added: DailyRow): void {
  const stored = daily.get(key);
  if (stored === undefined) return void daily.set(key, { ...added });
  stored.rows += added.rows;
  stored.amount = both(stored.amount, added.amount, (a, b) => a + b);
  stored.least = both(stored.least, added.least, Math.min);
  stored.most = both(stored.most, added.most, Math.max);
}

function both(a: number | null, b: number | null, of: (a: number, b: number) => number): number | null {
  return a === null ? b : b === null ? a : of(a, b);
}

function number(cell: Cell | undefined): number | null {
  return typeof cell === 'number' ? cell : null;
}

function refers(child: Row, key: Key, to: Table, parent: Row): boolean {
  if (child[`${key.columns}_a`] !== parent['a']) return false;
  // A key onto a partition speaks of its rows alone; one onto the whole table says what the column means, whichever partition has it.
  const [from, onto] = [leafOf(child['at']!), leafOf(parent['at']!)];
  if (!key.parts.some(([part, target]) => target === null || (target === onto && (part === null || part === from)))) return false;
  return !to.composite || child[`${key.columns}_b`] === parent['b'];
}

function detached(key: Key, to: Table): Row {
  return { [`${key.columns}_a`]: null, ...(to.composite && { [`${key.columns}_b`]: null }) };
}

function readable(type: Column, rule: Rule): boolean {
  return type !== 'timestamp' || rule.zoneless !== 'keep';
}

/** The moment at which the whole of a time has passed: a date is a local day. */
function instant(time: Cell, type: Column, zoneless: Rule['zoneless']): DateTime {
  const text = String(time);
  if (type === 'date') return DateTime.fromISO(text, { zone: ZONE }).plus({ days: 1 });
  if (type === 'timestamptz') return DateTime.fromSQL(text, { setZone: true }).setZone(ZONE);
  return DateTime.fromSQL(text, { zone: zoneless === 'utc' ? 'UTC' : ZONE }).setZone(ZONE);
}

function over(time: Cell, type: Column, rule: Rule): boolean {
  return instant(time, type, rule.zoneless).plus(Duration.fromISO(rule.keep)).toMillis() <= ASOF_MS;
}

function isFuture(time: Cell, type: Column, rule: Rule): boolean {
  // What was written between the instant judged by and now is not of the future.
  const present = Math.max(ASOF_MS, Date.now());
  if (type === 'date') return String(time) > DateTime.fromMillis(present, { zone: ZONE }).toISODate()!;
  return instant(time, type, rule.zoneless).toMillis() > present;
}

function dayOf(time: Cell, type: Column): string | null {
  if (time === null || time === END || time === BEGINNING) return time;
  if (type !== 'timestamptz') return String(time).slice(0, 10);
  return instant(time, type, 'utc').toISODate();
}

function truncated(time: Cell): Cell {
  if (time === null || time === END || time === BEGINNING) return time;
  return `${instant(time, 'timestamptz', 'utc').startOf('month').toUTC().toFormat('yyyy-MM-dd HH:mm:ss')}+00`;
}

function mask(table: Table, row: Row): void {
  Object.assign(
    row,
    { payload: MASKED, doc: MASKED_DOC, amount: null },
    table.floor?.after === 'seen' ? {} : { seen: truncated(row['seen']!) },
  );
}

function wearsMask(table: Table, row: Row): boolean {
  return (
    row['payload'] === MASKED &&
    row['doc'] === MASKED_DOC &&
    row['amount'] === null &&
    (table.floor?.after === 'seen' || row['seen'] === truncated(row['seen']!))
  );
}
