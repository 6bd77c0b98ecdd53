import type { ShownBatch } from '../client/requests/batch.ts';
import { showShortDay } from '../client/times.ts';
import { count } from './numbers.ts';
import { doneText, stillFoundText, toldText, waitText } from './request-text.ts';

/** More of those who have left it say nothing that `--json` does not. */
const MOST_LEFT = 5;

/** The head, what was done to all of them, and what is next. */
export function batchText(batch: ShownBatch, zone: string, now: Date): string {
  const { id, state, origin, members, counts, dueAt, left, closedAt } = batch;
  const kinds = counts.map((it) => `${count(it.requests)} ${it.kind}`).join(', ');
  const over =
    closedAt !== null
      ? `closed ${showShortDay(closedAt, zone)}`
      : `${state}${dueAt === null ? '' : ` · first due ${showShortDay(dueAt, zone)}`}`;
  const gone =
    left.length === 0
      ? []
      : [
          `Left        ${left.slice(0, MOST_LEFT).join(', ')}${left.length > MOST_LEFT ? ` and ${count(left.length - MOST_LEFT)} more` : ''}`,
        ];
  return [
    `${id}  ${count(members)} ${members === 1 ? 'request' : 'requests'}${kinds === '' ? '' : ` (${kinds})`}${origin === 'envelope' ? ' · inside the envelope' : ''} · ${over}`,
    ...gone,
    ...batch.events.map((event, index) => doneText(event, index, zone)),
    ...toldText(batch.notices, now),
    ...stillFoundText(batch.found),
    ...nextText(batch),
  ].join('\n');
}

function nextText({ id, state, members, events }: ShownBatch): string[] {
  const last = events.at(-1);
  if (members === 0) return ['Next        nothing: all requests have left it'];
  if (state === 'open') return [`Next        plan it again: probity request plan ${id}`];
  if (state === 'planned') return [`Next        look at the plan and approve it: probity request plan ${id}`];
  if (state === 'approved' && last?.verb === 'wait') return waitText(id, last.code);
  if (state === 'approved') return ['Next        a worker carries it out, as soon as Temporal is there'];
  if (state === 'closed') return [`Proof       probity request certificate ${id}`];
  return last?.verb === 'wait' ? waitText(id, last.code) : [];
}

/** For programs. Names nobody. */
export function batchJson({ id, origin, actor, createdAt, state, closedAt, members, left, counts, dueAt, found }: ShownBatch): unknown {
  return { id, origin, actor, createdAt, state, closedAt, members, left, counts, dueAt, found };
}
