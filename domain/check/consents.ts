import { inStore, storeOf } from '../../manifest/ids.ts';
import type { ColumnOrConstant, ConsentSource } from '../../manifest/model.ts';
import type { Path } from '../../manifest/problem.ts';
import type { CatalogColumn, CatalogTable } from '../catalog.ts';
import { liveColumn, liveTable, type StoreCheck } from './context.ts';

const TIMES: readonly string[] = ['timestamptz', 'timestamp', 'date'];
const TEXTS: readonly CatalogColumn['typeCategory'][] = ['string', 'enum'];

/** Tables that consent is read from have the columns that the manifest names, of types that can be read. */
export function checkConsents(check: StoreCheck): void {
  check.manifest.consents.forEach((source, index) => {
    const at: Path = ['consents', index];
    const live = liveTable(check, source.table, [...at, 'table']);
    if (!live) return;
    keys(check, live, source, at);
    texts(check, live, source, at);
    for (const [key, name] of [['at', source.at] as const, ['changed_at', source.changedAt] as const]) {
      const column = name === null ? null : liveColumn(check, live, name, [...at, key]);
      if (column && !TIMES.includes(column.baseType)) misfit(check, column, 'a time', [...at, key]);
    }
  });
}

function texts(check: StoreCheck, live: CatalogTable, source: ConsentSource, at: Path): void {
  const words: readonly (readonly [string, ColumnOrConstant | null])[] = [
    ['purpose', source.purpose],
    ['channel', source.channel],
    ['decision', source.decision],
    ['touchpoint', source.touchpoint],
    ['notice', source.notice],
    ['language', source.language],
    ['given_by', source.givenBy],
  ];
  for (const [key, value] of words) {
    if (value === null || 'constant' in value) continue;
    const column = liveColumn(check, live, value.column, [...at, key]);
    if (!column || TEXTS.includes(column.typeCategory)) continue;
    if (key !== 'decision') misfit(check, column, 'a text', [...at, key]);
    else if (Object.keys(source.decisions).length === 0)
      misfit(check, column, 'a decision', [...at, key], 'say under `decisions` what its values mean');
  }
}

function keys(check: StoreCheck, live: CatalogTable, source: ConsentSource, at: Path): void {
  const path: Path = [...at, 'key'];
  const columns = source.key.map((name) => liveColumn(check, live, name, path));
  const subject = check.manifest.subjects[source.subject];
  const wanted = subject?.key ?? ['key'];
  if (wanted.length !== source.key.length) {
    const message = `a ${source.subject} is named by ${wanted.length} column${wanted.length === 1 ? '' : 's'}, and here stand ${source.key.length}`;
    return check.add('P136', path, message, subject ? `the key of \`${source.subject}\`: ${wanted.join(', ')}` : null);
  }
  const table = subject && storeOf(subject.table) === check.store ? check.catalog.tables[inStore(subject.table)] : undefined;
  columns.forEach((column, index) => {
    const key = table?.columns.find((it) => it.name === wanted[index]);
    if (column && key && column.typeCategory !== key.typeCategory)
      misfit(check, column, `as the key of \`${source.subject}\`, ${key.type}`, path);
    // A hash in hexadecimal digits, or the name of a device: numbers and times would be written in several ways.
    if (column && !subject && column.typeCategory !== 'uuid' && !TEXTS.includes(column.typeCategory)) misfit(check, column, 'a text', path);
  });
}

function misfit(check: StoreCheck, column: CatalogColumn, wanted: string, path: Path, fix: string | null = null): void {
  check.add('P136', path, `\`${column.name}\` is of type ${column.type}, and not ${wanted}`, fix);
}
