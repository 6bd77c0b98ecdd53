import { readObligations } from '../../database/requests/obligations.ts';
import { currentPlan, manifestOfPlan } from '../../database/requests/plans.ts';
import { REFUSAL_ARTICLES } from '../../domain/requests/articles.ts';
import { foundText } from '../../domain/requests/kept.ts';
import { replyText, type ReplyFacts } from '../../domain/requests/reply.ts';
import { stayingFor, type Staying } from '../../domain/requests/staying.ts';
import { tableTitle } from '../../domain/requests/titles.ts';
import { spaced } from '../../domain/processing/words.ts';
import { EVERY_PURPOSE } from '../../manifest/decisions.ts';
import type { Project } from '../project.ts';
import { showLongDay } from '../times.ts';
import { foundIn, MOST_OBLIGATIONS, type ShownRequest } from './read.ts';

/** The words to the subject for where a request stands: a draft without personal data. */
export async function draftReply(project: Project, request: ShownRequest): Promise<string> {
  const { manifest } = project;
  const { purpose, clock } = request;
  return replyText({
    id: request.id,
    kind: request.kind,
    purpose: purpose === null || purpose === EVERY_PURPOSE ? null : (manifest.purposes[purpose]?.description ?? purpose),
    state: request.state,
    law: clock.law,
    received: showLongDay(request.receivedAt, manifest.timezone),
    due: showLongDay(clock.target, manifest.timezone),
    extended: clock.extended,
    refusal: REFUSAL_ARTICLES.find(({ code }) => code === request.refusedBy) ?? null,
    organisation: manifest.organisation,
    controller: manifest.controller,
    ...(request.kind === 'erasure' && request.state === 'closed' && (await staying(project, request))),
  });
}

/** What an erasure has left, and why. A batch's plan does not say what goes on for which of its people: then a person adds it. */
async function staying(project: Project, { id, batch }: ShownRequest): Promise<Pick<ReplyFacts, 'stays' | 'found' | 'lookUp'>> {
  const { home, manifest } = project;
  const obliged = await readObligations(home, { request: id, open: true, limit: MOST_OBLIGATIONS });
  const floors = obliged.flatMap(({ store, tables }) =>
    tables.map(({ table, rule, until }): Staying => {
      const day = until === null ? null : showLongDay(new Date(until), manifest.timezone);
      return { what: tableTitle(`${store}.${table}`, manifest), why: 'law', rule, until: day };
    }),
  );
  const bound = await currentPlan(home.db, batch ?? id);
  if (bound === null) return { stays: floors, lookUp: null };
  const planned = (await manifestOfPlan(home.db, bound.hash)) ?? manifest;
  const rest = stayingFor(bound.plan, planned);
  const called = (name: string): string => planned.purposes[name]?.description ?? spaced(name);
  const found =
    batch === null ? (await foundIn(project, id)).map((it) => `${tableTitle(it.table, planned)}: ${foundText(it, called)}`) : [];
  if (batch === null || rest.length === 0) return { stays: [...floors, ...rest], found, lookUp: null };
  return { stays: floors, lookUp: batch };
}
