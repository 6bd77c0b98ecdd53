import { columnParts } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import type { Capture, SubjectFactColumns } from './model.ts';
import type { RawWay } from './ways.ts';

/**
 * What says when a row was captured: a column of its table, else of the nearest table on the way. The subject's own table does not count:
 * its time says when the person came, not when the row did.
 */
export function captureOn(way: RawWay, table: string, catalog: Catalog, manifest: Manifest): Capture | 'unknown' {
  const tables = [table, ...way.steps.map((step) => step.to)];
  const own = manifest.subjects[way.end.subject]?.table;
  for (const [hop, at] of tables.entries()) {
    const id = `${catalog.store}.${at}`;
    if (hop > 0 && (id === own || way.steps[hop - 1]?.many === true)) break;
    const column = manifest.tables[id]?.capturedAt ?? null;
    if (column === null) continue;
    const reading = readingOf(
      catalog.tables[at]?.columns.find((it) => it.name === column)?.baseType,
      manifest.tables[id]?.retention?.zoneless,
    );
    return reading === null ? 'unknown' : { hop, column, reading, zone: manifest.timezone };
  }
  return 'unknown';
}

function readingOf(type: string | undefined, zoneless: 'keep' | 'local' | 'utc' | undefined): Capture['reading'] | null {
  if (type === 'timestamptz') return 'instant';
  if (type === 'date') return 'day';
  if (type === 'timestamp' && (zoneless === 'local' || zoneless === 'utc')) return zoneless;
  return null;
}

export interface Facts {
  readonly facts: SubjectFactColumns;
  /** A declared fact that the subject's table does not hold, so that nobody can be judged by it. */
  readonly missing: 'ends' | null;
}

/** What the subject's table in the home store says of a subject, for a purpose. */
export function factsOf(subject: string, purpose: string, itself: boolean, catalog: Catalog, manifest: Manifest): Facts | null {
  const declared = manifest.subjects[subject];
  if (declared === undefined) return null;
  const table = declared.table.slice(declared.table.indexOf('.') + 1);
  const live = catalog.tables[table];
  if (live === undefined || !declared.table.startsWith(`${catalog.store}.`)) return null;
  const typeOf = (column: string): string | undefined => live.columns.find((it) => it.name === column)?.baseType;
  const { from, map, default: standard } = manifest.regimes;
  const column = from === null ? null : columnOf(from, subject, manifest);
  const regime = column !== null && typeOf(column) !== undefined ? { column, default: standard, map } : null;
  const ends = manifest.purposes[purpose]?.ends ?? null;
  const end = ends === null ? null : columnParts(ends);
  const endType = end !== null && end.table === declared.table ? timeType(typeOf(end.column)) : null;
  return {
    facts: {
      table,
      key: declared.key,
      itself,
      regime,
      birth: birthOf(declared.birth, typeOf),
      ends: end === null || endType === null ? null : { column: end.column, type: endType },
      zone: manifest.timezone,
    },
    // What another subject's table says ends it for that subject alone.
    missing:
      end !== null && endType === null && !Object.values(manifest.subjects).some((it) => it !== declared && it.table === end.table)
        ? 'ends'
        : null,
  };
}

/** The column that `customer.country` or `shop.public.customer.country` means, if it is one of this subject's table. */
function columnOf(text: string, subject: string, manifest: Manifest): string | null {
  const { table: owner, column } = columnParts(text);
  const declared = manifest.subjects[subject];
  if (owner === declared?.table) return column;
  return owner === subject ? (declared?.identities[column] ?? column) : null;
}

function birthOf(column: string | null, typeOf: (column: string) => string | undefined): SubjectFactColumns['birth'] {
  const type = column === null ? undefined : typeOf(column);
  if (column === null || type === undefined) return null;
  const time = timeType(type);
  if (time !== null) return { column, type: time };
  return /^int[248]$|^numeric$/.test(type) ? { column, type: 'year' } : null;
}

function timeType(type: string | undefined): 'date' | 'timestamp' | 'timestamptz' | null {
  return type === 'date' || type === 'timestamp' || type === 'timestamptz' ? type : null;
}
