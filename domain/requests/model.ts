import type { Basis, Floor } from '../../manifest/model.ts';
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

/** How a store carries out an erasure for subjects of one kind for whom the same purposes go on. Says nothing of who they are. */
export interface StoreErasure {
  readonly store: string;
  readonly subject: string;
  readonly remaining: readonly RemainingPurpose[];
  /** In the order of execution: rows that reference go before rows that are referenced. */
  readonly tables: readonly TableErasure[];
  /** What makes it impossible, or would leave something unsaid; empty for a plan that can be carried out. */
  readonly problems: readonly ErasureProblem[];
}

export interface ErasureProblem {
  readonly code: 'cycle' | 'not_reached' | 'cannot_write' | 'unclassified';
  /** `store.schema.table` */
  readonly table: string;
  /** A sentence that says what to do. */
  readonly message: string;
}

export interface TableErasure {
  /** `schema.table` */
  readonly table: string;
  /** A row belongs to a person when one of them leads there; shortest first, never empty. */
  readonly ways: readonly ErasureWay[];
  /** What happens to a row of the person that no hold, floor or other person's share protects. */
  readonly rows: 'delete' | 'mask' | 'keep';
  /** Columns that no remaining purpose covers: masked in rows that stay. No keys of any kind. In rows that would go but cannot (another row needs them), too. */
  readonly masks: readonly string[];
  /** Also masked in a row that would be deleted but stays since other rows reference it. */
  readonly masksWhenPinned: readonly string[];
  /** Parts of JSON columns that are the person's, in rows that stay. */
  readonly json: readonly { readonly column: string; readonly path: string; readonly onErase: 'remove' | 'null' }[];
  /** Who keeps what stays, for the plan and the certificate; empty when `rows` is `delete`. */
  readonly keptBy: readonly RemainingPurpose[];
  /** Rows younger than it stay, restricted, until their day. */
  readonly floor: Floor | null;
  /** References from other tables, and from this one, to rows that are deleted here. */
  readonly incoming: readonly IncomingEdge[];
  /** What people share, such as a household: judged by who else owns it. */
  readonly shared: SharedRows | null;
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
}

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
