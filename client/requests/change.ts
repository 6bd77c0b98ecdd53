import { clockOf as storeClock } from '../../database/clock.ts';
import { forgetEverywhere } from '../../database/requests/forget.ts';
import { changeRequest, type Done } from '../../database/requests/verbs.ts';
import type { RequestRow } from '../../database/requests/model.ts';
import { articlesFor, refusalArticle } from '../../domain/requests/articles.ts';
import { lawOf } from '../../domain/requests/clock.ts';
import { CANCEL_REASONS, EXTENSION_REASONS, VERIFICATION_METHODS } from '../../domain/requests/kinds.ts';
import { isOver, move, type RequestVerb } from '../../domain/requests/state.ts';
import { regimesOf } from '../../manifest/basis.ts';
import type { Manifest } from '../../manifest/model.ts';
import { known } from '../consent/entries.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { showDay } from '../times.ts';
import { clockOf, dueOf } from './clock.ts';

export type { RequestRow } from '../../database/requests/model.ts';

/** Who does it, and when: without a time, now by the home store's clock. */
export interface By {
  readonly actor: string;
  readonly now?: Date;
  /** Free text, in a row of its own that can be deleted. */
  readonly note?: string | null;
}

/** A number that nobody has given out. */
export function noSuchRequest(id: string): Refused {
  return new Refused(/^[RB]-\d{1,15}$/.test(id) ? `There is no request ${id}: probity request list` : 'A request’s number is like R-1001');
}

/**
 * Asks the subject who it is, for there is doubt: until the answer the clock stands still (Art. 12(6) GDPR; not in California). Throws
 * `Refused` where the request is not one that waits for it, as all that follow do.
 */
export async function askRequester(project: Project, id: string, by: By): Promise<RequestRow> {
  return act(project, id, 'ask', by, (row, now) => ({ pausedAt: now, dueAt: row.dueAt }));
}

/** Records by which method the requester showed who it is, and where the evidence is kept. The clock goes on. */
export async function verifyRequest(
  project: Project,
  id: string,
  by: By & { readonly method: string; readonly evidence: string },
): Promise<RequestRow> {
  const method = known(by.method, VERIFICATION_METHODS, 'method', 'method');
  if (by.evidence.trim() === '') throw new Refused('Say where the evidence is kept, such as the number of the session or the letter');
  return act(project, id, 'verify', by, (row, now) => ({ ...unpaused(row, now), verifiedAt: now, verifiedBy: method }), {
    code: method,
    evidence: by.evidence.trim(),
  });
}

/** Takes two months more (in California: 45 days), if the subject is told within the first period. */
export async function extendRequest(project: Project, id: string, by: By & { readonly reason: string }): Promise<RequestRow> {
  const reason = known(by.reason, EXTENSION_REASONS, 'reason', 'reason');
  const { manifest } = project;
  return act(
    project,
    id,
    'extend',
    by,
    (row, now) => {
      const clock = clockOf(manifest, row, now);
      if (row.extendedAt !== null) throw new Refused('It was extended before: the law allows it once');
      if (clock.extendableUntil === null) throw new Refused('It cannot be extended: an opt-out is carried out within its 15 business days');
      if (now > clock.extendableUntil)
        throw new Refused(
          `It cannot be extended any more: the subject had to be told by ${showDay(clock.extendableUntil, manifest.timezone)}`,
        );
      return { extendedAt: now };
    },
    { code: reason },
  );
}

/** Refuses by an article of the law. An objection's refusal and a restriction's are recorded in the ledger at once. */
export async function refuseRequest(project: Project, id: string, by: By & { readonly article: string }): Promise<RequestRow> {
  const { manifest } = project;
  return act(project, id, 'refuse', by, (row, now) => {
    const article = refusalArticle(by.article, row.kind);
    const laws = new Set((row.regimes ?? regimesOf(manifest)).map(lawOf));
    const codes = articlesFor(row.kind).filter(({ law }) => laws.has(law));
    if (article === null || !laws.has(article.law))
      throw new Refused(`A request for ${row.kind} is not refused by that; there are ${codes.map(({ code }) => code).join(', ')}`);
    if (row.kind === 'objection' && manifest.purposes[row.purpose ?? '']?.objection !== 'balanced')
      throw new Refused('This objection is absolute (direct marketing, Art. 21(2) and (3) GDPR, or an opt-out): it cannot be refused');
    return { ...unpaused(row, now), refusedBy: article.code, closedAt: now };
  }, (row) => ({ code: refusalArticle(by.article, row.kind)?.code ?? null, decision: REFUSED_IN_LEDGER[row.kind] ?? null })); // prettier-ignore
}

/** What the ledger says when a request is refused; nothing of kinds that are not in it. */
const REFUSED_IN_LEDGER: Readonly<Record<string, string>> = { objection: 'objection_rejected', restriction: 'restriction_lifted' };

/** Ends a request that its requester has taken back, or that should not have been opened. What the ledger recorded stays in force. */
export async function cancelRequest(project: Project, id: string, by: By & { readonly reason: string }): Promise<RequestRow> {
  const reason = known(by.reason, CANCEL_REASONS, 'reason', 'reason');
  return act(project, id, 'cancel', by, (row, now) => ({ ...unpaused(row, now), closedAt: now }), { code: reason });
}

/**
 * Says that the subject was told. That closes what is done by it: a request of which a copy was made, a rectification, a restriction or an
 * objection that is in force everywhere (an objection to be weighed is thereby upheld).
 */
export async function repliedTo(project: Project, id: string, by: By): Promise<RequestRow> {
  const { manifest } = project;
  return act(project, id, 'reply', by, (row, now) => (closes(row) ? { closedAt: now } : {}), (row) => ({
    decision: closes(row) && row.kind === 'objection' && manifest.purposes[row.purpose ?? '']?.objection === 'balanced' ? 'objection_upheld' : null,
  })); // prettier-ignore
}

function closes({ kind, state }: RequestRow): boolean {
  return 'state' in move(kind, state, 'answer');
}

function unpaused({ pausedAt, pausedMs }: RequestRow, now: Date): Pick<RequestRow, 'pausedAt' | 'pausedMs'> {
  return { pausedAt: null, pausedMs: pausedMs + (pausedAt === null ? 0 : Math.max(0, now.getTime() - pausedAt.getTime())) };
}

type Told = Partial<Pick<Done, 'code' | 'evidence' | 'decision'>>;

/** Does one thing to a request, in one transaction with what is told of it. Throws `Refused` where the verb leads nowhere. */
export async function act(
  project: Project,
  id: string,
  verb: RequestVerb | 'reply',
  { actor, now, note = null }: By,
  set: (row: RequestRow, now: Date) => Partial<RequestRow> = () => ({}),
  told: Told | ((row: RequestRow) => Told) = {},
): Promise<RequestRow> {
  await requireHome(project);
  const { home, manifest } = project;
  const at = now ?? (await storeClock(home));
  const changed = await changeRequest(home, id, { actor, at }, (row) => {
    const state = leadsTo(row, verb);
    const next = { ...row, ...set(row, at), state };
    return {
      verb,
      // What is over keeps the day that it was due; what waits for an answer the one that it had.
      row: isOver(state) || next.pausedAt !== null ? next : { ...next, dueAt: due(manifest, next, at) },
      code: null,
      evidence: null,
      note,
      decision: null,
      ...(typeof told === 'function' ? told(row) : told),
    };
  });
  if (changed === null) throw noSuchRequest(id);
  if (isOver(changed.state)) await forgetEverywhere(home, project.stores.values());
  return changed;
}

/** Only what was extended, or stood still, is due on another day than it was. */
function due(manifest: Manifest, row: RequestRow, now: Date): Date {
  return row.extendedAt === null && row.pausedMs === 0 ? row.dueAt : dueOf(manifest, row, now);
}

/** Where a verb leads, or `Refused` with why it leads nowhere. */
export function leadsTo(row: RequestRow, verb: RequestVerb | 'reply'): RequestRow['state'] {
  if (verb === 'reply') return closes(row) ? 'closed' : row.state;
  const found = move(row.kind, row.state, verb);
  if ('refused' in found) throw new Refused(`${row.id}: ${found.refused}`);
  return found.state;
}
