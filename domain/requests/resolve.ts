import type { Manifest } from '../../manifest/model.ts';
import { has } from '../words.ts';
import { EMAIL } from '../serving/replica.ts';
import { phoneForm, phoneTail, samePhone } from './phones.ts';
import { namedLikePhone } from './tokens.ts';

/*
 * Who one person is in all stores: keys by kind of subject, and values by identity. What somebody has in one table leads to their row of
 * another. It only grows, and never by a guess: a value leads to a row when nobody else has it, and nobody gets a second key of one kind
 * by it; everything else is for a person to decide.
 */

/** Addresses are compared without case and outer blanks, numbers as people write them, everything else exactly. */
export type Comparison = 'address' | 'phone' | 'exact';

export function comparisonOf(identity: string): Comparison {
  if (identity === EMAIL) return 'address';
  return namedLikePhone(identity) ? 'phone' : 'exact';
}

/** What values of an identity are looked up by; null for what cannot be. */
export function lookUpForm(identity: string, value: string): string | null {
  const text = value.trim();
  if (text === '') return null;
  const comparison = comparisonOf(identity);
  if (comparison === 'phone') return phoneForm(text);
  return comparison === 'address' ? text.toLowerCase() : value;
}

/** Families share a number and strangers a name: neither makes two rows one person. */
export function joinsPeople(identity: string): boolean {
  return comparisonOf(identity) !== 'phone' && !has(identity, 'name|first_name|last_name|full_name');
}

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

const NO_FORM = '';

interface Person {
  readonly keys: Map<string, Set<string>>;
  /** Identity → form → values as they stand. */
  readonly values: Map<string, Map<string, Set<string>>>;
  readonly dropped: Set<string>;
  readonly rejected: Set<string>;
  readonly decided: Seed['decided'];
  ambiguous: Map<string, Ambiguous>;
  apart: Map<string, Ambiguous>;
}

/** Grows what is known of people, question by question, until nothing new is to be asked. */
export class Resolution {
  readonly #manifest: Manifest;
  readonly #people: readonly Person[];
  /** `subject.identity` → form → keys. */
  readonly #answers = new Map<string, Map<string, Set<string>>>();
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
        for (const subject of this.#asked(person, identity))
          for (const form of forms.keys()) {
            const place = `${subject}.${identity}`;
            if (form === NO_FORM || this.#answers.get(place)?.has(form) === true) continue;
            const question = wanted.get(place) ?? { subject, identity, forms: new Set() };
            wanted.set(place, question);
            question.forms.add(form);
          }
    return [...wanted.values()].map((it) => ({ ...it, forms: [...it.forms] }));
  }

  /** Whoever has a value, as rows of `key` and the value as it stands. */
  answer({ subject, identity, forms }: Question, rows: readonly { readonly key: string; readonly value: string }[]): void {
    const place = `${subject}.${identity}`;
    const known = this.#answers.get(place) ?? new Map<string, Set<string>>();
    this.#answers.set(place, known);
    for (const form of forms) known.set(form, new Set());
    if (comparisonOf(identity) === 'phone') {
      const byTail = Map.groupBy(forms, phoneTail);
      for (const { key, value } of rows) {
        const written = phoneForm(value);
        if (written === null) continue;
        for (const form of byTail.get(phoneTail(written)) ?? []) if (samePhone(form, written)) known.get(form)?.add(key);
      }
      return;
    }
    for (const { key, value } of rows) {
      const form = lookUpForm(identity, value);
      if (form !== null) known.get(form)?.add(key);
    }
  }

  /** Takes in what the answers say beyond doubt, and notes what they leave open. */
  settle(): void {
    for (const person of this.#people) this.#settle(person);
  }

  result(): readonly ResolvedPerson[] {
    return this.#people.map(({ keys, values, ambiguous, apart, rejected }) => ({
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
    }));
  }

  /** Whose rows are asked for a value: what joins nobody only where it leads to rows, and of kinds of which the person has no key. */
  #asked(person: Person, identity: string): string[] {
    return this.#subjects.filter((subject) => {
      if (this.#manifest.subjects[subject]!.identities[identity] === undefined) return false;
      return joinsPeople(identity) || this.#referenced.has(`${subject}.${identity}`) || !person.keys.has(subject);
    });
  }

  #settle(person: Person): void {
    person.ambiguous = new Map();
    person.apart = new Map();
    const proposed = new Map<string, { readonly keys: Set<string>; readonly identities: Set<string> }>();
    for (const [identity, forms] of [...person.values].sort(byName)) {
      for (const form of [...forms.keys()].sort()) {
        const asked = this.#asked(person, identity);
        const found = asked.map((subject) => ({
          subject,
          keys: this.#answers.get(`${subject}.${identity}`)?.get(form) ?? new Set<string>(),
        }));
        const others = found.filter(({ subject, keys }) => [...keys].some((key) => person.keys.get(subject)?.has(key) !== true));
        if (!joinsPeople(identity)) {
          this.#apart(person, identity, form, others);
          continue;
        }
        const doubtful = others.filter(({ subject, keys }) => keys.size > 1 || person.keys.has(subject));
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

  /** What joins nobody: in doubt only where rows are found by it that may be somebody else's. */
  #apart(
    person: Person,
    identity: string,
    form: string,
    others: readonly { readonly subject: string; readonly keys: ReadonlySet<string> }[],
  ) {
    for (const { subject, keys } of others) {
      const shared = person.keys.has(subject) && this.#referenced.has(`${subject}.${identity}`);
      if (shared) this.#decide(person, subject, identity, form, keys);
      else note(person.apart, subject, identity, keys.size);
    }
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
  if (value.trim() === '' || person.dropped.has(`${identity}\n${form}`)) return;
  const forms = person.values.get(identity) ?? new Map<string, Set<string>>();
  person.values.set(identity, forms);
  // What cannot be looked up is theirs all the same: rows refer to it as it stands.
  const values = forms.get(form ?? NO_FORM) ?? new Set<string>();
  forms.set(form ?? NO_FORM, values);
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

function inOrder(found: ReadonlyMap<string, Ambiguous>): Ambiguous[] {
  return [...found].sort(byName).map(([, it]) => it);
}
