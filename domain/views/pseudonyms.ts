import { referenceTarget } from '../retention/graph.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { KeyDomain, Step } from './model.ts';

/**
 * What the keys in a column name: the column at the end of all references (`store.schema.table.column`), followed column by column. A
 * polymorphic reference has a domain for each of its kinds, and one of its own for what is none of them.
 */
export function keyDomains(table: string, column: string, store: string, all: readonly Step[], manifest: Manifest): KeyDomain[] {
  const kinds = all.filter(
    (step) => !step.many && step.from === table && step.columns.includes(column) && Object.keys(step.when).length > 0,
  );
  return [
    ...kinds.map(({ when, to, columns, toColumns }) => ({
      when,
      domain: rootOf(to, toColumns[columns.indexOf(column)] ?? column, store, all, manifest),
    })),
    { when: {}, domain: rootOf(table, column, store, all, manifest) },
  ];
}

function rootOf(table: string, column: string, store: string, all: readonly Step[], manifest: Manifest): string {
  let at = { table, column };
  const seen = new Set<string>();
  for (;;) {
    const id = `${store}.${at.table}.${at.column}`;
    if (seen.has(id)) return [...seen].sort()[0] ?? id;
    seen.add(id);
    const { table: from, column: name } = at;
    // A self-reference names rows of the same table, whose key is the root.
    const step = all.find((it) => !it.many && it.from === from && it.columns.includes(name) && Object.keys(it.when).length === 0);
    if (step === undefined) return elsewhere(id, manifest) ?? id;
    at = { table: step.to, column: step.toColumns[step.columns.indexOf(name)] ?? name };
  }
}

/** The column of another store that a reference of the manifest names. */
function elsewhere(id: string, manifest: Manifest): string | null {
  const reference = manifest.references.find((it) => it.from === id && Object.keys(it.when).length === 0);
  const target = reference === undefined ? null : referenceTarget(reference.to, manifest);
  return target === null ? null : `${target.store}.${target.table}.${target.columns[0] ?? ''}`;
}
