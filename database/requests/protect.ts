import type { Catalog } from '../../domain/catalog.ts';
import { erasureGraph } from '../../domain/requests/graph.ts';
import type { ErasureWay } from '../../domain/requests/model.ts';
import { erasureWays } from '../../domain/requests/ways.ts';
import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';

/** One for each way in which a row names somebody. */
const TRIGGER = 'probity_restricted';

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * Triggers for the tables of a store with a floor: SQL for whoever owns them, with a comment for what no trigger reaches. Empty where no table has a
 * floor. Identifiers come from the catalog; nothing of rows is in it.
 */
export function protectionSql(manifest: Manifest, catalog: Catalog): string {
  const lines: string[] = [];
  for (const [id, declared] of Object.entries(manifest.tables)) {
    const table = inStore(id);
    const live = catalog.tables[table];
    if (storeOf(id) !== catalog.store || declared.floor === null || live === undefined) continue;
    const on = `${quoted(live.schema)}.${quoted(live.name)}`;
    let number = 0;
    for (const subject of Object.keys(manifest.subjects).sort()) {
      const { ways } = erasureWays(erasureGraph(subject, catalog, manifest));
      for (const way of ways.get(table) ?? []) {
        if (!isDirect(way)) {
          lines.push(`-- ${table}: not protected where it leads to a ${subject} by way of ${way.steps.map(({ to }) => to).join(', ')}`);
          continue;
        }
        number += 1;
        const name = number === 1 ? TRIGGER : `${TRIGGER}_${number}`;
        const args = [subject, way.identity, ...way.columns].map(literal).join(', ');
        lines.push(
          `create or replace trigger ${name} before update or delete on ${on}`,
          `  for each row execute function probity.refuse_restricted(${args});`,
        );
      }
    }
  }
  return lines.join('\n');
}

/** The row itself names the person. */
function isDirect(way: ErasureWay): boolean {
  return way.steps.length === 0;
}
