/** What the workflow needs to know of a stored plan: counts and flags, no name. */
export interface OpenedPlan {
  readonly planHash: string;
  readonly manifestHash: string;
  readonly mode: 'observe' | 'enforce';
  readonly needsApproval: boolean;
  readonly lanes: number;
  readonly tables: readonly OpenedTable[];
}

export interface OpenedTable {
  /** Index of its store among the plan's stores: chains are per store. */
  readonly store: number;
  readonly rows: number;
  /** Rows of other tables that change with them; a run that an older version opened does not know. */
  readonly along?: number;
  readonly drops: boolean;
  readonly walks: boolean;
}
