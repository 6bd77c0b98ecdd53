/**
 * What `database/samples` found out about values without taking one of them along, but for words of `*_type` columns: shares between 0 and 1
 * of sampled, non-null values.
 */

export interface ColumnShape {
  /** Sampled values that are not null. */
  readonly values: number;
  /** Share of sampled rows in which the column is null. */
  readonly nulls: number;
  /** Distinct values per value: 1 means that no two were alike. */
  readonly distinct: number;
  readonly email: number;
  /** International spelling only: without a `+` or `00` most numbers look like some country's phones. */
  readonly phone: number;
  readonly ip: number;
  readonly uuid: number;
  /** Sentences: five words or more. */
  readonly prose: number;
  /** Only for time columns: shares of values older than one, two and three years. */
  readonly olderThanYears: readonly [number, number, number] | null;
  /** Only for jsonb: paths at which many rows hold something like an e-mail address or a phone number. */
  readonly contactPaths: readonly { readonly path: string; readonly kind: 'email' | 'phone' }[];
  /** Only for the first of a `(*_type, *_id)` pair: values that are spelt like names of classes or tables, the most frequent first. */
  readonly typeNames: readonly string[];
}

export interface StoreSamples {
  /** By `schema.table`, then by column; only text-like, JSON and time columns. */
  readonly tables: Readonly<Record<string, Readonly<Record<string, ColumnShape>>>>;
  /** `schema.table` → why it was not sampled. */
  readonly skipped: Readonly<Record<string, string>>;
}

export const NO_SAMPLES: StoreSamples = { tables: {}, skipped: {} };
