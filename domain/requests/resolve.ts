import type { Manifest } from '../../manifest/model.ts';
import { asWritten, comparisonOf, isPlaceholder, joinsPeople, lookUpForm } from './identities.ts';
import { phoneForm, phoneTail, samePhone } from './phones.ts';

/*
 * Who one person is in all stores: keys by kind of subject, and values by identity. What somebody has in one table leads to their row of
 * another. It only grows, and never by a guess: a value leads to a row when nobody else has it, and nobody gets a second key of one kind
 * by it; everything else is for a person to decide, but for what is nobody's: a placeholder, a number that several have, an address that so many
 * have that no person could tell whose it is. Rows that name such a value are of nobody whom we know.
 */

/** More rows are no accounts of one person: a call centre's number, a reseller's address. */
export const MOST_OF_ONE = 20;
/** So many of those who have a value are read, to know who they are; the others are counted. */
export const MOST_HOLDERS = 1_000;

export interface SubjectKey {
  readonly subject: string;
  readonly key: string;
}

/** What is known of one person before anybody looks. */
export interface Seed {
  readonly keys: readonly SubjectKey[];
  /** What the requester gave. */
  readonly identities: readonly { readonly identity: string; readonly value: string }[];
  /** By `subject.identity`: whoever has the value is this person (`accept`), or the value is not only theirs and is not used (`reject`). */
  readonly decided: Readonly<Record<string, IdentityDecision>>;
}

export type IdentityDecision = 'accept' | 'reject';

/** What is done to whom a request is about; its state changes only where a plan was made, or it was closed. */
export type IdentityVerb = 'add_identity' | 'accept_identity' | 'reject_identity';

/** A value that does not say who somebody is: names and a count, never the value. */
export interface Ambiguous {
  readonly subject: string;
  readonly identity: string;
  /** Rows of the subject that would be this one person. */
  readonly rows: number;
}

export interface ResolvedPerson {
  readonly keys: readonly SubjectKey[];
  /** Identity → values as they stand, several where stores differ. */
  readonly identities: Readonly<Record<string, readonly string[]>>;
  /** To be decided before anything is planned. */
  readonly ambiguous: readonly Ambiguous[];
  /** Has the same number or name and was not taken for the same person: for whoever looks at the plan. */
  readonly apart: readonly Ambiguous[];
  /** `subject.identity` of which a value was left out, since somebody has rejected it. */
  readonly rejected: readonly string[];
  /** What the person has and is nobody's: it leads to no rows and is not searched for. `rows` have it, the person's own among them. */
  readonly shared: readonly Shared[];
}

export interface Shared extends Ambiguous {
  /** Plainly stands for no value. */
  readonly placeholder: boolean;
}

/** Values of one identity to be looked up among the rows of one subject. */
export interface Question {
  readonly subject: string;
  readonly identity: string;
  readonly forms: readonly string[];
}

/** Rows that keys of a subject have, and values of their identities, in the order of `identityNames`. */
export interface KnownRow {
  readonly key: string;
  readonly values: readonly (string | null)[];
}

/** A row that has a value which was asked for. */
export interface Holder {
  readonly key: string;
  readonly value: string;
  /** What of the question it answers: a form, or the end of a number. */
  readonly asked: string;
  /** Rows that have it, if more than `MOST_HOLDERS` without those that were not read. */
  readonly total: number;
}

interface Answer {
  readonly keys: Set<string>;
  /** Of numbers: as others write them, since references compare the text. In lower case. */
  readonly written: Map<string, Set<string>>;
  total: number;
}

interface Person {
  readonly keys: Map<string, Set<string>>;
  /** Identity → form → values as they stand. */
  readonly values: Map<string, Map<string, Set<string>>>;
  readonly dropped: Set<string>;
  readonly rejected: Set<string>;
  readonly decided: Seed['decided'];
  ambiguous: Map<string, Ambiguous>;
  apart: Map<string, Ambiguous>;
  /** Only grows, as `dropped` does. */
  readonly shared: Map<string, Shared>;
}

/** Grows what is known of people, question by question, until nothing new is to be asked. */
export class Resolution {
  readonly #manifest: Manifest;
  readonly #people: readonly Person[];
  /** `subject.identity` → form → who has it. */
  readonly #answers = new Map<string, Map<string, Answer>>();
  readonly #rows = new Map<string, Map<string, readonly (string | null)[]>>();
  readonly #referenced: ReadonlySet<string>;
  readonly #subjects: readonly string[];

  constructor(manifest: Manifest, seeds: readonly Seed[]) {
    this.#manifest = manifest;
    this.#referenced = referencedIdentities(manifest);
    this.#subjects = Object.keys(manifest.subjects).sort();
    this.#people = seeds.map((seed) => {
      const person: Person = {
        keys: new Map(),
        values: new Map(),
        dropped: new Set(),
        rejected: new Set(),
        decided: seed.decided,
        ambiguous: new Map(),
        apart: new Map(),
        shared: new Map(),
      };
      for (const it of seed.keys) if (it.subject in manifest.subjects) addTo(person.keys, it.subject, it.key);
      for (const it of seed.identities) addValue(person, it.identity, it.value);
      return person;
    });
  }

  /** Keys whose rows have not been read, by subject. */
  unread(): ReadonlyMap<string, readonly string[]> {
    const wanted = new Map<string, Set<string>>();
    for (const { keys } of this.#people)
      for (const [subject, some] of keys)
        for (const key of some) if (this.#rows.get(subject)?.has(key) !== true) addTo(wanted, subject, key);
    return new Map([...wanted].map(([subject, some]) => [subject, [...some]]));
  }

  /** What the rows of these keys say; a key without a row is read, too. */
  learn(subject: string, keys: readonly string[], rows: readonly KnownRow[]): void {
    const known = this.#rows.get(subject) ?? new Map<string, readonly (string | null)[]>();
    for (const key of keys) known.set(key, []);
    for (const { key, values } of rows) known.set(key, values);
    this.#rows.set(subject, known);
    const names = identityNames(this.#manifest, subject);
    for (const person of this.#people)
      for (const key of person.keys.get(subject) ?? [])
        for (const [at, value] of (known.get(key) ?? []).entries()) if (value !== null) addValue(person, names[at]!, value);
  }

  /** What has not been asked. */
  questions(): readonly Question[] {
    const wanted = new Map<string, { subject: string; identity: string; forms: Set<string> }>();
    for (const person of this.#people)
      for (const [identity, forms] of person.values)
        for (const form of forms.keys())
          for (const subject of this.#asked(person, identity, form)) {
            const place = `${subject}.${identity}`;
            if (this.#answers.get(place)?.has(form) === true) continue;
            const question = wanted.get(place) ?? { subject, identity, forms: new Set() };
            wanted.set(place, question);
            question.forms.add(form);
          }
    return [...wanted.values()].map((it) => ({ ...it, forms: [...it.forms] }));
  }

  /** Whoever has a value. */
  answer({ subject, identity, forms }: Question, rows: readonly Holder[]): void {
    const place = `${subject}.${identity}`;
    const known = this.#answers.get(place) ?? new Map<string, Answer>();
    this.#answers.set(place, known);
    for (const form of forms) known.set(form, { keys: new Set(), written: new Map(), total: 0 });
    const numbers = comparisonOf(identity) === 'phone' ? forms.filter((form) => asWritten(identity, form) === null) : [];
    const byTail = Map.groupBy(numbers, phoneTail);
    for (const row of rows)
      for (const form of byTail.get(row.asked)?.filter((it) => isNumber(row.value, it)) ?? [row.asked]) {
        const answer = known.get(form);
        if (answer === undefined) continue;
        answer.keys.add(row.key);
        addTo(answer.written, folded(row.value), row.key);
        answer.total = row.total > MOST_HOLDERS ? row.total : answer.keys.size;
      }
  }

  /** Takes in what the answers say beyond doubt, and notes what they leave open. */
  settle(): void {
    for (const person of this.#people) this.#settle(person);
  }

  result(): readonly ResolvedPerson[] {
    return this.#people.map(({ keys, values, ambiguous, apart, rejected, shared }) => ({
      keys: [...keys].sort(byName).flatMap(([subject, some]) => [...some].sort().map((key) => ({ subject, key }))),
      identities: Object.fromEntries(
        [...values]
          .map(([identity, forms]) => [identity, [...forms.values()].flatMap((it) => [...it]).sort()] as const)
          .filter(([, some]) => some.length > 0)
          .sort(byName),
      ),
      ambiguous: inOrder(ambiguous),
      apart: inOrder(apart),
      rejected: [...rejected].sort(),
      shared: inOrder(shared),
    }));
  }

  /**
   * Whose rows are asked for a value: what joins nobody only where it leads to rows, and of kinds of which the person has no key. What is no
   * number is looked for as it stands, so of it only whether it is theirs alone.
   */
  #asked(person: Person, identity: string, form: string): string[] {
    return this.#subjects.filter((subject) => {
      if (this.#manifest.subjects[subject]!.identities[identity] === undefined) return false;
      if (asWritten(identity, form) !== null) return person.keys.has(subject);
      return joinsPeople(identity) || this.#referenced.has(`${subject}.${identity}`) || !person.keys.has(subject);
    });
  }

  #settle(person: Person): void {
    person.ambiguous = new Map();
    person.apart = new Map();
    const proposed = new Map<string, { readonly keys: Set<string>; readonly identities: Set<string> }>();
    for (const [identity, forms] of [...person.values].sort(byName)) {
      for (const form of [...forms.keys()].sort()) {
        const found = this.#found(person, identity, form);
        const others = found.filter(({ subject, keys }) => [...keys].some((key) => isOther(person, subject, key)));
        const says = [...(forms.get(form) ?? [])].every((it) => !isPlaceholder(identity, it));
        // Even where nobody else has it: rows may name it that are of strangers.
        if (!says && (others.length > 0 || comparisonOf(identity) !== 'exact')) {
          this.#drop(person, identity, form, others);
          continue;
        }
        if (!joinsPeople(identity)) {
          this.#apart(person, identity, form, others);
          continue;
        }
        const doubtful = others.filter(({ subject, keys }) => keys.size > 1 || person.keys.has(subject));
        const many = doubtful.filter(({ total }) => total > MOST_OF_ONE);
        if (many.length > 0) {
          this.#drop(person, identity, form, many);
          continue;
        }
        const open = doubtful.filter(({ subject, keys }) => !this.#decide(person, subject, identity, form, keys));
        if (open.length > 0 || !forms.has(form)) continue;
        for (const { subject, keys } of others) {
          if (doubtful.some((it) => it.subject === subject)) continue;
          const proposal = proposed.get(subject) ?? { keys: new Set(), identities: new Set() };
          proposed.set(subject, proposal);
          for (const key of keys) proposal.keys.add(key);
          proposal.identities.add(identity);
        }
      }
    }
    for (const [subject, { keys, identities }] of proposed) {
      const mine = person.keys.get(subject) ?? new Set<string>();
      const all = union(mine, keys);
      if (all.size === 1) for (const key of keys) addTo(person.keys, subject, key);
      // Two addresses of one person lead to two rows: each alone would be sure, both cannot be.
      else for (const identity of identities) note(person.ambiguous, subject, identity, all.size);
    }
  }

  #found(person: Person, identity: string, form: string): Found[] {
    return this.#asked(person, identity, form).flatMap((subject): Found[] => {
      const answer = this.#answers.get(`${subject}.${identity}`)?.get(form);
      return answer === undefined ? [] : [{ ...answer, subject }];
    });
  }

  /** What joins nobody: rows that name it would be of everybody who has it, so that they are nobody's, unless somebody has said whose. */
  #apart(person: Person, identity: string, form: string, others: readonly Found[]): void {
    const values = [...(person.values.get(identity)?.get(form) ?? [])].map(folded);
    const isSame = ({ subject, written, total }: Found): boolean =>
      total > MOST_HOLDERS || values.some((it) => [...(written.get(it) ?? [])].some((key) => isOther(person, subject, key)));
    for (const it of others) {
      const { subject, keys } = it;
      const refers = person.keys.has(subject) && (this.#referenced.has(`${subject}.${identity}`) || asWritten(identity, form) !== null);
      const decided = it.total <= MOST_OF_ONE && person.decided[`${subject}.${identity}`] !== undefined;
      if (refers && decided) this.#decide(person, subject, identity, form, keys);
      else if (refers && isSame(it)) this.#drop(person, identity, form, [it]);
      else note(person.apart, subject, identity, keys.size);
    }
  }

  /** Takes from a person what is nobody's. `holders`: others who have it. */
  #drop(person: Person, identity: string, form: string, holders: readonly Pick<Found, 'subject' | 'total'>[]): void {
    const own = [...person.keys.keys()].filter((subject) => this.#manifest.subjects[subject]!.identities[identity] !== undefined);
    const noted = holders.length > 0 ? holders : own.map((subject) => ({ subject, total: 1 }));
    const placeholder = [...(person.values.get(identity)?.get(form) ?? [])].some((it) => isPlaceholder(identity, it));
    for (const { subject, total } of noted) {
      const before = person.shared.get(`${subject}.${identity}`);
      const rows = Math.max(total, before?.rows ?? 0);
      person.shared.set(`${subject}.${identity}`, { subject, identity, rows, placeholder: placeholder && before?.placeholder !== false });
    }
    person.values.get(identity)?.delete(form);
    person.dropped.add(`${identity}\n${form}`);
  }

  /** Whether somebody has decided about a doubt; noted if nobody has. */
  #decide(person: Person, subject: string, identity: string, form: string, keys: ReadonlySet<string>): boolean {
    const decided = person.decided[`${subject}.${identity}`];
    if (decided === 'accept') for (const key of keys) addTo(person.keys, subject, key);
    else if (decided === 'reject') {
      person.values.get(identity)?.delete(form);
      person.dropped.add(`${identity}\n${form}`);
      person.rejected.add(`${subject}.${identity}`);
    } else note(person.ambiguous, subject, identity, union(person.keys.get(subject) ?? new Set(), keys).size);
    return decided !== undefined;
  }
}

interface Found extends Answer {
  readonly subject: string;
}

function isOther(person: Person, subject: string, key: string): boolean {
  return person.keys.get(subject)?.has(key) !== true;
}

function isNumber(written: string, form: string): boolean {
  const number = phoneForm(written);
  return number !== null && samePhone(form, number);
}

/** Two that differ here are different for every column that a reference may compare. */
function folded(value: string): string {
  return value.trim().toLowerCase();
}

/** The identities of a subject, by name. */
export function identityNames(manifest: Manifest, subject: string): readonly string[] {
  return Object.keys(manifest.subjects[subject]?.identities ?? {}).sort();
}

/** `subject.identity` by which rows of other tables, or parts of their documents, are somebody's. */
export function referencedIdentities({ subjects, references, tables }: Manifest): ReadonlySet<string> {
  const refers = [
    ...references.map(({ to }) => to),
    ...Object.values(tables).flatMap(({ json }) => json.flatMap((it) => (it.refers === null ? [] : [it.refers]))),
  ];
  const columns = Object.entries(subjects).flatMap(([subject, { table, identities }]) =>
    Object.entries(identities).map(([identity, column]) => [`${table}.${column}`, `${subject}.${identity}`] as const),
  );
  const byColumn = new Map<string, string>(columns);
  const names = new Set<string>(columns.map(([, name]) => name));
  return new Set(refers.flatMap((it) => (names.has(it) ? [it] : (byColumn.get(it) ?? []))));
}

function addValue(person: Person, identity: string, value: string): void {
  const form = lookUpForm(identity, value);
  if (form === null || person.dropped.has(`${identity}\n${form}`)) return;
  const forms = person.values.get(identity) ?? new Map<string, Set<string>>();
  person.values.set(identity, forms);
  const values = forms.get(form) ?? new Set<string>();
  forms.set(form, values);
  if (comparisonOf(identity) !== 'address' || values.size === 0) values.add(value);
}

function note(into: Map<string, Ambiguous>, subject: string, identity: string, rows: number): void {
  const place = `${subject}.${identity}`;
  into.set(place, { subject, identity, rows: Math.max(rows, into.get(place)?.rows ?? 0) });
}

function addTo(map: Map<string, Set<string>>, name: string, value: string): void {
  const set = map.get(name) ?? new Set<string>();
  map.set(name, set);
  set.add(value);
}

function union(one: ReadonlySet<string>, other: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...one, ...other]);
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

function inOrder<T>(found: ReadonlyMap<string, T>): T[] {
  return [...found].sort(byName).map(([, it]) => it);
}
