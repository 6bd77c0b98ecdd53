import { planIdOf } from '../../database/requests/batches.ts';
import { peopleOf, recordNoticeLook } from '../../database/requests/notice-people.ts';
import {
  openTasks,
  readNotice,
  readNotices,
  readPages,
  recordDelivered,
  settleNotice,
  type Settling,
} from '../../database/requests/notices.ts';
import { currentPlan } from '../../database/requests/plans.ts';
import { OFFICER, SERVICE, type Actor } from '../../domain/requests/actor.ts';
import { GIVE_UP_REASONS, isSettled, noticesHash, type Notice, type NoticePerson } from '../../domain/requests/notices.ts';
import { known } from '../consent/entries.ts';
import { recordDecision, recordGivenUp, type Decision } from '../decisions.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';

export { verifyNotice } from '../../domain/requests/notice-signature.ts';
export { GIVE_UP_REASONS, isSettled, noticesHash, noticeText, silentDays } from '../../domain/requests/notices.ts';
export type { Notice, NoticeBody, NoticePerson } from '../../domain/requests/notices.ts';

/** Who was to be told of a request, of one in a batch with the others, and how far that is, by recipient. */
export async function noticesOf(project: Project, request: string): Promise<Notice[]> {
  await requireHome(project);
  return readNotices(project.home, await planIdOf(project.home, request));
}

/** Of all requests: what nobody has settled, the oldest first. */
export async function openNotices(project: Project, limit: number): Promise<Notice[]> {
  await requireHome(project);
  return openTasks(project.home, limit);
}

/** People of one page of a notice. */
export interface PeopleToTell {
  readonly people: readonly NoticePerson[];
  readonly page: number;
  readonly pages: number;
}

/**
 * Whom a notice is about, by what its recipient receives: for the company's own activity. That somebody looked is recorded first. `actor` has
 * shown a token (`authenticate`) and is an officer; without one it is the service that looks. Throws `Refused` for a notice that is settled
 * or not there.
 */
export async function noticePeople(
  project: Project,
  noticeId: string,
  { page = 1, actor = SERVICE }: { readonly page?: number; readonly actor?: Actor } = {},
): Promise<PeopleToTell> {
  if (actor !== SERVICE && !actor.roles.includes(OFFICER))
    throw new Refused(`${actor.name} may not look at whom a request is about: that needs the role ${OFFICER}`);
  await requireHome(project);
  const { home } = project;
  const notice = await readNotice(home, noticeId);
  if (notice === null || isSettled(notice)) throw new Refused('There is no open notice of this id');
  const pages = await readPages(home, notice.id);
  const found = pages.find((it) => it.page === page);
  if (found === undefined) throw new Refused(`This notice has ${pages.length} pages`);
  await recordNoticeLook(home, notice, actor);
  return { people: await peopleOf(home, notice, found), page, pages: pages.length };
}

/**
 * Says that a recipient has acted on a notice, which it knows by its id or by that of a page (`Probity-Notice`). False: it was settled before.
 * Throws `Refused` for an id that we never sent.
 */
export async function acknowledgeNotice(project: Project, id: string, { actor }: { readonly actor: string }): Promise<boolean> {
  await requireHome(project);
  const notice = await readNotice(project.home, id);
  if (notice === null) throw new Refused('There is no notice of this id');
  if (isSettled(notice)) return false;
  const page = (await readPages(project.home, notice.id)).find((it) => it.id === id);
  if (page === undefined) return settleNotice(project.home, notice.id, 'acknowledged', { name: actor });
  await recordDelivered(project.home, notice, page, true);
  return true;
}

/** Settles what a recipient was told of a request. Throws `Refused` when there is none. */
export async function settleRecipient(
  project: Project,
  request: string,
  { recipient, as, actor }: { readonly recipient: string; readonly as: Exclude<Settling, 'given_up'>; readonly actor: string },
): Promise<void> {
  for (const { id } of await openOf(project, request, recipient)) await settleNotice(project.home, id, as, { name: actor });
}

/**
 * Decides, signed, that a recipient need not be told, since that is impossible or out of proportion (Art. 19 GDPR): over the plan, or where there is
 * none, over what it was to be told. Throws `Refused` as `recordDecision` does.
 */
export async function giveUpRecipient(
  project: Project,
  request: string,
  { recipient, reason }: { readonly recipient: string; readonly reason: string },
  token: string,
): Promise<Decision> {
  const because = known(reason, GIVE_UP_REASONS, 'reason', 'reason');
  const open = await openOf(project, request, recipient);
  const bound = await currentPlan(project.home.db, request);
  const about = { requestId: request, reason: because };
  const recorded =
    bound === null
      ? await recordGivenUp(project, { ...about, hash: noticesHash(open), recipient }, token)
      : (await recordDecision(project, { ...about, planHash: bound.hash, decision: 'give_up', about: recipient }, token)).decision;
  for (const { id } of open) await settleNotice(project.home, id, 'given_up', { name: recorded.statement.actor });
  return recorded;
}

async function openOf(project: Project, request: string, recipient: string): Promise<Notice[]> {
  await requireHome(project);
  const batch = await planIdOf(project.home, request);
  if (batch !== request) throw new Refused(`${request} goes with ${batch}, of which recipients are told as a whole: name ${batch}`);
  const all = await noticesOf(project, request);
  const open = all.filter((it) => it.recipient === recipient && !isSettled(it));
  if (open.length > 0) return open;
  const others = all.filter((it) => !isSettled(it)).map((it) => it.recipient);
  const which = others.length === 0 ? 'nobody is still to be told' : `still to be told: ${others.join(', ')}`;
  throw new Refused(`${request} has nothing open for ${recipient}; ${which}`);
}
