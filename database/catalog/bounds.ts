/** Bounds of a partition, as text of the key's type; null means MINVALUE or MAXVALUE, or not a range over one column. */
export interface Bounds {
  readonly from: string | null;
  readonly to: string | null;
}

const NONE: Bounds = { from: null, to: null };

/**
 * Reads what `pg_get_expr(relpartbound)` prints for a range over one column, such as `FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)`.
 * Expects `standard_conforming_strings`. List, hash, default and several columns give nulls, and so does anything unexpected: an
 * unknown bound only means that the partition is not dropped whole.
 */
export function parseBounds(expression: string): Bounds {
  const value = String.raw`(?:'((?:[^']|'')*)'|(-?[0-9][0-9.eE+-]*)|(MINVALUE|MAXVALUE))`;
  const range = new RegExp(String.raw`^FOR VALUES FROM \(${value}\) TO \(${value}\)$`, 's').exec(expression);
  if (range === null) return NONE;
  return { from: literal(range[1], range[2]), to: literal(range[4], range[5]) };
}

function literal(quoted: string | undefined, bare: string | undefined): string | null {
  return quoted !== undefined ? quoted.replaceAll("''", "'") : (bare ?? null);
}
