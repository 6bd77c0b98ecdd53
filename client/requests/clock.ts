import type { RequestRow } from '../../database/requests/model.ts';
import { settleClocks as settle } from '../../database/requests/settle.ts';
import { clockOf } from '../../domain/requests/manifest-clock.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { Project } from '../project.ts';

export { clockOf, regimesFor } from '../../domain/requests/manifest-clock.ts';

/** What the row says to be due: as long as a question is open its end moves, so the row keeps what it was when the question was asked. */
export function dueOf(manifest: Manifest, row: RequestRow, asOf: Date): Date {
  return clockOf(manifest, row, asOf).target;
}

/** Sets the clock of requests that came in without one. To be called before requests are read by their time. */
export async function settleClocks({ home, manifest }: Pick<Project, 'home' | 'manifest'>, asOf: Date): Promise<number> {
  return settle(home, manifest, asOf);
}
