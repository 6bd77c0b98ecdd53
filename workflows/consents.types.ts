import type { Analysed } from '../activities/consents.ts';

export interface ConsentsInput {
  /** One table of consent by name; null: all. */
  readonly only: string | null;
  /** Reads tables from the beginning. */
  readonly full: boolean;
}

export interface ConsentsResult {
  readonly outcome: 'complete' | 'incomplete';
  readonly sources: readonly SyncedSource[];
}

export interface SyncedSource {
  readonly source: string;
  readonly read: number;
  readonly recorded: number;
  readonly known: number;
  readonly rejected: number;
  /** Whether the database's planner has been told of what is new. */
  readonly analysed: Analysed;
  /** Why it could not be read to its end; null: it was. */
  readonly failure: string | null;
}
