import type { Manifest, TableId } from '../manifest/model.ts';
import { nearest } from '../manifest/nearest.ts';
import { Refused } from './refused.ts';

/**
 * The declared table that a person means: `shop.public.customer`, `public.customer` or just `customer`.
 * Throws `Refused` when there is none, or more than one.
 */
export function findTable(manifest: Manifest, text: string): TableId {
  const ids = Object.keys(manifest.tables);
  const found = ids.includes(text) ? [text] : ids.filter((id) => id.endsWith(`.${text}`));
  const [id] = found;
  if (id !== undefined && found.length === 1) return id;
  if (found.length > 1) throw new Refused(`${text} may be ${found.join(' or ')}: write one of them`);
  const near = nearest(text, [...ids, ...ids.map(shortest)]);
  throw new Refused(`The manifest declares no table ${text}${near === null ? '' : `; did you mean ${near}?`}`);
}

/** As a plan's rows are titled: the last part of each id where that is unique, otherwise the id. */
export function titles(ids: readonly TableId[]): ReadonlyMap<TableId, string> {
  const unique = (id: TableId): boolean => ids.filter((other) => shortest(other) === shortest(id)).length === 1;
  return new Map(ids.map((id) => [id, unique(id) ? shortest(id) : id]));
}

function shortest(id: TableId): string {
  return id.split('.').at(-1) ?? id;
}
