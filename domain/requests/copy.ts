import { basisOf, channelsOf, regimesOf } from '../../manifest/basis.ts';
import type { Manifest, TableDeclaration } from '../../manifest/model.ts';
import type { Catalog, CatalogColumn, CatalogTable } from '../catalog.ts';
import { referenceTarget, type Edge } from '../retention/graph.ts';
import { crossReferences, endsOf, erasureGraph, homeOf, identityOf, KEY_IDENTITY } from './graph.ts';
import type { ErasureScope, ErasureWay } from './model.ts';
import { WORDS } from './personal.ts';

/*
 * What a copy for access (Art. 15) or portability (Art. 20) shows of a person's rows, and what it withholds since it is, or may be, another
 * person's (Art. 15(4), Art. 20(4)). Whose rows they are is not decided here: they are those that an erasure of everything would be about.
 */

export type CopyKind = 'access' | 'portability';

/** Stands where a value was that is another person's. */
export const REDACTED = 'redacted: another person’s';

/** Under which an erasure reaches every row that is theirs. */
export const EVERYTHING: ErasureScope = { ended: null, remaining: [] };

/** Why a column of a person's rows is not in a copy for portability. */
export type LeftOut = 'derived' | 'origin not declared' | 'neither consent nor contract';

export interface CopyColumn {
  readonly name: string;
  readonly type: string;
  readonly category: string | null;
  readonly special: string | null;
  readonly origin: 'provided' | 'observed' | 'derived' | null;
  readonly purposes: readonly string[];
  /** Null: it is in the copy. */
  readonly leftOut: LeftOut | null;
  /** Of a row that is about several people: whether it may say something of the others. `unless theirs`: shown where it is an identity of the person. */
  readonly inCommon: 'show' | 'unless theirs' | 'withhold';
}

/** Columns of a table that say who somebody is, whosoever the row is. */
export interface SubjectReference {
  readonly subject: string;
  readonly columns: readonly string[];
  readonly when: Readonly<Record<string, string | number | boolean>>;
  /** By which it is seen whether it is the person. Null: nobody can tell, so it counts as another's. */
  readonly way: ErasureWay | null;
}

/** A path at which a document says who somebody is. */
export interface DocumentPart {
  readonly column: string;
  readonly path: string;
  readonly subject: string;
  /** Null: what stands there cannot be compared, so it counts as another's. */
  readonly identity: string | null;
}

export function copyColumns(
  kind: CopyKind,
  live: CatalogTable,
  declared: TableDeclaration,
  manifest: Manifest,
  regime: string | null,
): CopyColumn[] {
  const found = live.columns.map((column): CopyColumn => {
    const said = declared.columns?.[column.name] ?? null;
    const purposes = said?.purposes ?? declared.purposes;
    const origin = said?.origin ?? null;
    return {
      name: column.name,
      type: column.type,
      category: said?.category ?? null,
      special: said?.special ?? null,
      origin,
      purposes,
      leftOut: kind === 'access' ? null : leftOut(origin, purposes, manifest, regime),
      inCommon: inCommon(column, said, live, declared),
    };
  });
  if (found.every((it) => it.leftOut !== null)) return found;
  // What joins the rows of a copy with each other says nothing else; without it lines are of no order.
  const joins = (it: CopyColumn): boolean => it.leftOut === 'origin not declared' && live.primaryKey?.includes(it.name) === true;
  return found.map((it) => (joins(it) && isPortable(it.purposes, manifest, regime) ? { ...it, leftOut: null } : it));
}

function leftOut(origin: CopyColumn['origin'], purposes: readonly string[], manifest: Manifest, regime: string | null): LeftOut | null {
  if (origin === 'derived') return 'derived';
  if (origin === null) return 'origin not declared';
  return isPortable(purposes, manifest, regime) ? null : 'neither consent nor contract';
}

/** Art. 20(1)(a): processed by consent or by a contract, for whoever lives under the regime; for an unknown one, under all that are possible. */
function isPortable(purposes: readonly string[], manifest: Manifest, regime: string | null): boolean {
  const regimes = regime === null ? regimesOf(manifest) : [regime];
  return purposes.some((name) => {
    const purpose = manifest.purposes[name];
    if (purpose === undefined) return false;
    return regimes.every((one) =>
      channelsOf(purpose).some((channel) => ['consent', 'contract'].includes(basisOf(purpose, channel, one) ?? '')),
    );
  });
}

/** Categories by which a row that people share may name one of them, or say what one of them wrote or thinks. */
const OF_ONE: readonly (string | null)[] = ['contact', 'identity', 'name', 'free_text', 'opinion'];

function inCommon(
  { name, typeCategory }: CatalogColumn,
  said: { readonly category: string | null; readonly identifying: boolean; readonly special: string | null } | null,
  live: CatalogTable,
  declared: TableDeclaration,
): CopyColumn['inCommon'] {
  const isKey = live.primaryKey?.includes(name) === true || live.foreignKeys.some(({ columns }) => columns.includes(name));
  if (said?.identifying === true || said?.category === 'contact' || said?.category === 'identity' || said?.category === 'name')
    return 'unless theirs';
  if (said !== null && (said.special !== null || OF_ONE.includes(said.category))) return 'withhold';
  if (isKey || name === declared.capturedAt) return 'show';
  // What nobody has classified may be anything.
  return (said?.category ?? null) === null && WORDS.includes(typeCategory) ? 'unless theirs' : 'show';
}

/** Every column of a table that points at some subject, by foreign key or by the manifest, whatever kind of subject. */
export function subjectReferences(table: string, catalog: Catalog, manifest: Manifest): SubjectReference[] {
  return Object.keys(manifest.subjects).flatMap((subject): SubjectReference[] => {
    const graph = erasureGraph(subject, catalog, manifest);
    const home = homeOf(graph);
    if (home !== null) {
      return graph.edges
        .filter((edge) => edge.from === table && edge.to === home)
        .map((edge) => ({ subject, columns: edge.columns, when: edge.when, way: wayAlong(edge) }));
    }
    return crossReferences(graph, table).map(({ column, identity }) => {
      const when = manifest.references.find(({ from }) => from === `${catalog.store}.${table}.${column}`)?.when ?? {};
      return { subject, columns: [column], when, way: identity === null ? null : ending([], [column], identity) };
    });

    function wayAlong(edge: Edge): ErasureWay {
      const [end] = endsOf(graph, edge);
      if (end !== undefined) return { ...ending([], end.columns, end.identity), asText: end.asText };
      return ending([edge], manifest.subjects[subject]!.key, KEY_IDENTITY);
    }
  });
}

function ending(steps: readonly Edge[], columns: readonly string[], identity: string): ErasureWay {
  return { steps, columns, identity, asText: false, shared: null, together: [] };
}

/** Where documents of a table say who somebody is. */
export function documentParts(table: string, catalog: Catalog, manifest: Manifest): DocumentPart[] {
  const declared = manifest.tables[`${catalog.store}.${table}`];
  return (declared?.json ?? []).flatMap(({ column, path, refers }): DocumentPart[] => {
    const target = refers === null ? null : referenceTarget(refers, manifest);
    if (target === null) return [];
    return Object.entries(manifest.subjects)
      .filter(([, it]) => it.table === `${target.store}.${target.table}`)
      .map(([subject]) => ({ column, path, subject, identity: identityOf(erasureGraph(subject, catalog, manifest), target.columns) }));
  });
}
