import { readCertificate } from '../../database/certificates.ts';
import { clockOf as storeClock } from '../../database/clock.ts';
import { readNotices } from '../../database/requests/notices.ts';
import { readObligations, type Obligation } from '../../database/requests/obligations.ts';
import { currentPlan } from '../../database/requests/plans.ts';
import { readEvents, readRequests, type Request, type RequestEvent } from '../../database/requests/read.ts';
import type { FoundInKept } from '../../domain/evidence/certificate.ts';
import type { Clock } from '../../domain/requests/clock.ts';
import type { Notice } from '../../domain/requests/notices.ts';
import { isOver } from '../../domain/requests/state.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { clockOf, settleClocks } from './clock.ts';

export type { FoundInKept } from '../../domain/evidence/certificate.ts';
export { foundText } from '../../domain/requests/kept.ts';
export type { Request, RequestEvent } from '../../database/requests/read.ts';

export interface ShownRequest extends Request {
  readonly clock: Clock;
  /** Whole days until `clock.target`; negative when it is late. Of what is over, until the day it ended. */
  readonly daysLeft: number;
}

const DAY_MS = 86_400_000;
/** One for each store: more say nothing to a reader. */
export const MOST_OBLIGATIONS = 100;

/** Requests by time left, the open ones first. */
export async function listRequests(project: Project, limit: number, now?: Date): Promise<ShownRequest[]> {
  await requireHome(project);
  const asOf = now ?? (await storeClock(project.home));
  await settleClocks(project, asOf);
  const found = (await readRequests(project.home, { id: null, limit })).map((it) => shown(project, it, asOf));
  // What waits for an answer is due later than its row says.
  return found.sort(
    (one, other) =>
      Number(one.closedAt !== null) - Number(other.closedAt !== null) || one.clock.target.getTime() - other.clock.target.getTime(),
  );
}

/** One request with what was done to it; null when there is none of this number. */
export async function readRequest(
  project: Project,
  id: string,
  now?: Date,
): Promise<
  | (ShownRequest & {
      readonly events: readonly RequestEvent[];
      readonly notices: readonly Notice[];
      readonly obligations: readonly Obligation[];
      /** Rows that stay and in which the people are still found, by its certificate. Of one that went with a batch: told of the batch. */
      readonly found: readonly FoundInKept[];
    })
  | null
> {
  await requireHome(project);
  const asOf = now ?? (await storeClock(project.home));
  await settleClocks(project, asOf);
  const [found] = await readRequests(project.home, { id, limit: 1 });
  if (found === undefined) return null;
  // Who goes with others is told of with them.
  const [events, notices] = [await readEvents(project.home, id), await readNotices(project.home, found.batch ?? id)];
  const kept = found.state === 'closed' && found.batch === null ? await foundIn(project, id) : [];
  return { ...shown(project, found, asOf), events, notices, found: kept, obligations: await readObligations(project.home, { request: id, open: false, limit: MOST_OBLIGATIONS }) }; // prettier-ignore
}

/** By the certificate of a plan; nothing where there is none. */
export async function foundIn({ home }: Project, planned: string): Promise<readonly FoundInKept[]> {
  const bound = await currentPlan(home.db, planned);
  return bound === null ? [] : ((await readCertificate(home.db, bound.plan.run))?.certificate.found ?? []);
}

function shown({ manifest }: Project, request: Request, now: Date): ShownRequest {
  const asOf = request.closedAt ?? now;
  const clock = clockOf(manifest, request, asOf);
  return { ...request, clock, daysLeft: Math.floor((clock.target.getTime() - asOf.getTime()) / DAY_MS) };
}

/** Whether nothing more will happen until a person does something, or ever. */
export function restsWith(request: Request & { readonly events?: readonly RequestEvent[] }): 'machine' | 'person' | 'nobody' {
  const { state } = request;
  if (isOver(state)) return 'nobody';
  const waits = lastDone(request.events ?? [])?.verb === 'wait';
  if ((state === 'approved' && !waits) || (state === 'open' && Object.keys(request.suppressed).length > 0)) return 'machine';
  return state === 'running' && !waits ? 'machine' : 'person';
}

/** What was done last: that a request comes due changes nothing of it. */
export function lastDone(events: readonly RequestEvent[]): RequestEvent | undefined {
  return events.findLast(({ verb }) => verb !== 'warn' && verb !== 'overdue');
}

/** Open requests that are overdue, or due within so many milliseconds; those that stand still are neither. */
export function dueWithin(requests: readonly ShownRequest[], ms: number, now: Date): ShownRequest[] {
  return requests.filter(({ closedAt, clock }) => closedAt === null && !clock.paused && clock.target.getTime() - now.getTime() <= ms);
}
