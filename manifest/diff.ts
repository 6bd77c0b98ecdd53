import canonicalize from 'canonicalize';
import type { Manifest } from './model.ts';

/** One value that differs between two manifests; `null` for a side that has none. */
export interface Difference {
  /** Such as `tables.shop.public.customer.retention.keep`. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** What changed between two canonical manifests, in the order of their keys: whole entries where one side lacks them. */
export function diffManifests(before: Manifest | null, after: Manifest): Difference[] {
  return differences([], before ?? {}, after);
}

function differences(path: readonly string[], before: unknown, after: unknown): Difference[] {
  // Stored manifests come back with their keys in another order.
  if (canonicalize(before) === canonicalize(after)) return [];
  if (!isRecord(before) || !isRecord(after)) return [{ path: path.join('.'), before: text(before), after: text(after) }];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differences([...path, key], before[key], after[key]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : (canonicalize(value) ?? null);
}
