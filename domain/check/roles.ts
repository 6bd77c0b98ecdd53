import { columnParts, inStore, storeOf } from '../../manifest/ids.ts';
import type { Path } from '../../manifest/problem.ts';
import { mappedReferences, type MappedReference } from '../people/map.ts';
import { liveColumn, placeOfTable, type StoreCheck } from './context.ts';

/** Whose rows are: said where it is not plain, and nowhere where it cannot be. */
export function checkRoles(check: StoreCheck): void {
  const mapped = mappedReferences(check.catalog, check.manifest);
  for (const [table, references] of Map.groupBy(
    mapped.filter(({ as }) => as === 'unclear'),
    ({ table }) => table,
  ))
    // prettier-ignore
    unclear(check, table, references);
  declared(check, mapped);
  cuts(check);
}

/** A reference that only mentions somebody is set null with them: a check that needs it stops the erasure, although nothing is lost by that. */
function cuts(check: StoreCheck): void {
  for (const { from, columns, as, foreignKey } of check.edges) {
    const live = check.catalog.tables[from];
    if (as !== 'mention' || foreignKey === null || live === undefined || !(`${check.store}.${from}` in check.manifest.tables)) continue;
    const cut = columns.filter((name) => live.columns.some((it) => it.name === name && it.nullable));
    for (const { name, definition } of live.checks) {
      const words = new Set((definition.match(/"[^"]+"|[\p{L}_][\p{L}\p{N}_$]*/gu) ?? []).map((it) => it.replaceAll('"', '')));
      const needed = cut.find((column) => words.has(column));
      if (needed !== undefined)
        check.add(
          'P146',
          placeOfTable(check, from),
          `the check \`${name}\` of \`${from}\` asks for \`${needed}\`, which becomes null when the person it mentions is erased`,
          'see that it allows null there: a step that breaks it stops, and changes nothing',
        );
    }
  }
}

function unclear(check: StoreCheck, table: string, references: readonly MappedReference[]): void {
  const byColumns = Map.groupBy(references, ({ columns }) => columns.join(', '));
  const names = [...byColumns.keys()].map((it) => `\`${it}\``).join(', ');
  const groups = [...byColumns.values()].map(([first]) => first!);
  const entries = groups.map((it) => {
    // A tenant's column, which several share, says of none of them what it means.
    const own = it.columns.find((name) => groups.every((other) => other === it || !other.columns.includes(name)));
    return `- { from: ${table}.${own ?? it.columns[0]}, to: ${it.to}, as: … }`;
  });
  check.add(
    'P150',
    placeOfTable(check, inStore(table)),
    `\`${inStore(table)}\` refers by ${names} to people, and nothing says whose its rows are: ${references[0]!.because}`,
    `under \`references\`, with \`as: owner\`, \`mention\` or \`both\`: ${entries.join(' ')}`,
  );
}

function declared(check: StoreCheck, mapped: readonly MappedReference[]): void {
  const { manifest, store } = check;
  const homes = new Set(Object.values(manifest.subjects).map(({ table }) => table));
  manifest.references.forEach(({ from, to, as, with: along }, index) => {
    const at: Path = ['references', index];
    const { table, column } = columnParts(from);
    if (storeOf(from) !== store) return;
    const live = check.catalog.tables[inStore(table)];
    if (live)
      along.forEach((name, place) => {
        liveColumn(check, live, name, [...at, 'with', place]);
        if (check.edges.some((edge) => edge.from === inStore(table) && edge.foreignKey !== null && edge.columns.includes(name)))
          check.add(
            'P151',
            [...at, 'with', place],
            `\`${name}\` is a reference itself`,
            'declare it under `references` with a role of its own',
          );
      });
    const stays = manifest.tables[table]?.stays ?? null;
    if (along.length > 0 && (as === 'owner' || (as === null && stays === null)))
      check.add(
        'P151',
        [...at, 'with'],
        `\`with\` names what goes from rows that stay, and rows of \`${from}\` go`,
        'say `as: mention` or `as: both`',
      );
    if (as === null || live === undefined) return;
    const found = mapped.filter((it) => it.table === table && it.columns.includes(column));
    const direct = to.split('.').length <= 2 || homes.has(to.slice(0, to.lastIndexOf('.')));
    if (new Set(found.filter(({ columns }) => columns.length > 1).map(({ columns }) => columns.join())).size > 1)
      check.add('P151', [...at, 'from'], `\`${from}\` stands in several references to people`, 'name a column that only one of them has');
    else if (homes.has(table) && as !== 'mention')
      check.add(
        'P151',
        [...at, 'as'],
        `\`${inStore(table)}\` is a subject’s own table: its rows are about that subject`,
        'say `as: mention`',
      );
    else if (as === 'both' && !direct)
      check.add(
        'P151',
        [...at, 'as'],
        `\`${from}\` names no person itself, so it cannot be one of several owners`,
        'say `as: owner` or `as: mention`',
      );
    else if (found.length === 0 && `${store}.${inStore(table)}` in manifest.tables)
      check.add('P151', [...at, 'as'], `\`${from}\` leads to nobody, so nothing can be said of whose its rows are`, 'leave `as` out');
  });
}
