import { columnParts, inStore } from '../../manifest/ids.ts';
import type { RetentionRule } from '../../manifest/model.ts';
import type { Path } from '../../manifest/problem.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { liveColumn, liveTable, ruled, tableName, type StoreCheck } from './context.ts';

/** `pg_type.typname` of the types that a cut-off can be compared with. */
const TIMES: readonly string[] = ['timestamptz', 'timestamp', 'date'];

/** Times that rules count from: of a right type, with a zone or a word about it, and an index to find them by. */
export function checkTimes(check: StoreCheck): void {
  for (const { declared, live, at } of check.tables) {
    if (declared.capturedAt !== null) time(check, live, declared.capturedAt, [...at, 'captured_at']);
    if (declared.floor) time(check, live, declared.floor.after, [...at, 'floor', 'after']);
  }
  for (const { live, at, rule } of ruled(check)) {
    const path: Path = [...at, 'retention', 'after'];
    if ('column' in rule.after) {
      const column = time(check, live, rule.after.column, path);
      if (!column) continue;
      zoneless(check, column, rule, [...at, 'retention']);
      indexed(check, live, column, path);
    } else {
      const { table, column: name } = columnParts(rule.after.lastOf);
      const last = liveTable(check, table, [...path, 'last']);
      const column = last && time(check, last, name, [...path, 'last']);
      if (!last || !column) continue;
      zoneless(check, column, rule, [...at, 'retention']);
      if (!check.edges.some((edge) => edge.from === inStore(table) && edge.to === tableName(live))) {
        const candidates = [...new Set(check.edges.filter((edge) => edge.to === tableName(live)).map((edge) => edge.from))];
        const fix = candidates.length > 0 ? `tables that do: ${candidates.join(', ')}` : 'declare the reference under `references`';
        check.add('P119', [...path, 'last'], `\`${inStore(table)}\` does not reference \`${tableName(live)}\``, fix);
      }
    }
  }
}

function time(check: StoreCheck, live: CatalogTable, name: string, path: Path): CatalogColumn | null {
  const column = liveColumn(check, live, name, path);
  if (!column || TIMES.includes(column.baseType)) return column;
  const times = live.columns.filter((it) => TIMES.includes(it.baseType)).map((it) => it.name);
  const fix =
    times.length > 0
      ? `time columns of the table: ${times.join(', ')}`
      : 'the table has no time column; name another table’s by `{ last: … }`';
  check.add('P106', path, `\`${name}\` is of type ${column.type}, which is no time`, fix);
  return null;
}

function zoneless(check: StoreCheck, column: CatalogColumn, rule: RetentionRule, path: Path): void {
  if (column.baseType !== 'timestamp' || rule.zoneless !== 'keep') return;
  check.add(
    'P107',
    [...path, 'after'],
    `\`${column.name}\` has no time zone, so every row is kept`,
    `write \`zoneless: local\` (${check.manifest.timezone}) or \`zoneless: utc\``,
  );
}

function indexed(check: StoreCheck, live: CatalogTable, column: CatalogColumn, path: Path): void {
  const first = live.indexes.some((index) => index.valid && !index.partial && index.columns[0] === column.name);
  // Partitions by that column are found without an index.
  if (first || live.partitioning?.columns[0] === column.name || live.kind === 'view') return;
  check.add('P129', path, `no index of \`${tableName(live)}\` begins with \`${column.name}\`: every run reads the whole table`);
}
