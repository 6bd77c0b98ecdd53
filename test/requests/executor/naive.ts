import { refColumns, SUBJECT, type Case, type Doc, type Masked, type Ref, type Row, type Table } from './case.ts';

/** What a masked cell is expected to be where only its difference counts. */
export const CHANGED = 'MASKED';

const DAY_MS = 86_400_000;

type Outcome = 'other' | 'delete' | 'mask' | 'keep' | 'held' | 'floor' | 'shared' | 'pinned';

interface Entry {
  readonly table: Table;
  readonly row: Row;
  outcome: Outcome;
  /** By references or an address; not only since its document names somebody. */
  readonly reached: boolean;
  /** Its document names one of the people. */
  named: boolean;
  /** Columns by which it names one of the people without being theirs alone. */
  cut: readonly string[];
}

/** A person whom a row names itself. */
interface Name {
  readonly as: Ref['as'];
  readonly mail: boolean;
  readonly filled: boolean;
  readonly is: (person: Row) => boolean;
}

/** The whole contents, changed row by row as the rules read: knows nothing of SQL, plans or sets. */
export class Naive {
  readonly data: Record<string, Row[]>;
  readonly #given: Case;

  /** `data`: what another has left. */
  constructor(given: Case, data?: Record<string, Row[]>) {
    this.#given = given;
    this.data =
      data ?? Object.fromEntries(Object.entries(given.data).map(([name, rows]) => [name, rows.map((row) => structuredClone(row))]));
  }

  /**
   * Erases people, named by their first key column; returns rows by outcome and table. `everybody`: who goes in the same run, in whichever chunk,
   * and so is nobody who still owns something.
   */
  erase(people: readonly Row[], everybody: readonly Row[] = people): Record<string, number> {
    const isHeld = (person: Row): boolean => this.#given.holds.some((hold) => hold.kind === 'subject' && hold.person + 1 === person['a']);
    const held = people.filter(isHeld);
    const going = everybody.filter((person) => !isHeld(person));
    const active = people.filter((person) => !held.includes(person));
    const entries: Entry[] = [];
    // Who owns what is shared is asked for by the others.
    for (const table of this.#given.tables.toSorted((a, b) => Number(b.name === 'member') - Number(a.name === 'member'))) {
      for (const row of this.data[table.name]!) {
        const named = table.json !== null && active.some((person) => mentions(row['doc'] as Doc | null, person['mail']));
        const owners = (some: readonly Row[], outsiders: readonly Outcome[]): boolean =>
          this.#planned(table) &&
          some.some((person) => this.#belongs(table, row, person, entries, { outsiders, active: some === held ? everybody : going }));
        const own = (otherwise: Outcome): Outcome => this.#own(table, row, otherwise);
        const byHeld = owners(held, []);
        const reached = byHeld || owners(active, ['held']);
        const cut = active.flatMap((person) => this.#mentions(table, row, person));
        if (!reached && !named && cut.length === 0) continue;
        const changed = named || cut.length > 0;
        const outcome = byHeld ? 'held' : own(reached ? this.#wanted(table, row, changed) : 'other');
        const free = outcome !== 'held' && outcome !== 'floor';
        entries.push({ table, row, outcome, reached, named: named && free, cut: free ? cut : [] });
      }
    }
    for (const entry of entries) if (this.#isShared(entry, entries) || this.#isOthersToo(entry, going)) entry.outcome = 'shared';
    for (let again = true; again;) {
      again = false;
      for (const entry of entries) {
        if (entry.outcome !== 'delete' || !this.#isPinned(entry, entries)) continue;
        entry.outcome = 'pinned';
        again = true;
      }
    }
    return this.#carryOut(entries, active);
  }

  #planned(table: Table): boolean {
    if (table.name === SUBJECT || (table.mail && table.mailAs !== 'mention') || table.shared !== null || table.name === 'hung') return true;
    const hops = (from: Table): Ref[] => from.refs.filter((ref) => ref.to !== from.name && ref.as !== 'mention');
    const person = (from: Table): boolean => hops(from).some((ref) => ref.to === SUBJECT);
    return person(table) || hops(table).some((ref) => ref.to !== 'household' && person(this.#table(ref.to)));
  }

  #table(name: string): Table {
    return this.#given.tables.find((table) => table.name === name)!;
  }

  #targets(ref: Ref, row: Row): Row[] {
    return this.data[ref.to]!.filter((there) => {
      if (ref.polymorphic) return row[`${ref.name}_type`] === ref.to && row[`${ref.name}_id`] === `${there['a'] as number}`;
      const columns = refColumns(ref, this.#given.tables);
      return row[columns[0]!] === there['a'] && (columns.length === 1 || row[columns[1]!] === there['b']);
    });
  }

  #belongs(
    table: Table,
    row: Row,
    person: Row,
    entries: readonly Entry[],
    { outsiders, active }: { outsiders: readonly Outcome[]; active: readonly Row[] },
  ): boolean {
    if (table.name === SUBJECT) return row['a'] === person['a'];
    if (table.shared !== null) {
      return this.data['member']!.some((member) => member['h_a'] === row['a'] && this.#names(this.#table('member'), member, person));
    }
    if (table.name === 'hung') {
      const owners = this.data['member']!.filter((member) => member['h_a'] === row['h_a'] && row['h_a'] !== null);
      const alone = owners.every((member) =>
        entries.some((entry) => entry.row === member && entry.reached && !outsiders.includes(entry.outcome)),
      );
      return alone && owners.some((member) => this.#names(this.#table('member'), member, person));
    }
    if (this.#namesOf(table, row).some((name) => name.as !== 'mention' && name.is(person))) return true;
    return table.refs.some((ref) => {
      if (ref.to === SUBJECT || ref.to === 'household' || ref.to === table.name || ref.as === 'mention') return false;
      const to = this.#table(ref.to);
      return this.#targets(ref, row).some((there) => {
        if (to.name === SUBJECT) return false;
        const names = this.#namesOf(to, there).filter(({ as, mail }) => as !== 'mention' && !mail);
        // What hangs on what several own is of the last of them.
        return names.some((name) => name.is(person)) && !this.#ownedByOthers(to, there, active);
      });
    });
  }

  #names(table: Table, row: Row, person: Row): boolean {
    return table.refs.some((ref) => {
      if (ref.to !== SUBJECT || table.name === SUBJECT) return false;
      if (ref.polymorphic) return this.#targets(ref, row).some((there) => there['a'] === person['a']);
      return row[`${ref.name}_a`] === person['a'] && (!this.#table(SUBJECT).composite || row[`${ref.name}_b`] === person['b']);
    });
  }

  /** Whom a row names itself: references to people, then an address. */
  #namesOf(table: Table, row: Row): Name[] {
    if (table.name === SUBJECT) return [];
    const refs = table.refs
      .filter((ref) => ref.to === SUBJECT)
      .map((ref): Name => ({
        as: ref.as,
        mail: false,
        filled: ref.polymorphic
          ? row[`${ref.name}_type`] === SUBJECT && row[`${ref.name}_id`] !== null
          : refColumns(ref, this.#given.tables).every((column) => row[column] !== null),
        is: (person) => this.#names({ ...table, refs: [ref] }, row, person),
      }));
    const mail: Name = { as: table.mailAs, mail: true, filled: row['mail'] !== null, is: (person) => same(row['mail'], person['mail']) };
    return table.mail ? [...refs, mail] : refs;
  }

  /** Somebody who is not among the people owns the row, too; who it is, is not asked. */
  #ownedByOthers(table: Table, row: Row, people: readonly Row[]): boolean {
    const names = this.#namesOf(table, row);
    if (!names.some(({ as }) => as === 'both')) return false;
    return names.some(({ as, filled, is }) => as !== 'mention' && filled && !people.some((person) => is(person)));
  }

  #isOthersToo({ table, row, outcome }: Entry, people: readonly Row[]): boolean {
    const several = this.#namesOf(table, row).some(({ as }) => as === 'both');
    return several && ['delete', 'mask', 'keep'].includes(outcome) && this.#ownedByOthers(table, row, people);
  }

  /** Filled columns that say who it is where the row is not theirs alone. */
  #mentions(table: Table, row: Row, person: Row): string[] {
    const names = this.#namesOf(table, row);
    const some = names.filter(({ as }) => as !== 'owner');
    return some
      .flatMap((name, at) => (name.is(person) ? [...(name.mail ? ['mail'] : []), ...(at === 0 && table.who ? ['who'] : [])] : []))
      .filter((column) => row[column] !== null);
  }

  #own(table: Table, row: Row, otherwise: Outcome): Outcome {
    if (this.#isHeld(table, row)) return 'held';
    // Of a row of which nothing would become no floor keeps anything.
    const cuts = this.#namesOf(table, row).some(({ as, mail }) => as !== 'owner' && (mail || table.who));
    const matters = table.rows !== 'keep' || table.json !== null || cuts;
    return matters && this.#isYoung(table, row) ? 'floor' : otherwise;
  }

  #wanted(table: Table, row: Row, named: boolean): Outcome {
    if (table.rows === 'delete') return 'delete';
    return named || (table.rows === 'mask' && this.#needs(table, row)) ? 'mask' : 'keep';
  }

  #isHeld(table: Table, row: Row): boolean {
    return this.#given.holds.some((hold) => {
      if (hold.kind === 'table') return hold.table === table.name && hold.group === row['grp'];
      return this.#leads(table, row, hold.person + 1, [table.name]);
    });
  }

  /** Whether references lead from a row to a held person within four hops, through no table twice. */
  #leads(table: Table, row: Row, person: number, way: readonly string[]): boolean {
    if (table.name === SUBJECT) return row['a'] === person;
    if (way.length > 4) return false;
    return table.refs.some(
      (ref) =>
        ref.as !== 'mention' &&
        !way.includes(ref.to) &&
        this.#targets(ref, row).some((there) => this.#leads(this.#table(ref.to), there, person, [...way, ref.to])),
    );
  }

  #isYoung({ floor }: Table, row: Row): boolean {
    if (floor === null) return false;
    const age = row['age'];
    if (age === null || !floor.endOfYear) return age === null || (age as number) < floor.years * 365;
    const year = new Date(Date.now() - (age as number) * DAY_MS).getUTCFullYear();
    return Date.now() < Date.UTC(year + 1 + floor.years, 0, 1);
  }

  #isShared({ table, row, outcome }: Entry, entries: readonly Entry[]): boolean {
    if (table.shared === null || !['delete', 'mask', 'keep'].includes(outcome)) return false;
    const owners = this.data['member']!.filter((member) => member['h_a'] === row['a']);
    const other = owners.some((member) => {
      const entry = entries.find((one) => one.row === member);
      return entry?.reached !== true || entry.outcome === 'held';
    });
    return other ? table.shared.onErase !== 'delete' : table.shared.lastOwner === 'keep';
  }

  /** References to a row, from rows that stay. */
  #survivors(entry: Entry, entries: readonly Entry[]): { table: Table; row: Row; ref: Ref }[] {
    return this.#given.tables.flatMap((table) =>
      table.refs
        .filter((ref) => ref.to === entry.table.name)
        .flatMap((ref) =>
          this.data[table.name]!.filter(
            (row) => this.#targets(ref, row).includes(entry.row) && entries.find((one) => one.row === row)?.outcome !== 'delete',
          ).map((row) => ({ table, row, ref })),
        ),
    );
  }

  #isPinned(entry: Entry, entries: readonly Entry[]): boolean {
    return this.#survivors(entry, entries).some(({ table, row, ref }) => {
      const own = entries.find((one) => one.row === row)?.outcome;
      return ref.otherwise === 'pin' || own === 'held' || own === 'floor' || this.#isHeld(table, row) || this.#isYoung(table, row);
    });
  }

  #columns(table: Table, how: 'mask' | 'pinned'): Masked[] {
    return how === 'mask'
      ? table.rows === 'mask'
        ? [...table.masks]
        : []
      : [...(table.rows === 'keep' ? [] : table.masks), ...(table.rows === 'delete' ? table.pinned : [])];
  }

  #needs(table: Table, row: Row): boolean {
    return table.masks.some((column) => JSON.stringify(row[column]) !== JSON.stringify(maskOf(column)));
  }

  #clean({ json }: Table, row: Row, people: readonly Row[]): void {
    const doc = row['doc'] as Doc | null;
    if (doc === null) return;
    for (const part of [doc.contact, ...doc.items]) {
      if (!people.some((person) => same(part.email, person['mail']))) continue;
      if (json === 'remove') delete part.email;
      else (part as { email: string | null }).email = null;
    }
  }

  #carryOut(entries: readonly Entry[], people: readonly Row[]): Record<string, number> {
    const counts: Record<string, number> = {};
    const add = (what: string, table: Table): void =>
      void (counts[`${what}:public.${table.name}`] = (counts[`${what}:public.${table.name}`] ?? 0) + 1);
    const detached = new Map<Row, { table: Table; columns: Set<string> }>();
    for (const entry of entries.filter((one) => one.outcome === 'delete')) {
      for (const { table, row, ref } of this.#survivors(entry, entries)) {
        const there = detached.get(row) ?? { table, columns: new Set<string>() };
        for (const column of ref.polymorphic ? [`${ref.name}_id`] : refColumns(ref, this.#given.tables)) there.columns.add(column);
        detached.set(row, there);
      }
    }
    for (const [row, { table, columns }] of detached) {
      add('detached', table);
      for (const column of columns) row[column] = null;
    }
    for (const { table, row, outcome, named, cut } of entries) {
      const differs = this.#columns(table, 'pinned').some((column) => JSON.stringify(row[column]) !== JSON.stringify(maskOf(column)));
      const rewritten = outcome !== 'delete' && (named || cut.length > 0 || (outcome === 'pinned' && differs));
      add(rewritten ? (outcome === 'pinned' ? 'masked:pinned' : 'masked') : WORDS[outcome], table);
      if (outcome !== 'delete') for (const column of cut) row[column] = null;
      if (outcome === 'delete') this.data[table.name] = this.data[table.name]!.filter((one) => one !== row);
      if (named) this.#clean(table, row, people);
      if (outcome !== 'mask' && outcome !== 'pinned') continue;
      const columns = this.#columns(table, outcome);
      for (const column of columns) row[column] = maskOf(column);
    }
    return counts;
  }
}

const WORDS: Readonly<Record<Outcome, string>> = {
  other: 'masked',
  delete: 'erased',
  mask: 'masked',
  keep: 'kept:purpose',
  held: 'held',
  floor: 'kept:floor:law',
  shared: 'kept:shared',
  pinned: 'pinned',
};

/** A column that may be empty becomes so; of others only that they changed, and which value a check leaves. */
function maskOf(column: Masked): string | number | null {
  return { note: null, doc: null, code: CHANGED, score: 1 }[column];
}

function same(one: unknown, other: unknown): boolean {
  return typeof one === 'string' && typeof other === 'string' && one.trim().toLowerCase() === other.trim().toLowerCase();
}

function mentions(doc: Doc | null, mail: unknown): boolean {
  return doc !== null && [doc.contact, ...doc.items].some((part) => same(part.email, mail));
}
