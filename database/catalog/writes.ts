import type { TriggerWrites } from '../../domain/catalog.ts';
import type { TriggerRow } from './queries.ts';

const PART = String.raw`(?:"(?:[^"]|"")+"|[a-z_][\w$]*)`;
const NAME = String.raw`(${PART}(?:\s*\.\s*${PART})?)`;
const WRITES = [
  new RegExp(String.raw`\b(?:insert|merge)\s+into\s+(?:only\s+)?${NAME}`, 'gi'),
  new RegExp(String.raw`\bupdate\s+(?:only\s+)?${NAME}(?:\s*\*)?(?:\s+(?:as\s+)?${PART})?\s+set\b`, 'gi'),
];
/** Statements made up from text, and functions that do who knows what; a notification is heard by nobody but who listens. */
const BEYOND = /\bexecute\b|\b(?:perform|call)\b(?!\s+(?:pg_catalog\s*\.\s*)?pg_notify\b)/i;
const READ: ReadonlySet<string> = new Set(['plpgsql', 'sql']);

/** The tables that the text of a trigger's function says it writes. Postgres itself keeps no record of that. */
export function writesOf(
  { language, source, path }: Pick<TriggerRow, 'language' | 'source' | 'path'>,
  role: string,
  known: ReadonlySet<string>,
): TriggerWrites {
  if (!READ.has(language)) return { tables: [], more: true };
  const text = source.replaceAll(/--[^\n]*/g, ' ').replaceAll(/\/\*.*?\*\//gs, ' ');
  const names = WRITES.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''));
  const found = names.map((name) => resolve(partsOf(name), path, role, known));
  const tables = [...new Set(found.filter((table) => table !== null))].sort();
  return { tables, more: found.includes(null) || BEYOND.test(text) };
}

function partsOf(name: string): string[] {
  return [...name.matchAll(new RegExp(PART, 'gi'))].map(([part]) =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase(),
  );
}

/** As the function would find it; without a path of its own as most sessions would. A name that only one table has can be no other. */
function resolve(parts: readonly string[], path: string | null, role: string, known: ReadonlySet<string>): string | null {
  if (parts.length > 1) return known.has(parts.join('.')) ? parts.join('.') : null;
  const schemas = (path ?? '"$user", public').split(',').flatMap((part) => partsOrUser(part.trim(), role));
  const there = schemas.map((schema) => `${schema}.${parts[0]}`).find((table) => known.has(table));
  if (there !== undefined) return there;
  const named = [...known].filter((table) => table.endsWith(`.${parts[0]}`));
  return named.length === 1 ? named[0]! : null;
}

function partsOrUser(schema: string, role: string): string[] {
  return schema.replaceAll('"', '') === '$user' ? [role] : partsOf(schema);
}
