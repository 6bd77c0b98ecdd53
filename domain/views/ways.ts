import { inStore, storeOf } from '../../manifest/ids.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Catalog } from '../catalog.ts';
import { crossRoles, referenceTarget, storeEdges, turned } from '../retention/graph.ts';
import type { Step } from './model.ts';

// Longer ways exist only in schemas where a reference declared in the manifest says more; the limits keep the statement plannable.
const MAX_HOPS = 4;
const MAX_WAYS = 32;

export interface RawWay {
  readonly steps: readonly Step[];
  readonly end: RawEnd;
}

/** Columns of a table that name a subject: its key, or its e-mail address. */
export interface RawEnd {
  readonly subject: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly identity: 'key' | 'email';
  /** The two sides have types that only their text compares. */
  readonly asText: boolean;
}

/** The hops of a store: foreign keys and references, and from what subjects share to all who share it. */
export function hops(catalog: Catalog, manifest: Manifest): Step[] {
  const edges = storeEdges(catalog, manifest);
  const shared = manifest.shared
    .filter((it) => storeOf(it.table) === catalog.store)
    .flatMap((it) => edges.filter((edge) => edge.from === inStore(it.owners) && edge.to === inStore(it.table)))
    .map((edge): Step => ({ ...turned(edge), many: true }));
  return [...edges.map((edge) => ({ ...edge, many: false })), ...shared];
}

/**
 * Every way, without repeating a table, from a table's rows to people; shortest first. A way ends as soon as it has reached somebody. A
 * subject's own row is that subject's, whatever else it references.
 */
export function waysToSubjects(table: string, catalog: Catalog, manifest: Manifest, all: readonly Step[]): RawWay[] {
  const ways: RawWay[] = [];
  let frontier: { readonly at: string; readonly steps: readonly Step[] }[] = [{ at: table, steps: [] }];
  for (let hop = 0; hop <= MAX_HOPS && frontier.length > 0; hop++) {
    const next: typeof frontier = [];
    for (const { at, steps } of frontier) {
      const ends = endsAt(at, catalog, manifest, all);
      ways.push(...ends.map((end) => ({ steps, end })));
      if (ends.some((end) => isOwnTable(end, manifest, catalog.store))) continue;
      for (const step of all) {
        const arrives = ends.some((end) => step.columns.join() === end.columns.join());
        if (
          step.from !== at ||
          step.as === 'mention' ||
          arrives ||
          step.to === table ||
          steps.some((one) => one.to === step.to || one.from === step.to)
        )
          continue;
        next.push({ at: step.to, steps: [...steps, step] });
      }
    }
    frontier = next;
  }
  return ways.slice(0, MAX_WAYS);
}

function isOwnTable(end: RawEnd, manifest: Manifest, store: string): boolean {
  return manifest.subjects[end.subject]?.table === `${store}.${end.table}`;
}

/** Who the rows of a table name without any further hop. */
function endsAt(table: string, catalog: Catalog, manifest: Manifest, all: readonly Step[]): RawEnd[] {
  const id = `${catalog.store}.${table}`;
  return Object.entries(manifest.subjects).flatMap(([subject, declared]): RawEnd[] => {
    if (declared.table === id) return [{ subject, table, columns: declared.key, identity: 'key', asText: false }];
    const carried = all
      .filter(
        (step) =>
          step.from === table &&
          !step.many &&
          step.as !== 'mention' &&
          `${catalog.store}.${step.to}` === declared.table &&
          Object.keys(step.when).length === 0,
      )
      .map((step) => ({ asText: step.asText, columns: declared.key.map((column) => step.columns[step.toColumns.indexOf(column)]) }))
      .filter(({ columns }) => columns.every((column) => column !== undefined))
      .map(({ asText, columns }): RawEnd => ({
        subject,
        table,
        columns: columns.filter((it) => it !== undefined),
        identity: 'key',
        asText,
      }));
    return [...carried, ...elsewhere(table, catalog, manifest, subject)];
  });
}

/** References to a subject whose table another store holds. */
function elsewhere(table: string, catalog: Catalog, manifest: Manifest, subject: string): RawEnd[] {
  const declared = manifest.subjects[subject];
  if (declared === undefined || storeOf(declared.table) === catalog.store) return [];
  const roles = crossRoles(catalog, manifest);
  return manifest.references.flatMap((reference): RawEnd[] => {
    if (roles.get(reference)?.role === 'mention') return [];
    const column = reference.from.slice(reference.from.lastIndexOf('.') + 1);
    if (reference.from !== `${catalog.store}.${table}.${column}` || Object.keys(reference.when).length > 0) return [];
    const target = referenceTarget(reference.to, manifest);
    if (target === null || `${target.store}.${target.table}` !== declared.table) return [];
    const is = (columns: readonly string[]): boolean => target.columns.join() === columns.join();
    if (is(declared.key)) return [{ subject, table, columns: [column], identity: 'key', asText: false }];
    const email = declared.identities['email'];
    return email !== undefined && is([email]) ? [{ subject, table, columns: [column], identity: 'email', asText: false }] : [];
  });
}
