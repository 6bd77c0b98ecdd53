/** The name of the foreign workload's sessions. */
export const FOREIGN = 'bench foreign';

export type ToForeign =
  | {
      readonly kind: 'start';
      readonly url: string;
      /** Operations a second. */ readonly rate: number;
      /** Keys go from 1 to this. */ readonly rows: number;
    }
  | { readonly kind: 'stop' };

export interface Operation {
  /** When it was meant to start, by the machine's clock, milliseconds. */
  readonly intended: number;
  /** From then until its answer. */
  readonly ms: number;
}

export type FromForeign =
  { readonly kind: 'started' } | { readonly kind: 'operations'; readonly operations: readonly Operation[]; readonly errors: number };
