import { clockOf } from '../database/clock.ts';
import { explainKept, type Explanation } from '../database/retention/explain.ts';
import { planning } from './planning.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';
import { findTable } from './tables.ts';
import { inStore, storeOf } from '../manifest/ids.ts';

export type { Explanation, KeptRow } from '../database/retention/explain.ts';

export interface ExplainOptions {
  readonly table: string;
  readonly asOf: Date | null;
  readonly limit: number;
}

/** Which rows of a table stay although their time has passed, and why. Reads only. Throws `Refused` for a table without a rule. */
export async function explain(project: Project, options: ExplainOptions): Promise<Explanation & { readonly table: string }> {
  const id = findTable(project.manifest, options.table);
  const [name, table] = [storeOf(id), inStore(id)];
  const store = project.stores.get(name);
  const rule = project.manifest.tables[id]?.retention ?? null;
  if (rule === null || store === undefined) throw new Refused(`${id} has no retention rule: nothing would be taken`);
  const asOf = options.asOf ?? (await clockOf(project.home));
  const explanation = await planning(project, () => explainKept(store, project.manifest, table, asOf, options.limit));
  return { table: id, ...explanation };
}
