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
  readonly drops: boolean;
  readonly walks: boolean;
}
