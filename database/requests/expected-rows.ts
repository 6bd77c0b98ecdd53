import { sql, type RawBuilder } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { personalParts } from '../../domain/requests/columns.ts';
import { expectedColumns } from '../../domain/requests/expected.ts';
import { erasureGraph } from '../../domain/requests/graph.ts';
import { KEPT, keptForPurposes, keptUnderFloor } from '../../domain/requests/kept.ts';
import type { ErasureWay, PersonalPart, TableErasure } from '../../domain/requests/model.ts';
import type { ErasurePlan, StorePlan } from '../../domain/requests/plan.ts';
import type { Edge } from '../../domain/retention/graph.ts';
import type { Floor, Manifest, TableDeclaration } from '../../manifest/model.ts';
import { namedIn } from './erasure/json-paths.ts';
import { floorMatters, underFloor } from './erasure/judge.ts';
import { joinedAlong, ROW, type Who } from './erasure/reach.ts';
import type { Condition } from '../retention/times.ts';

/** Rows in which finding somebody is expected. */
export interface ExpectedRows {
  /** Of the people of this class; whoever else is found there is found. */
  readonly class: number;
  /** `schema.table` */
  readonly table: string;
  /** Null: all. */
  readonly columns: readonly string[] | null;
  /** Whose rows they are; null: somebody of the class is expected in any row, as where a request is not about a column. */
  readonly owned: Owned | null;
  /** Why they stay: one of `domain/requests/kept.ts`. */
  readonly why: string;
  /** Over the row `t`: those that stay by law instead, and by which. */
  readonly floor: { readonly under: Condition; readonly why: string } | null;
}

/** The rows of a table, or of a part of it, as `t`, joined with the keys `k` of those whose they are. */
export type Owned = (rows: RawBuilder<unknown>) => { readonly from: RawBuilder<unknown>; readonly where: RawBuilder<unknown> };

/**
 * Where people of a class may still be found, each in their own rows: what is theirs after the closing statement is kept, held, pinned, or shared with
 * others; and a reference to such a row says no more than that it stays. Rows that only mention them are somebody else's: there the reference alone
 * is known, and goes unless a floor keeps it. `now`: by which floors are judged.
 */
export function expectedRows(
  { class: of, erasure }: StorePlan,
  plan: ErasurePlan,
  catalog: Catalog,
  manifest: Manifest,
  now: Date,
): ExpectedRows[] {
  const who: Who = { runId: plan.run, chunk: null, class: of, subject: erasure.subject, without: [], heldAnywhere: [] };
  const { scope } = plan.classes[of]!;
  const graph = erasureGraph(erasure.subject, catalog, manifest);
  const along = (it: Pick<ExpectedRows, 'table' | 'columns' | 'why' | 'floor'>, ways: readonly ErasureWay[]): ExpectedRows[] =>
    ways.map((way) => ({ ...it, class: of, owned: (rows) => joinedAlong(way, it.table, catalog, who, alone, rows) }));
  const byLaw = (table: string, floor: Floor | null): ExpectedRows['floor'] =>
    floor && { under: underFloor({ target: { manifest, catalog }, now }, table, floor, ROW), why: keptUnderFloor(floor.rule) };
  const leftAlone = expectedColumns(scope, catalog, manifest);
  return [
    ...leftAlone.map((it) => ({ ...it, class: of, owned: null, why: KEPT.notAsked, floor: null })),
    ...erasure.tables.flatMap((it) =>
      along({ table: it.table, columns: null, why: keeper(it), floor: byLaw(it.table, floorOf(it)) }, it.ways),
    ),
    ...graph.edges.flatMap((edge) => {
      const why = edge.foreignKey === null ? KEPT.mention : KEPT.reference;
      const ways = erasure.tables.find(({ table }) => table === edge.to)?.ways ?? [];
      return along({ table: edge.from, columns: edge.columns, why, floor: null }, behind(edge, ways));
    }),
    ...erasure.tables.flatMap((it) =>
      it.mentions.flatMap(({ way, columns }) => {
        const all = [...(way.steps[0]?.columns ?? way.columns), ...columns];
        return along({ table: it.table, columns: all, why: KEPT.mention, floor: byLaw(it.table, floorOf(it)) }, [way]);
      }),
    ),
    ...named().map(({ table, part, declared }): ExpectedRows => {
      const purposes = declared.columns?.[part.column]?.purposes ?? declared.purposes;
      const kept = scope.remaining.map(({ purpose }) => purpose).filter((it) => purposes.includes(it));
      const why = kept.length === 0 ? KEPT.needed : keptForPurposes(kept);
      const owned: Owned = (rows) => namedIn(part, catalog.tables[table]!, ROW, rows, who);
      return { table, columns: [part.column], class: of, why, floor: byLaw(table, declared.floor), owned };
    }),
  ];

  /** Where documents name the person and still do, a purpose or a floor keeps them so. */
  function named(): { table: string; part: PersonalPart; declared: TableDeclaration }[] {
    return Object.entries(catalog.tables).flatMap(([table, live]) => {
      const declared = manifest.tables[`${catalog.store}.${table}`];
      return declared === undefined ? [] : personalParts(graph, live, declared).map((part) => ({ table, part, declared }));
    });
  }
}

/** Whether others own it too does not matter: it is theirs as well. */
const alone = () => sql<boolean>`true`;

function floorOf(it: TableErasure): Floor | null {
  return it.floor !== null && floorMatters(it) ? it.floor : null;
}

/** Why a row stays that no floor keeps. */
function keeper({ rows, keptBy, shared }: TableErasure): string {
  if (rows !== 'delete') return keptBy.length === 0 ? KEPT.notAsked : keptForPurposes(keptBy.map(({ purpose }) => purpose));
  return shared === null ? KEPT.needed : KEPT.shared;
}

/** The ways of the rows that an edge points at, from the rows that point. One hop more. */
function behind(edge: Edge, ways: TableErasure['ways']): ErasureWay[] {
  return ways.map((way) => ({
    ...way,
    steps: [edge, ...way.steps],
    shared: way.shared === null ? null : { ...way.shared, hop: way.shared.hop + 1 },
    together: way.together.map((it) => ({ ...it, hop: it.hop + 1 })),
  }));
}
