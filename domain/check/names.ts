import { columnParts, inStore, storeOf } from '../../manifest/ids.ts';
import { KEY, type Path } from '../../manifest/problem.ts';
import type { CatalogTable } from '../catalog.ts';
import { liveColumn, liveTable, rootOf, tableName, writable, type KnownTable, type StoreCheck } from './context.ts';

/** Whatever the manifest names is there, and whatever is there is named. */
export function checkNames(check: StoreCheck): void {
  const { manifest, catalog, add } = check;
  for (const id of Object.keys(manifest.tables)) liveTable(check, id, ['tables', id, KEY]);
  // An ignored table that is gone promises nothing that could be broken.
  for (const id of Object.keys(manifest.ignored)) liveTable(check, id, ['ignore', id, KEY], 'warning');
  for (const table of check.tables) {
    if (table.live.partitionOf !== null && (table.declared.retention || table.declared.floor)) {
      add(
        'P112',
        [...table.at, KEY],
        `\`${tableName(table.live)}\` is a partition of \`${table.live.partitionOf}\``,
        'declare that table instead',
      );
    }
    columns(check, table);
  }
  for (const live of Object.values(catalog.tables)) unclassified(check, live);
  shared(check);
  purposes(check);
}

function columns(check: StoreCheck, { declared, live, at }: KnownTable): void {
  for (const column of Object.keys(declared.columns ?? {})) liveColumn(check, live, column, [...at, 'columns', column, KEY]);
  for (const { name } of declared.columns ? live.columns : []) {
    if (declared.columns && !(name in declared.columns)) {
      check.add(
        'P105',
        [...at, 'columns', KEY],
        `the column \`${tableName(live)}.${name}\` is not classified`,
        `add \`${name}: category\``,
      );
    }
  }
  declared.json.forEach((json, index) => {
    const column = liveColumn(check, live, json.column, [...at, 'json', index, 'column']);
    if (column && column.typeCategory !== 'json') {
      check.add('P133', [...at, 'json', index, 'column'], `\`${json.column}\` is of type ${column.type}`, 'name a json or jsonb column');
    }
  });
}

function unclassified(check: StoreCheck, live: CatalogTable): void {
  const { manifest, store, catalog, add } = check;
  // A view holds no rows of its own.
  if (!manifest.stores[store]?.schemas.includes(live.schema) || live.kind === 'view') return;
  const root = rootOf(catalog, live);
  const known = [live, root].some(
    (it) => `${store}.${tableName(it)}` in manifest.tables || `${store}.${tableName(it)}` in manifest.ignored,
  );
  if (known || root !== live) return;
  const id = `${store}.${tableName(live)}`;
  const fix =
    writable(tableName(live)) && live.columns.length > 0
      ? `declare it under \`tables\`, or \`ignore: { ${id}: reason }\``
      : 'a name with a dot cannot be declared: rename it, or limit `schemas` of the store';
  add('P104', ['stores', store, KEY], `the table \`${id}\` is neither declared nor ignored`, fix);
}

function shared(check: StoreCheck): void {
  check.manifest.shared.forEach((it, index) => {
    const table = liveTable(check, it.table, ['shared', index, 'table']);
    const owners = liveTable(check, it.owners, ['shared', index, 'owners']);
    if (!table || !owners) return;
    if (!check.edges.some((edge) => edge.from === tableName(owners) && edge.to === tableName(table))) {
      check.add(
        'P120',
        ['shared', index, 'owners'],
        `\`${it.owners}\` does not reference \`${it.table}\``,
        'name the table that joins it with its owners',
      );
    }
  });
}

function purposes(check: StoreCheck): void {
  for (const [name, purpose] of Object.entries(check.manifest.purposes)) {
    const { ends } = purpose;
    if (ends === null || storeOf(ends) !== check.store) continue;
    const path: Path = ['purposes', name, 'ends'];
    const { table, column } = columnParts(ends);
    const live = liveTable(check, table, path);
    const found = live && liveColumn(check, live, column, path);
    if (found && found.typeCategory !== 'time') {
      check.add('P106', path, `\`${inStore(table)}.${column}\` is of type ${found.type}, which is no time`, 'name a time column');
    }
  }
}
