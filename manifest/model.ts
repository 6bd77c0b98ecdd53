/**
 * The manifest in its canonical form: what every other room reads. Loading (YAML, JSON or `defineManifest`)
 * fills every default, so nothing here is optional that a reader would have to guess.
 */

import type { Decision } from './decisions.ts';

export type { Decision };

/** `store.schema.table`, each part as the catalog spells it. */
export type TableId = string;
/** `store.schema.table.column`. */
export type ColumnId = string;
/** An ISO 8601 calendar duration, such as `P2Y` or `P90D`. */
export type IsoDuration = string;

export interface Manifest {
  readonly organisation: string;
  readonly controller: Controller | null;
  readonly timezone: string;
  readonly mode: 'observe' | 'enforce';
  readonly regimes: { readonly default: string; readonly from: string | null; readonly map: Readonly<Record<string, string>> };
  readonly stores: Readonly<Record<string, StoreDeclaration>>;
  readonly purposes: Readonly<Record<string, Purpose>>;
  readonly subjects: Readonly<Record<string, Subject>>;
  readonly tables: Readonly<Record<TableId, TableDeclaration>>;
  readonly ignored: Readonly<Record<TableId, string>>;
  readonly references: readonly Reference[];
  readonly shared: readonly SharedTable[];
  readonly recipients: Readonly<Record<string, Recipient>>;
  /** Tables that the company keeps consent in, read into the consent ledger. */
  readonly consents: readonly ConsentSource[];
  readonly own: Readonly<Record<string, IsoDuration>>;
  /** What the organisation does to keep data safe (Art. 32), in its own words. */
  readonly measures: readonly string[];
  readonly sink: Sink | null;
  readonly replicas: Replicas;
  readonly purge: PurgePolicy;
  readonly requests: RequestPolicy;
  readonly schedules: Readonly<Record<string, ScheduleDeclaration>>;
}

export interface StoreDeclaration {
  /** May hold `${NAME}`: resolved from the environment when connecting, never before hashing. */
  readonly url: string;
  /** True for the one store that also holds runs, manifests and certificates. */
  readonly home: boolean;
  /** Schemas of which every table must be declared or ignored; by default those that a declared table names. */
  readonly schemas: readonly string[];
}

export interface Controller {
  readonly name: string;
  readonly country: string | null;
  readonly dpo: string | null;
  readonly address: string | null;
  readonly contact: string | null;
  readonly representative: string | null;
}

export type Basis =
  'consent' | 'soft_opt_in' | 'opt_out' | 'contract' | 'legal_obligation' | 'vital_interests' | 'public_task' | 'legitimate_interests';

export interface Purpose {
  /** One for all, or by `default`, channel and regime: see `basisOf` in manifest/basis.ts. */
  readonly basis: Basis | Readonly<Record<string, Basis>>;
  readonly description: string | null;
  /** The purpose ends for a subject at this time. */
  readonly ends: ColumnId | null;
  /** It ends for a subject when they ask for erasure, whatever else keeps a contract. No column knows that time, so `ends` is null. */
  readonly endsOnRequest: boolean;
  /** The condition under which the basis holds, in words. */
  readonly while: string | null;
  /** Roles of people that it serves, in words. */
  readonly roles: readonly string[];
  /** `absolute`: an objection ends it. `balanced`: an objection stops it until somebody has weighed it. */
  readonly objection: 'absolute' | 'balanced' | null;
  /** Reference of the balancing test or of the impact assessment. */
  readonly assessment: string | null;
  /** Empty: the purpose knows no channels. */
  readonly channels: readonly string[];
  /** How long a grant holds. */
  readonly expires: IsoDuration | null;
  /** The notice that people are shown. */
  readonly notice: string | null;
  /** In years. */
  readonly minimumAge: number | null;
  readonly doubleOptIn: boolean;
  /** Postgres roles that may read the purpose's views. */
  readonly readers: readonly string[];
}

export interface Subject {
  readonly table: TableId;
  readonly key: readonly string[];
  readonly identities: Readonly<Record<string, string>>;
  /** Column of the table: a date, a timestamp, or the year as a whole number. */
  readonly birth: string | null;
}

export interface TableDeclaration {
  /** How it is called to the people whom it is about, such as `your orders`. */
  readonly label: string | null;
  readonly purposes: readonly string[];
  /** When the row was captured; null when nothing says so. */
  readonly capturedAt: string | null;
  /** Classified columns; null means "all columns serve the table's purposes" (a short first manifest). */
  readonly columns: Readonly<Record<string, ColumnDeclaration>> | null;
  readonly json: readonly JsonPath[];
  readonly retention: RetentionRule | null;
  readonly floor: Floor | null;
  /** No request takes its rows, whoever they refer to; null: their references say whose they are. */
  readonly stays: Stays | null;
  readonly because: string | null;
}

export interface ColumnDeclaration {
  readonly category: string | null;
  readonly identifying: boolean;
  readonly origin: 'provided' | 'observed' | 'derived' | null;
  readonly protected: string | null;
  readonly special: string | null;
  readonly purposes: readonly string[] | null;
  /** What it holds in a row that stays although an erasure is about it; null: as its category and type say. */
  readonly onErase: OnErase | null;
  readonly because: string | null;
}

/** `generated`: a value that is made from the row's key. */
export type OnErase =
  | { readonly with: 'null' }
  | { readonly with: 'constant'; readonly value: string | number | boolean }
  | { readonly with: 'generated' }
  | { readonly with: 'keep' };

export interface JsonPath {
  readonly column: string;
  readonly path: string;
  readonly refers: string | null;
  readonly onErase: 'remove' | 'null';
}

/** What a rule does with a time that cannot be compared with a cut-off; `keep` also reports the row. */
export type OddTime = 'keep' | 'expire';

export interface RetentionRule {
  readonly keep: IsoDuration;
  /** A column of the table itself, or the newest value of a column in a table that references this one. */
  readonly after: { readonly column: string } | { readonly lastOf: ColumnId };
  readonly missing: OddTime;
  readonly infinite: OddTime;
  readonly future: OddTime;
  /** How `timestamp` without time zone is read: `keep` touches no row until somebody says. Dates are local days. */
  readonly zoneless: 'keep' | 'local' | 'utc';
  /** What happens to rows that reference an expired row; a table that is not named means `keep`. */
  readonly children: Readonly<Record<TableId, ChildAction>>;
  readonly then: RetentionAction;
  /** Local daily window, such as `01:00-05:00`; null means any time. */
  readonly between: string | null;
  readonly because: string | null;
}

/** `keep`: the parent stays while the child is there. `delete`: child first. `detach`: the reference becomes null. */
export type ChildAction = 'keep' | 'delete' | 'detach';

export type RetentionAction =
  | { readonly kind: 'delete' }
  | { readonly kind: 'mask'; readonly columns: Readonly<Record<string, Mask>> }
  | {
      readonly kind: 'aggregate';
      readonly into: TableId;
      /** Target column ← source column, or ← the local day of a source column. */
      readonly by: Readonly<Record<string, { readonly column: string } | { readonly date: string }>>;
      /** Target column ← measure over the deleted rows. */
      readonly measures: Readonly<
        Record<string, { readonly of: 'count' } | { readonly of: 'sum' | 'min' | 'max'; readonly column: string }>
      >;
    };

export type Mask =
  | { readonly with: 'null' }
  | { readonly with: 'constant'; readonly value: string | number | boolean }
  | { readonly with: 'truncate'; readonly to: 'day' | 'month' | 'year' };

export interface Floor {
  readonly keep: IsoDuration;
  readonly after: string;
  /** `end_of_year`: the period starts when the calendar year of `after` ends. */
  readonly from: 'end_of_year' | null;
  readonly rule: string;
}

export interface Stays {
  readonly basis: Basis;
  readonly because: string;
}

export interface Reference {
  readonly from: ColumnId;
  /** Column values that make the reference hold: a polymorphic `(type, id)` pair. */
  readonly when: Readonly<Record<string, string | number | boolean>>;
  /** A subject (`customer`), one of its identities (`customer.email`), or a column id. */
  readonly to: string;
  /** Null: what the catalog says plainly; see domain/people/roles.ts. */
  readonly as: ReferenceRole | null;
  /** Columns that say who it is, too, and go along with the reference. */
  readonly with: readonly string[];
}

/**
 * What a reference to a person, or to what a person owns, means for the row. `owner`: the row is about them and goes with them. `mention`: it names
 * them only; the reference goes, the row stays. `both`: it has several owners; it stays for the others and goes with the last.
 */
export type ReferenceRole = 'owner' | 'mention' | 'both';

export interface SharedTable {
  readonly table: TableId;
  readonly owners: TableId;
  readonly onErase: 'detach' | 'delete' | 'keep';
  readonly lastOwner: 'delete' | 'keep';
}

export interface Recipient {
  readonly role: 'processor' | 'controller';
  readonly country: string | null;
  readonly receives: readonly string[];
  readonly notify: Readonly<Record<string, string>>;
  /** What makes a transfer out of the region lawful, such as standard contractual clauses. */
  readonly safeguard: string | null;
  /** For which it receives the data. */
  readonly purposes: readonly string[];
  readonly description: string | null;
}

/** A value of each row, or the same for all rows. */
export type ColumnOrConstant = { readonly column: string } | { readonly constant: string };

/** A table of any store of which each row is one decision of one subject. */
export interface ConsentSource {
  readonly table: TableId;
  /** A subject of the manifest, or `device` or `email` (a hashed address) for somebody not known yet. */
  readonly subject: string;
  readonly key: readonly string[];
  readonly purpose: ColumnOrConstant;
  /** Null: the decision is about the purpose as a whole. */
  readonly channel: ColumnOrConstant | null;
  readonly decision: ColumnOrConstant;
  /** The table's word → ours; a word that is not here must be ours already. */
  readonly decisions: Readonly<Record<string, Decision>>;
  /** Column: when it was captured. */
  readonly at: string;
  readonly touchpoint: ColumnOrConstant | null;
  readonly notice: ColumnOrConstant | null;
  readonly language: ColumnOrConstant | null;
  /** `self` or `parent`; null means `self`. */
  readonly givenBy: ColumnOrConstant | null;
  /** Column: when the row changed last, so that only what is new is read; null: the whole table is read. */
  readonly changedAt: string | null;
}

/** A file outside every store that outlives a restore. Both may hold `${NAME}`. */
export interface Sink {
  readonly file: string;
  /** The key that its entries are encrypted with. */
  readonly key: string;
}

export interface Replicas {
  /** A store that has not heard from the home store for this long answers no, in milliseconds. */
  readonly leaseMs: number;
}

export interface PurgePolicy {
  /** Lanes that work on one table at the same time. */
  readonly lanes: number;
  /** Target of one transaction, in milliseconds. */
  readonly batchMs: number;
  /** Share of the time that a lane works; the rest it rests, so that the owner's applications come first. 1 = no pacing. */
  readonly duty: number;
  readonly between: string | null;
  /** `never`, `always`, or only when a plan would change more than `over` rows. */
  readonly approval: 'never' | 'always' | { readonly over: number };
}

export interface RequestPolicy {
  readonly approval: {
    /** An actor with one of these roles may approve a plan, or reject it. */
    readonly roles: readonly string[];
    /** Two actors must approve. */
    readonly fourEyes: boolean;
  };
  /** Who is told when a request comes due or is overdue; may hold `${NAME}`. */
  readonly alerts: { readonly webhook: string } | null;
  /** How long recipients are tried, and when their silence is worth a word. */
  readonly notices: { readonly patienceDays: number; readonly silentAfterDays: number };
  /** Null: every plan is approved by itself. */
  readonly envelope: Envelope | null;
}

/** Within it requests are planned and carried out every night, without an approval of each plan, once it is pre-approved. */
export interface Envelope {
  readonly kinds: readonly ('withdrawal' | 'objection')[];
  /** Of one plan; whoever is too many waits for the next night. */
  readonly mostPeople: number;
  /** That one plan may change. */
  readonly mostRows: number;
  /** Local time, `HH:MM`. */
  readonly at: string;
}

export interface ScheduleDeclaration {
  readonly cron: string;
  readonly jitter: IsoDuration | null;
  readonly overlap: 'skip' | 'buffer_one' | 'allow_all';
  readonly catchUp: IsoDuration;
  readonly run: readonly string[];
}
