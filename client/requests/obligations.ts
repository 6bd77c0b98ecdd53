import { readCatalog } from '../../database/catalog.ts';
import { protectionSql } from '../../database/requests/protect.ts';
import { readObligations, type Obligation } from '../../database/requests/obligations.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';

export type { ObligedTable, Obligation } from '../../database/requests/obligations.ts';

/** What the law keeps after erasures, by day: of one request, or of all. `open`: not what is discharged. */
export async function obligations(
  project: Project,
  options: { readonly request: string | null; readonly open: boolean; readonly limit: number },
): Promise<Obligation[]> {
  await requireHome(project);
  return readObligations(project.home, options);
}

/**
 * SQL that the owner of the tables may run, by store: triggers that let nobody but us change rows which the law keeps of erased people. We run none of it.
 */
export async function protection(project: Project): Promise<{ readonly store: string; readonly sql: string }[]> {
  const found = [];
  for (const [name, store] of project.stores) found.push({ store: name, sql: protectionSql(project.manifest, await readCatalog(store)) });
  return found.filter(({ sql }) => sql !== '');
}
