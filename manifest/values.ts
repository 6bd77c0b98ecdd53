import type { Path } from './problem.ts';

export type Values = Record<string, unknown>;

/** The same keys, in the same order, with new values. */
export function mapValues<From, To>(record: Readonly<Record<string, From>>, change: (value: From, key: string) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}

/**
 * The same with maps that know their own keys alone. Plain ones also answer to `constructor` and the like, which may be the name of a subject
 * or of a column.
 */
export function ownKeysOnly<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => ownKeysOnly(item)) as T;
  if (!isValues(value)) return value;
  const own = Object.create(null) as Values;
  for (const [key, held] of Object.entries(value)) own[key] = ownKeysOnly(held);
  return own as T;
}

export function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path; undefined when there is none. */
export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => (typeof value === 'object' && value !== null ? (value as Values)[step] : undefined), root);
}
