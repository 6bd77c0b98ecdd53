export interface Guess {
  /** Where in the manifest, such as `['tables', 'shop.public.customer', 'columns', 'email']`. */
  readonly path: readonly (string | number)[];
  readonly value: string;
  readonly reason: string;
}

/** Notes a guess and gives back the comment that marks it. */
export type AddGuess = (path: Guess['path'], value: string, reason: string) => string;
