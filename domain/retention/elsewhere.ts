import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest, Reference } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import { crossRoles, referenceTarget, type Edge } from './graph.ts';

/** A way, within a store, to a column that names somebody whose own table another store has. */
export interface NamedElsewhere {
  readonly subject: string;
  /** What the column holds: `key`, or an identity such as `email`. */
  readonly identity: string;
  readonly steps: readonly Edge[];
  /** In the last table reached. */
  readonly column: string;
  /** Column values under which it names somebody. */
  readonly when: Readonly<Record<string, string | number | boolean>>;
}

/** What such a column may hold. */
export interface PersonName {
  readonly subject: string;
  /** `key`, or an identity such as `email`. */
  readonly identity: string;
  /** A key as the consent ledger writes it, an address in lower case, or the value as it stands. */
  readonly value: string;
}

// As for ways to a table in the same store.
const MAX_HOPS = 4;
const MAX_PATHS = 64;

/** All ways, without repeating a table, from `table` to columns that name a person of another store whose its rows may be; shortest first. */
export function namedElsewhere(table: string, edges: readonly Edge[], manifest: Manifest, catalog: Catalog): NamedElsewhere[] {
  const roles = crossRoles(catalog, manifest);
  const owning = manifest.references.filter((reference) => (roles.get(reference)?.role ?? 'mention') !== 'mention');
  const found: NamedElsewhere[] = [];
  let frontier: { at: string; steps: readonly Edge[] }[] = [{ at: table, steps: [] }];
  for (let hop = 0; hop <= MAX_HOPS && frontier.length > 0; hop++) {
    const next: typeof frontier = [];
    for (const { at, steps } of frontier) {
      found.push(...namesIn(at, manifest, catalog.store, owning).map((it) => ({ ...it, steps })));
      for (const edge of edges)
        if (
          edge.from === at &&
          edge.as !== 'mention' &&
          edge.to !== table &&
          !steps.some(({ from, to }) => from === edge.to || to === edge.to)
        )
          next.push({ at: edge.to, steps: [...steps, edge] });
    }
    frontier = next;
  }
  return found.slice(0, MAX_PATHS);
}

/** Whether any column of the store names a person of another store. */
export function namesOthers(manifest: Manifest, store: string): boolean {
  return manifest.references.some(({ from }) => storeOf(from) === store && namesIn(tableOf(from), manifest, store).length > 0);
}

function namesIn(
  table: string,
  manifest: Manifest,
  store: string,
  references: readonly Reference[] = manifest.references,
): Omit<NamedElsewhere, 'steps'>[] {
  return references.flatMap(({ from, to, when }) => {
    const target = referenceTarget(to, manifest);
    if (storeOf(from) !== store || tableOf(from) !== table || target === null || target.store === store) return [];
    return Object.entries(manifest.subjects).flatMap(([name, { table: own, key, identities }]) => {
      if (own !== `${target.store}.${target.table}`) return [];
      const [column] = target.columns;
      const identity = key.join() === target.columns.join() ? 'key' : Object.keys(identities).find((it) => identities[it] === column);
      return identity === undefined ? [] : [{ subject: name, identity, column: from.slice(from.lastIndexOf('.') + 1), when }];
    });
  });
}

/** `store.schema.table.column` → `schema.table` */
function tableOf(column: string): string {
  return inStore(column.slice(0, column.lastIndexOf('.')));
}
