import type { Basis, Floor, OnErase, Stays } from '../../manifest/model.ts';
import type { Edge } from '../retention/graph.ts';

/** What a subject asks for. */
export type RequestKind = 'withdrawal' | 'objection' | 'restriction' | 'erasure' | 'access' | 'portability' | 'rectification';

/** Why data is to be erased: Art. 17(1) (a) to (f) GDPR, in that order. */
export type ErasureGround = 'no_longer_necessary' | 'consent_withdrawn' | 'objected' | 'unlawful' | 'legal_duty' | 'child';

/** A purpose that goes on after the request, and so keeps what it covers. */
export interface RemainingPurpose {
  readonly purpose: string;
  readonly basis: Basis;
  /** The provision that lets it, such as `Art. 17(3)(b)`. */
  readonly article: string;
}

/** What a request ends for a person, and what goes on. */
export interface ErasureScope {
  /** The purposes that the request ends; null: all that do not go on, and data that serves no purpose at all. */
  readonly ended: readonly string[] | null;
  /** By name. */
  readonly remaining: readonly RemainingPurpose[];
}

/** How a store carries out an erasure for subjects of one kind for whom the same purposes go on. Says nothing of who they are. */
export interface StoreErasure {
  readonly store: string;
  readonly subject: string;
  readonly remaining: readonly RemainingPurpose[];
  /** In the order of execution: rows that reference go before rows that are referenced. */
  readonly tables: readonly TableErasure[];
  /** What makes it impossible, or would leave something unsaid; empty for a plan that can be carried out. */
  readonly problems: readonly ErasureProblem[];
  /** Whose rows name the person and stay whoever goes; none: left out. */
  readonly staying?: readonly StayingTable[];
}

export interface StayingTable extends Stays {
  /** `schema.table` */
  readonly table: string;
}

export interface ErasureProblem {
  readonly code: 'cycle' | 'not_reached' | 'cannot_write' | 'unclassified' | 'unclear' | 'not_unique';
  /** `store.schema.table` */
  readonly table: string;
  /** A sentence that says what to do. */
  readonly message: string;
}

export interface TableErasure {
  /** `schema.table` */
  readonly table: string;
  /** A row belongs to a person when one of them leads there; shortest first. Empty only for a table that names people nowhere but inside JSON. */
  readonly ways: readonly ErasureWay[];
  /** What happens to a row of the person that no hold, floor or other person's share protects. */
  readonly rows: 'delete' | 'mask' | 'keep';
  /** Personal columns that no remaining purpose covers: masked in rows that stay. No keys of any kind. */
  readonly masks: readonly string[];
  /** What says who it was: masked in a row that would be deleted but stays since other rows reference it. */
  readonly masksWhenPinned: readonly string[];
  /** What the manifest wants masked columns to hold, where it says so. */
  readonly wanted: Readonly<Record<string, Exclude<OnErase, { readonly with: 'keep' }>>>;
  /** Columns that would be masked, and stay since the manifest says so. */
  readonly spared: readonly SparedColumn[];
  /** Parts of JSON columns that are the person's, in rows that stay, whoever's rows they are. */
  readonly json: readonly PersonalPart[];
  /** Who keeps what stays, for the plan and the certificate; empty when `rows` is `delete`, or when the request is not about the table. */
  readonly keptBy: readonly RemainingPurpose[];
  /** Rows younger than it stay, restricted, until their day. */
  readonly floor: Floor | null;
  /** References from other tables, and from this one, to rows that are deleted here. */
  readonly incoming: readonly IncomingEdge[];
  /** What people share, such as a household: judged by who else owns it. */
  readonly shared: SharedRows | null;
  /** Where several people own one row: all references that say so; the row stays while another of them is there. Otherwise empty. */
  readonly owners: readonly Owner[];
  /** Whoever's the row is, it loses what says that it was this person. */
  readonly mentions: readonly Mention[];
}

export interface SparedColumn {
  readonly column: string;
  /** In the company's words. */
  readonly because: string | null;
}

/** From a table's rows to a person: hops to follow, each to the next table, then columns that name the person. */
export interface ErasureWay {
  readonly steps: readonly Edge[];
  /** In the last table. */
  readonly columns: readonly string[];
  /** What they hold: the subject's key, or one of its identities such as `email`. */
  readonly identity: string;
  /** The columns and the identity have types that only their text compares. */
  readonly asText: boolean;
  /** The way goes through what people share: it counts only where nobody else owns that row. Null for the shared table itself, see `TableErasure.shared`. */
  readonly shared: { readonly hop: number; readonly owners: Edge } | null;
  /** The way goes through rows that several people own: it counts only where none of the others is there any more. At hop 0 see `TableErasure.owners`. */
  readonly together: readonly { readonly hop: number; readonly owners: readonly Owner[] }[];
}

/** One of several references of a row that say who owns it. */
export interface Owner {
  readonly subject: string;
  readonly columns: readonly string[];
  /** `key`, or an identity such as `email`. */
  readonly identity: string;
  readonly asText: boolean;
  /** Column values under which it counts. */
  readonly when: Readonly<Record<string, string | number | boolean>>;
  /** What the rows serve: an owner who was erased and for whom one of them went on is there as before. */
  readonly purposes: readonly string[];
}

/** A reference by which a row names a person without being theirs alone. */
export interface Mention {
  /** From the row to the person. */
  readonly way: ErasureWay;
  /** What says who it is, and goes: columns of the reference that no foreign key cuts, and those that the manifest names with it. */
  readonly columns: readonly string[];
}

/** A path in a JSON column at which a person's identity may stand. */
export interface PersonalPart {
  readonly column: string;
  readonly path: string;
  /** What stands there: `key`, or one of the subject's identities. Only where it equals the person's is anything removed. */
  readonly identity: string;
  readonly onErase: 'remove' | 'null';
}

/**
 * Where the referencing table comes later in the order than the referenced one, a cycle is opened here: the edge is always nullable, deferrable or
 * without a constraint.
 */
export interface IncomingEdge {
  readonly edge: Edge;
  /**
   * What happens to a referencing row that stays (somebody else's, kept, held): `detach` sets its reference null, `pin` keeps the referenced
   * row, masked.
   */
  readonly otherwise: 'detach' | 'pin';
}

export interface SharedRows {
  /** `schema.table` of the table that says who owns what, and its edge to the shared table. */
  readonly owners: Edge;
  readonly onErase: 'detach' | 'delete' | 'keep';
  readonly lastOwner: 'delete' | 'keep';
}
