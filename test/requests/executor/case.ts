import fc, { type GeneratorValue } from 'fast-check';

export type Cell = string | number | null | Doc;
export type Doc = { contact: { email?: string; city: string }; items: { email?: string | null; sku: string }[] };
export type Row = Record<string, Cell>;

/** A reference of a table: columns `<name>_a` (and `_b`, to a composite key), or a polymorphic pair `<name>_type`, `<name>_id`. */
export interface Ref {
  readonly name: string;
  readonly to: string;
  readonly nullable: boolean;
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null';
  readonly deferred: boolean;
  readonly polymorphic: boolean;
  /** Whose the row is, where it leads to people. */
  readonly as: 'owner' | 'mention' | 'both';
  /** What the plan says about rows that stay and reference a row that goes. */
  readonly otherwise: 'detach' | 'pin';
}

export type Masked = 'note' | 'code' | 'score' | 'doc';

export interface Table {
  readonly name: string;
  readonly composite: boolean;
  readonly partitioned: boolean;
  /** Holds an address of somebody. */
  readonly mail: boolean;
  readonly mailAs: Ref['as'];
  /** Holds a printed name, which goes along with the first reference that is not the owner's. */
  readonly who: boolean;
  readonly refs: Ref[];
  readonly rows: 'delete' | 'mask' | 'keep';
  readonly masks: readonly Masked[];
  readonly pinned: readonly Masked[];
  readonly json: 'remove' | 'null' | null;
  /** Years. */
  readonly floor: { readonly years: number; readonly endOfYear: boolean } | null;
  readonly shared: {
    readonly owners: string;
    readonly onErase: 'detach' | 'delete' | 'keep';
    readonly lastOwner: 'delete' | 'keep';
  } | null;
}

export interface Case {
  /** The first holds the subjects. */
  readonly tables: readonly Table[];
  /** The same tables as a plan for people of another class has them, whose chunks are the odd ones; null: all are of one class. */
  readonly other: readonly Table[] | null;
  readonly data: Readonly<Record<string, readonly Row[]>>;
  /** People, as places in the first table's rows, by chunk and in the order in which chunks are taken. */
  readonly chunks: readonly { readonly chunk: number; readonly people: readonly number[] }[];
  readonly holds: readonly (
    { readonly kind: 'subject'; readonly person: number } | { readonly kind: 'table'; readonly table: string; readonly group: number }
  )[];
  /** Which fault stops the first attempt of the nth step. */
  readonly fault: { readonly step: number; readonly point: number };
}

export const SUBJECT = 'person';
const MOST_ROWS = 14;
const PEOPLE = 6;

/** Days ago: no floor's end lies near any of them, whenever the test runs. */
const AGES = [40, 400, 3000] as const;

export function randomCase(gen: GeneratorValue): Case {
  const below = (n: number): number => gen(fc.integer, { min: 0, max: n - 1 });
  const chance = (percent: number): boolean => below(100) < percent;
  const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;
  const some = <T>(values: readonly T[], percent: number): T[] => values.filter(() => chance(percent));
  const names = [SUBJECT, ...Array.from({ length: 2 + below(4) }, (_, index) => `t${index + 1}`)];
  const shared = chance(35);
  const partitioned = new Set(names.slice(1).filter(() => chance(15)));
  const composite = new Set(names.filter((name) => !partitioned.has(name) && chance(25)));
  const tables = names.map((name, index) => table(name, index));
  if (shared) {
    const owner = { name: 'h', nullable: chance(40), onDelete: 'no action', deferred: false, polymorphic: false, as: 'owner' } as const;
    const household = { ...table('household', 0), refs: [], floor: null, rows: pick(['delete', 'delete', 'mask'] as const), mail: false };
    const onErase = pick(['detach', 'delete', 'keep'] as const);
    composite.delete('household');
    tables.push({
      ...household,
      name: 'household',
      composite: false,
      shared: { owners: 'member', onErase, lastOwner: pick(['delete', 'delete', 'keep'] as const) },
    });
    const refs: Ref[] = [
      { ...owner, to: 'household', otherwise: owner.nullable && chance(50) ? 'detach' : 'pin' },
      { ...owner, name: 'p', to: SUBJECT, nullable: true, otherwise: chance(50) ? 'detach' : 'pin' },
    ];
    tables.push({ ...table('member', 0), name: 'member', composite: false, partitioned: false, refs, mail: false });
  }
  // What hangs on a household is of whoever owns it alone.
  if (shared)
    tables.push({
      ...table('hung', 0),
      name: 'hung',
      composite: false,
      partitioned: false,
      mail: false,
      refs: [
        {
          name: 'h',
          to: 'household',
          nullable: true,
          onDelete: 'no action',
          deferred: false,
          polymorphic: false,
          as: 'owner',
          otherwise: pick(['detach', 'pin'] as const),
        },
      ],
    });
  if (chance(20)) twins();
  const data = Object.fromEntries(tables.map((one) => [one.name, rowsOf(one)]));
  for (const one of tables) for (const row of data[one.name]!) for (const ref of one.refs) refer(row, ref, one);
  const people = data[SUBJECT]!.map((_, index) => index).filter(() => chance(70));
  const chunks = Array.from({ length: 1 + below(3) }, (_, chunk) => ({
    chunk,
    people: people.filter((person) => person % 3 === chunk || (chunk === 0 && person % 2 === 0)),
  }));
  const assigned = new Set<number>();
  const distinct = chunks
    .map((it) => ({ chunk: it.chunk, people: it.people.filter((person) => !assigned.has(person) && assigned.add(person)) }))
    .filter((it) => it.people.length > 0);
  if (chance(50)) distinct.reverse();
  const holds: Case['holds'][number][] = [];
  for (let left = below(3); left > 0; left--)
    holds.push(chance(50) ? { kind: 'subject', person: below(PEOPLE) } : { kind: 'table', table: pick(tables).name, group: below(4) });
  const other = distinct.some(({ chunk }) => chunk % 2 === 1) ? tables.map(elsewise) : null;
  return { tables, other, data, chunks: distinct, holds, fault: { step: below(4), point: below(8) } };

  /** Other purposes go on: other rows go, and other columns are masked. */
  function elsewise(of: Table): Table {
    const free = (['note', 'code', 'score', 'doc'] as const).filter((column) => column !== 'doc' || of.json === null);
    const masks = some(free, 50);
    const rows = of.shared === null ? pick(['delete', 'delete', 'mask', 'keep'] as const) : of.rows;
    return {
      ...of,
      rows,
      masks,
      pinned: some(
        free.filter((column) => !masks.includes(column)),
        60,
      ),
    };
  }

  function role(): Ref['as'] {
    return pick(['owner', 'owner', 'mention', 'both'] as const);
  }

  function table(name: string, index: number): Table {
    const masks = some(['note', 'code', 'score', 'doc'] as const, 50);
    const rest = (['note', 'code', 'score', 'doc'] as const).filter((column) => !masks.includes(column));
    const isSubject = name === SUBJECT;
    return {
      name,
      composite: composite.has(name),
      partitioned: partitioned.has(name),
      mail: !isSubject && chance(25),
      mailAs: role(),
      who: !isSubject && chance(40),
      refs: Array.from({ length: isSubject ? 1 : 1 + below(3) }, (_, at) => ref(`f${at}`, index)),
      rows: pick(['delete', 'delete', 'delete', 'delete', 'delete', 'mask', 'keep'] as const),
      masks,
      pinned: some(rest, 60),
      json: masks.includes('doc') ? null : pick([null, 'remove', 'null'] as const),
      floor: chance(10) ? { years: 1 + below(3), endOfYear: chance(50) } : null,
      shared: null,
    };
  }

  function ref(name: string, index: number): Ref {
    const polymorphic = chance(12);
    const nullable = polymorphic || index === 0 || chance(60);
    const earlier = names.slice(0, Math.max(1, index)).filter((one) => !partitioned.has(one));
    const any = names.filter((one) => !partitioned.has(one));
    // What must be there must be written first.
    const to =
      pick(
        polymorphic
          ? [...any.filter((one) => !composite.has(one)), SUBJECT]
          : nullable && chance(60)
            ? any
            : chance(50)
              ? [SUBJECT]
              : earlier,
      ) ?? SUBJECT;
    const whole = polymorphic && composite.has(to);
    return {
      name,
      to,
      nullable: whole ? true : nullable,
      onDelete: pick(
        nullable ? (['no action', 'restrict', 'cascade', 'set null'] as const) : (['no action', 'restrict', 'cascade'] as const),
      ),
      deferred: chance(20),
      polymorphic: polymorphic && !whole,
      as: index === 0 ? 'mention' : to === SUBJECT ? role() : pick(['owner', 'owner', 'mention'] as const),
      otherwise: nullable && chance(75) ? 'detach' : 'pin',
    };
  }

  /** Two tables that need each other, which only a deferred constraint allows. */
  function twins(): void {
    const fixed = { nullable: false, onDelete: 'no action', deferred: true, polymorphic: false, as: 'owner', otherwise: 'pin' } as const;
    const base = { composite: false, partitioned: false, shared: null } as const;
    const toPerson = { ...fixed, name: 'p', to: SUBJECT, deferred: false } as const;
    tables.push({ ...table('left_twin', 1), ...base, name: 'left_twin', refs: [{ ...fixed, name: 'twin', to: 'right_twin' }, toPerson] });
    tables.push({ ...table('right_twin', 1), ...base, name: 'right_twin', refs: [{ ...fixed, name: 'twin', to: 'left_twin' }] });
  }

  function rowsOf(of: Table): Row[] {
    const twin = of.name.endsWith('_twin');
    const length = of.name === SUBJECT ? PEOPLE : twin ? 4 : of.name === 'household' ? 4 : below(MOST_ROWS);
    return Array.from({ length }, (_, index): Row => {
      const mails = ['', ' ', 'X'];
      const row: Row = {
        a: index + 1,
        b: of.composite ? below(3) : null,
        grp: below(4),
        age: chance(10) ? null : pick(AGES),
        who: of.who && chance(70) ? `who ${of.name} ${index}` : null,
        note: chance(30) ? null : `note ${of.name} ${index}`,
        code: `code-${of.name}-${index}`,
        score: 2 + below(4),
        doc: {
          contact: { ...(chance(70) && { email: `p${below(PEOPLE)}@x.example` }), city: 'B' },
          items: [{ email: `p${below(PEOPLE)}@x.example`, sku: 's' }, { sku: 't' }].slice(0, below(3)),
        },
      };
      if (of.name === SUBJECT) row['mail'] = chance(80) ? `P${index}@x.example` : null;
      else if (of.mail)
        row['mail'] = chance(50) ? `${pick(mails).trim()}${pick([' ', ''])}${pick(['p', 'P'])}${below(PEOPLE)}@X.example` : null;
      for (const one of of.refs) for (const column of refColumns(one, tables)) row[column] = null;
      return row;
    });
  }

  function refer(row: Row, one: Ref, of: Table): void {
    const there = tables.find((candidate) => candidate.name === one.to)!;
    const rows = data[one.to]!;
    if (one.name === 'twin') return void (row['twin_a'] = row['a']!);
    // A row may need one that is written before it.
    const open = one.to === of.name && !one.nullable ? [] : rows;
    if (open.length === 0 || (one.nullable && chance(35))) return;
    const target = pick(open);
    if (one.polymorphic) {
      row[`${one.name}_type`] = chance(75) ? there.name : 'else';
      row[`${one.name}_id`] = `${target['a'] as number}`;
    } else {
      row[`${one.name}_a`] = target['a']!;
      if (there.composite) row[`${one.name}_b`] = target['b']!;
    }
  }
}

export function refColumns(ref: Ref, tables: readonly Table[]): string[] {
  if (ref.polymorphic) return [`${ref.name}_type`, `${ref.name}_id`];
  return tables.find((table) => table.name === ref.to)?.composite === true ? [`${ref.name}_a`, `${ref.name}_b`] : [`${ref.name}_a`];
}

/** A row that must reference something cannot be where there is nothing. */
export function possible(given: Case): Case {
  const data: Record<string, readonly Row[]> = { ...given.data };
  for (let changed = true; changed;) {
    changed = false;
    for (const table of given.tables) {
      const rows = data[table.name]!;
      const kept = rows.filter((row) => table.refs.every((ref) => ref.nullable || row[`${ref.name}_a`] !== null));
      if (kept.length < rows.length) {
        changed = true;
        data[table.name] = kept;
      }
    }
    for (const table of given.tables) {
      for (const row of data[table.name]!) {
        for (const ref of table.refs) {
          if (ref.polymorphic || row[`${ref.name}_a`] === null) continue;
          if (data[ref.to]!.some((target) => target['a'] === row[`${ref.name}_a`])) continue;
          for (const column of refColumns(ref, given.tables)) row[column] = null;
          changed = true;
        }
      }
    }
  }
  return { ...given, data };
}
