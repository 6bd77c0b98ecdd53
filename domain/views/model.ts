import type { PermissionRule } from '../permission/types.ts';
import type { Edge } from '../retention/graph.ts';

/** What a view is made of, as data; `database/views` turns it into SQL. Tables are `schema.table`. */
export interface StoreViews {
  readonly store: string;
  readonly purposes: readonly PurposeViews[];
  readonly findings: readonly ViewFinding[];
}

/** What a person should know or mend; the views are made nevertheless, and show too little rather than too much. */
export interface ViewFinding {
  readonly code: 'no_capture' | 'no_subject' | 'no_facts' | 'no_identity' | 'json' | 'ends' | 'row_security' | 'reader' | 'read_directly';
  readonly purpose: string | null;
  /** `store.schema.table`, or a role. */
  readonly about: string;
  readonly message: string;
  /** What to run or to write instead. */
  readonly fix: string | null;
}

export interface PurposeViews {
  readonly purpose: string;
  readonly schema: string;
  /** Roles that may read the views. */
  readonly readers: readonly string[];
  readonly rules: readonly PermissionRule[];
  readonly views: readonly TableView[];
  /** Who may be addressed where: one a subject whose table the store holds. Only for a purpose with channels. */
  readonly channels: readonly ChannelEnd[];
  /** Whose pseudonyms the store keeps for this purpose. */
  readonly kept: readonly KeptKind[];
}

export interface ChannelEnd extends SubjectEnd {
  readonly kept: KeptKey | null;
}

/** Pseudonyms of a subject's keys, all of one domain. */
export interface KeptKind {
  readonly subject: string;
  readonly domain: string;
}

/** A column that finds its pseudonym among the kept ones of a subject. */
export interface KeptKey {
  readonly subject: string;
  readonly type: 'integer' | 'uuid' | 'text';
}

export interface TableView {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly ViewColumn[];
  /** All of them must hold. */
  readonly ways: readonly Way[];
  /** Where no way leads to a subject: whether rows are shown. */
  readonly withoutSubject: boolean;
}

export type ViewColumn =
  | { readonly kind: 'plain'; readonly name: string }
  | PseudonymColumn
  | { readonly kind: 'json'; readonly name: string; readonly type: 'json' | 'jsonb'; readonly without: readonly (readonly string[])[] };

/** A key as a keyed hash that no other purpose shares. */
export interface PseudonymColumn {
  readonly kind: 'pseudonym';
  readonly name: string;
  readonly domains: readonly KeyDomain[];
  /** Null is shown instead where that person's permission is missing. */
  readonly shownIf: Way | null;
  /** Null: computed. */
  readonly kept: KeptKey | null;
}

/** Keys of one domain name the same things, so they get the same pseudonym: the id of the column that all of them reference. */
export interface KeyDomain {
  readonly when: Readonly<Record<string, string | number | boolean>>;
  readonly domain: string;
}

/** A hop to another table. `many`: to several rows, all of whose subjects count (the members of a household). */
export interface Step extends Edge {
  readonly many: boolean;
}

/** How the rows of a table lead to a subject whose permission decides. */
export interface Way {
  readonly steps: readonly Step[];
  readonly end: SubjectEnd;
  /** False: every row leads to somebody. */
  readonly mayLeadNowhere: boolean;
  /** Null: not asked for. */
  readonly capture: Capture | 'unknown' | null;
}

/** Where a way ends: columns, in the last table, that say who it is. */
export interface SubjectEnd {
  readonly subject: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** Pseudonym domains of the key. */
  readonly domains: readonly string[];
  /** The columns and the subject's key have types that only their text compares. */
  readonly asText: boolean;
  /** `facts`: judged by the ledger and the subject's table, both in this store. `replica`: by the home store's answer, under the key or the address. */
  readonly judged:
    | { readonly by: 'facts'; readonly facts: SubjectFactColumns }
    | { readonly by: 'replica'; readonly identity: 'key' | 'email' }
    | { readonly by: 'nobody' };
}

/** The subject's table in the home store, and what it says. */
export interface SubjectFactColumns {
  readonly table: string;
  readonly key: readonly string[];
  /** Whether the last table of the way is this table. */
  readonly itself: boolean;
  readonly regime: { readonly column: string; readonly default: string; readonly map: Readonly<Record<string, string>> } | null;
  readonly birth: { readonly column: string; readonly type: 'date' | 'timestamp' | 'timestamptz' | 'year' } | null;
  readonly ends: { readonly column: string; readonly type: 'date' | 'timestamp' | 'timestamptz' } | null;
  readonly zone: string;
}

/** When a row was captured: a column of the table itself (hop 0) or of a table on the way. */
export interface Capture {
  readonly hop: number;
  readonly column: string;
  /** A day stands for all of its instants. */
  readonly reading: 'instant' | 'utc' | 'local' | 'day';
  readonly zone: string;
}
