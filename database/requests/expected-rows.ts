import { sql } from 'kysely';
import type { Catalog } from '../../domain/catalog.ts';
import { expectedColumns } from '../../domain/requests/expected.ts';
import type { ErasureWay, TableErasure } from '../../domain/requests/model.ts';
import type { ErasurePlan, StorePlan } from '../../domain/requests/plan.ts';
import type { Edge } from '../../domain/retention/graph.ts';
import type { Manifest } from '../../manifest/model.ts';
import { any } from '../retention/protection.ts';
import type { Condition } from '../retention/times.ts';
import { leadsTo } from './erasure/reach.ts';
import type { ExpectedRows } from './scan-query.ts';

/**
 * Where people of a class may still be found: what is theirs after the closing statement is kept, held, pinned, or shared with others; and a
 * reference to such a row says no more than that it stays.
 */
export function expectedRows({ class: of, erasure }: StorePlan, plan: ErasurePlan, catalog: Catalog, manifest: Manifest): ExpectedRows[] {
  const who = { runId: plan.run, chunk: null, class: of, subject: erasure.subject, without: [] };
  const alone = () => sql<boolean>`true`;
  const theirs = (table: string, ways: readonly ErasureWay[]): Condition =>
    any(ways.map((way) => leadsTo(way, table, catalog, who, alone)));
  const reached = erasure.tables.filter(({ ways }) => ways.length > 0);
  const leftAlone = expectedColumns(plan.classes[of]!.scope, new Set(reached.map(({ table }) => table)), catalog, manifest);
  return [
    ...leftAlone.map((it) => ({ ...it, class: of, condition: null })),
    ...reached.map(({ table, ways }) => ({ table, columns: null, class: of, condition: theirs(table, ways) })),
    ...reached.flatMap(({ ways, incoming }) =>
      incoming.map(({ edge }) => ({
        table: edge.from,
        columns: edge.columns,
        class: of,
        condition: theirs(edge.from, behind(edge, ways)),
      })),
    ),
  ];
}

/** The ways of the rows that an edge points at, from the rows that point. One hop more. */
function behind(edge: Edge, ways: TableErasure['ways']): ErasureWay[] {
  return ways.map((way) => ({
    ...way,
    steps: [edge, ...way.steps],
    unnamed: way.unnamed.map((it) => ({ ...it, hop: it.hop + 1 })),
    shared: way.shared === null ? null : { ...way.shared, hop: way.shared.hop + 1 },
  }));
}
