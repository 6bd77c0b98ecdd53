import type { Manifest, TableDeclaration, TableId } from '../../manifest/model.ts';
import { estimatedRows, isPersonal, usedColumns } from './columns.ts';
import type { Keeping, Processing } from './record.ts';

/** How long each declared table keeps its rows, and which law says no sooner. */
export function keeping(processing: Processing): Keeping[] {
  const personal = new Set(
    usedColumns(processing)
      .filter(isPersonal)
      .map((it) => it.table),
  );
  return Object.entries(processing.manifest.tables).map(([table, declared]) => {
    const { retention: rule, floor } = declared;
    return {
      table,
      rows: estimatedRows(processing, table),
      purposes: purposesOf(declared),
      personal: personal.has(table),
      keep: rule?.keep ?? null,
      after: rule ? ('column' in rule.after ? rule.after.column : `last ${rule.after.lastOf}`) : null,
      then: rule?.then.kind ?? null,
      goesWith: goesWith(processing.manifest, table),
      floor: floor ? { keep: floor.keep, rule: floor.rule, after: floor.after, endOfYear: floor.from === 'end_of_year' } : null,
      stays: declared.stays ?? null,
      because: rule?.because ?? declared.because,
    };
  });
}

function purposesOf({ purposes, columns }: TableDeclaration): string[] {
  return [...new Set([...purposes, ...Object.values(columns ?? {}).flatMap((it) => it.purposes ?? [])])];
}

/** Tables of which a rule takes rows of this one along, and those whose last owner does. */
function goesWith(manifest: Manifest, table: TableId): TableId[] {
  const parents = Object.entries(manifest.tables).filter(([id, it]) => id !== table && it.retention?.children[table] === 'delete');
  const owners = manifest.shared.filter((it) => it.table === table && it.lastOwner === 'delete').map((it) => it.owners);
  return [...parents.map(([id]) => id), ...owners];
}
