import type { Catalog, CatalogColumn, CatalogTable } from '../catalog.ts';
import { incomingKeys, type IncomingKey } from '../fingerprint.ts';
import { guessColumn, isPersonal } from './categories.ts';
import type { ColumnGuess } from './guess.ts';
import { NO_SAMPLES, type ColumnShape, type StoreSamples } from './samples.ts';

/** A table with everything that guesses about it start from. */
export interface SurveyedTable {
  /** `store.schema.table` */
  readonly id: string;
  readonly store: string;
  /** `schema.table` */
  readonly local: string;
  readonly table: CatalogTable;
  readonly columns: readonly { readonly column: CatalogColumn; readonly guess: ColumnGuess; readonly shape: ColumnShape | undefined }[];
  readonly incoming: readonly IncomingKey[];
  readonly personal: boolean;
}

export interface Survey {
  /** In the order of their ids; only tables that a manifest may govern. */
  readonly tables: readonly SurveyedTable[];
  /** `store.schema.table` → why it cannot be governed now. */
  readonly left: Readonly<Record<string, string>>;
  /** Tables whose names a manifest cannot spell, so that they cannot even be ignored. */
  readonly unspeakable: readonly { readonly store: string; readonly schema: string; readonly local: string }[];
}

/** Partitions follow their parents, and views their tables: neither appears. */
export function survey(catalogs: Readonly<Record<string, Catalog>>, samples: Readonly<Record<string, StoreSamples>>): Survey {
  const tables: SurveyedTable[] = [];
  const left: Record<string, string> = {};
  const unspeakable: { store: string; schema: string; local: string }[] = [];
  for (const store of Object.keys(catalogs).sort()) {
    const catalog = catalogs[store]!;
    const sampled = (samples[store] ?? NO_SAMPLES).tables;
    for (const local of Object.keys(catalog.tables).sort()) {
      const table = catalog.tables[local]!;
      const id = `${store}.${local}`;
      if (table.partitionOf !== null || table.kind === 'view') continue;
      const why = reasonToLeave(table);
      if (table.schema.includes('.') || table.name.includes('.')) unspeakable.push({ store, schema: table.schema, local });
      else if (why !== null) left[id] = why;
      else tables.push(surveyTable(id, store, local, table, sampled[local] ?? {}, incomingKeys(catalog, local)));
    }
  }
  return { tables, left, unspeakable };
}

function reasonToLeave(table: CatalogTable): string | null {
  if (table.refused !== null) return table.refused;
  if (!table.privileges.select) return 'our role may not read it';
  if (table.rowSecurity.filtersUs) return 'row-level security hides rows from our role';
  return table.rules.length > 0 ? 'a rewrite rule changes what statements on it do' : null;
}

function surveyTable(
  id: string,
  store: string,
  local: string,
  table: CatalogTable,
  shapes: Readonly<Record<string, ColumnShape>>,
  incoming: readonly IncomingKey[],
): SurveyedTable {
  const keys = new Set([...(table.primaryKey ?? []), ...table.foreignKeys.flatMap((key) => key.columns)]);
  const columns = table.columns.map((column) => {
    // A column may be called `constructor`.
    const shape = Object.hasOwn(shapes, column.name) ? shapes[column.name] : undefined;
    return { column, shape, guess: guessColumn(column, shape, table, keys.has(column.name)) };
  });
  return { id, store, local, table, columns, incoming, personal: columns.some(({ guess }) => isPersonal(guess)) };
}
