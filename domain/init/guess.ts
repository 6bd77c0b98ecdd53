export interface Guess {
  /** Where in the manifest, such as `['tables', 'shop.public.customer', 'columns', 'email']`. */
  readonly path: readonly (string | number)[];
  readonly value: string;
  readonly reason: string;
}

/** Notes a guess and gives back the comment that marks it. */
export type AddGuess = (path: Guess['path'], value: string, reason: string) => string;

/** What a column seems to be for. Categories are the words of the manifest. */
export interface ColumnGuess {
  readonly category: string;
  readonly identifying: boolean;
  readonly protected: string | null;
  readonly special: string | null;
  /** Whole objects written as one value: personal whatever the table is about. */
  readonly anything: boolean;
  /** Null when the catalog says so and nothing was guessed. */
  readonly reason: string | null;
  /** Which identity it could be. */
  readonly identity: 'email' | 'phone' | null;
}
