import { sql, type Kysely } from 'kysely';
import { ident } from '../identifiers.ts';
import { takes, type Change } from './change.ts';
import { compileRule, goesByItsOwnRule } from './predicates.ts';
import { all, any } from './protection.ts';
import type { Condition } from './times.ts';
import { behind, branchTables, endOf, treeBranches, type Branch } from './tree.ts';

/**
 * Rows of other tables that go, or are let go, with the rows that a rule takes, named as the certificate names them: `along:public.address`,
 * `detached:public.note`. A row that several ways lead to counts once. Rows that their own rule takes earlier in the same run count there.
 */
export async function countAlong(db: Kysely<unknown>, change: Change): Promise<Record<string, number>> {
  const along: Record<string, number> = {};
  if (change.action.kind === 'mask') return along;
  const named = Map.groupBy(treeBranches(change.predicates.tree), ({ table, action }) =>
    action === 'delete' ? `along:${table}` : `detached:${table}`,
  );
  for (const [name, branches] of named) {
    const ways = branches.map((branch) => {
      const end = endOf(branch);
      const where = all([behind(branch, takes(change)), ...elsewhere(change, branch)]);
      return sql`select ${ident(end, 'tableoid')} as oid, ${ident(end, 'ctid')} as tid from ${branchTables(change, branch, true)} where ${where}`;
    });
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from (select distinct q.oid, q.tid from (${sql.join(ways, sql` union all `)}) as q) as r`.execute(db);
    const n = rows[0]?.n ?? 0;
    if (n > 0) along[name] = n;
  }
  return along;
}

/** Not the rows that are gone by then, nor, of the rule's own table, those that it takes itself. */
function elsewhere({ scope, table }: Change, branch: Branch): Condition[] {
  const end = endOf(branch);
  const earlier = goesByItsOwnRule(scope, branch.table, end);
  const gone = earlier === null ? [] : [earlier];
  if (branch.table === table) {
    const { expired, protectedBy } = compileRule(scope, table, end);
    gone.push(sql<boolean>`(${expired} and not ${any(protectedBy.map((reason) => reason.condition))})`);
  }
  return gone.map((condition) => sql<boolean>`(${condition}) is not true`);
}
