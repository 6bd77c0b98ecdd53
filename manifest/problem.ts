/** One thing that is wrong, or worth saying, about a manifest: printed like a compiler's message. */
export interface Problem {
  /** Stable, documented in docs/problems.md: `P` and three digits. */
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly message: string;
  /** What to write instead; null only where nothing sensible can be said. */
  readonly fix: string | null;
  readonly place: Place | null;
}

/** 1-based line and column in a file of the manifest. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The way from the manifest's root to a value, in the user's own spelling: `['tables', 'shop.public.customer', 'retention']`. */
export type Path = readonly (string | number)[];

/** Last element of a path that means the key itself, not its value: `[...path, KEY]`. */
export const KEY = '@key';
