import { foundText, lastDone, restsWith, type FoundInKept, type RequestEvent, type ShownRequest } from '../client/requests/read.ts';
import { obligedText, type Obligation } from './obligation-text.ts';
import { noticeText, type Notice } from '../client/requests/notices.ts';
import { showDay, showShortDay, showTime, showTimeOfDay } from '../client/times.ts';
import { groundsText, isOver, REFUSAL_ARTICLES, STOPPED } from '../client/requests/words.ts';
import type { Context } from './context.ts';
import { textTable } from './table.ts';

type Colours = Context['colours'];

/** `erasure, Art. 17(1)(a)(b)`, `withdrawal of newsletter` */
export function askText({ kind, purpose, grounds }: Pick<ShownRequest, 'kind' | 'purpose' | 'grounds'>): string {
  const what = purpose === null ? '' : ` of ${purpose === '*' ? 'all purposes' : purpose}`;
  if (kind !== 'erasure') return `${kind}${what}`;
  return `${kind}, ${groundsText(grounds)}${purpose === null ? '' : ` · ${purpose === '*' ? 'all consents' : purpose}`}`;
}

export function leftText(request: ShownRequest, now: Date): string {
  if (isOver(request.state)) return request.state;
  if (request.clock.paused) return `paused, ${days(request.daysLeft)} left`;
  if (request.daysLeft >= 0) return `${days(request.daysLeft)} left`;
  return now <= request.clock.due ? `${days(-request.daysLeft)} late for us, not yet by law` : `${days(-request.daysLeft)} LATE`;
}

function days(count: number): string {
  return count === 1 ? '1 day' : `${count} days`;
}

function stateText(request: ShownRequest): string {
  if (request.waiting.length > 0) return `waits for ${request.waiting.join(', ')}`;
  if (request.state === 'suppressed' || (request.state === 'open' && Object.keys(request.suppressed).length > 0))
    return request.state === 'suppressed' ? 'in force everywhere' : 'in force';
  return request.batch === null || isOver(request.state) ? request.state : `${request.state} in ${request.batch}`;
}

export function listText(found: readonly ShownRequest[], zone: string, width: number | null, now: Date): string {
  return textTable(
    ['request', 'what', 'received', 'due', 'left', 'state'].map((title) => ({ title })),
    found.map((one) => [
      one.id,
      askText(one),
      showDay(one.receivedAt, zone),
      showDay(one.clock.target, zone),
      leftText(one, now),
      stateText(one),
    ]),
    width,
  );
}

/** What a person can do next; empty where nothing is left, or nobody can yet. */
function nextText({ id, state, kind, suppressed, batch }: ShownRequest, last: RequestEvent | undefined): string[] {
  if (state === 'received')
    return [
      `Next        find out who asks: probity request verify ${id} --method login --evidence SESSION`,
      `            in doubt, ask them: probity request verify ${id} --ask`,
    ];
  if (state === 'verifying') return [`Next        when they answer: probity request verify ${id} --method login --evidence SESSION`];
  if (state === 'suppressed' && kind !== 'withdrawal') return [`Next        tell them: probity request reply ${id} --sent`];
  if (state === 'open' && kind === 'rectification') return [`Next        put it right, then tell them: probity request reply ${id} --sent`];
  if (state === 'open' && (kind === 'access' || kind === 'portability'))
    return [`Next        gather what is held: PROBITY_ACTOR_TOKEN=… probity request copy ${id} --out FOLDER`];
  if (state === 'copied') return [`Next        hand the copy over, then: probity request reply ${id} --sent`];
  if (kind === 'access' || kind === 'portability') return [];
  if ((state === 'open' && Object.keys(suppressed).length === 0) || state === 'suppressed')
    return [`Next        see what it would touch: probity request plan ${id}`];
  if (batch !== null && !isOver(state)) return [];
  if (state === 'planned') return [`Next        look at the plan and approve it: probity request plan ${id}`];
  if (state === 'approved' && last?.verb === 'wait') return waitText(id, last.code);
  if (state === 'approved') return ['Next        a worker carries it out, as soon as Temporal is there'];
  if (state === 'running' && last?.verb === 'wait') return waitText(id, last.code);
  // Of what is closed by a reply there is no certificate.
  if (state === 'closed' && (kind === 'restriction' || kind === 'rectification')) return [];
  if (state === 'closed') return [`Proof       probity request certificate ${id}`];
  return [];
}

/** Why work on a request, or a batch, waits for a person, and what the person can do. */
export function waitText(id: string, code: string | null): string[] {
  if (code === 'recipients')
    return ['NOT DONE    recipients have still to hear of it', `            who, and how far that is: probity request recipients ${id}`];
  if (code === 'held')
    return [
      'NOT DONE    somebody is under a legal hold, which wins: nothing of theirs changes until it is released',
      '            when the case is over: probity hold release H-… --reason WHY; the work then goes on by itself',
    ];
  if (code === 'other_signing_key' || code === 'other_master_key') {
    const [key, variable] = code === 'other_signing_key' ? ['signing', 'PROBITY_SIGNING_KEY'] : ['master', 'PROBITY_MASTER_KEY'];
    const under = code === 'other_signing_key' ? 'this was approved under' : 'its identities are sealed under';
    return [
      `NOT DONE    a worker has another ${key} key than the one that ${under}; its log names both`,
      `            give every worker the same ${variable}: the work then goes on by itself`,
    ];
  }
  if (code?.startsWith(STOPPED))
    return [
      `NOT DONE    the work stopped at an error (${code.slice(STOPPED.length)}) that another attempt would meet again: the worker’s log names the store and the table`,
      `            nothing of that step was changed. Mend it, and have the work go on: probity request resume ${id}`,
    ];
  if (code === 'rows_left')
    return [
      'NOT DONE    rows of the person come faster than they go: find out what writes them, and stop it',
      `            then have the work go on: probity request resume ${id}`,
    ];
  return [
    'NOT DONE    the scan found the person where the manifest does not look',
    `            look at what was found: probity request found ${id}`,
  ];
}

/** The head as in a report, then clock, suppression, what was done, and what is not. */
export function statusText(
  request: ShownRequest & {
    readonly events: readonly RequestEvent[];
    readonly notices?: readonly Notice[];
    readonly obligations?: readonly Obligation[];
    readonly found?: readonly FoundInKept[];
  },
  { home, zone, colours, now }: { readonly home: string; readonly zone: string; readonly colours: Colours; readonly now: Date },
): string {
  const { clock } = request;
  const verified = request.verifiedBy === null ? '' : ` · verified by ${request.verifiedBy.replaceAll('_', ' ')}`;
  const left = leftText(request, now);
  const article = REFUSAL_ARTICLES.find(({ code }) => code === request.refusedBy)?.article;
  const over = isOver(request.state)
    ? `${request.state}${article === undefined ? '' : ` by ${article}`} ${showShortDay(request.closedAt ?? now, zone)}`
    : `due ${showShortDay(clock.target, zone)}, ${/late/i.test(left) ? colours.red(left) : left}`;
  const repeats = request.repeats === 0 ? [] : [`Repeated    ${request.repeats} times while it was open`];
  const waiting = request.waiting.length === 0 ? [] : [`NOT YET     ${request.waiting.join(', ')}: probity serving status`];
  return [
    `${request.id}  ${askText(request)}${verified} · ${over}`,
    `Clock       ${clockText(request, zone)}`,
    ...suppressedText(request, home, zone),
    ...repeats,
    ...waiting,
    ...(request.batch === null
      ? []
      : [`Goes with   ${request.batch}, planned and carried out as one: probity request status ${request.batch}`]),
    ...request.events.map((event, index) => doneText(event, index, zone)),
    ...toldText(request.notices ?? [], now),
    ...obligedText(request.obligations ?? [], zone),
    ...stillFoundText(request.found ?? []),
    ...nextText(request, lastDone(request.events)),
  ].join('\n');
}

/** `Told        mailer acknowledged · ads SILENT 6 days · agency task open` */
export function toldText(notices: readonly Notice[], now: Date): string[] {
  return notices.length === 0 ? [] : [`Told        ${notices.map((it) => noticeText(it, now)).join(' · ')}`];
}

/** Their texts are not gone from what stays: `Still there shop.public.invoice: found in 3 rows kept by de-hgb-257`. */
export function stillFoundText(found: readonly FoundInKept[]): string[] {
  return found.map((it, index) => `${index === 0 ? 'Still there ' : '            '}${it.table}: ${foundText(it)}`);
}

/** One line of what was done: `2026-11-23 22:24 Berlin  verified (login), by operator` */
export function doneText({ verb, actor, at, code }: RequestEvent, index: number, zone: string): string {
  const what = `${DONE[verb] ?? verb}${code === null ? '' : ` (${code.replaceAll('_', ' ')})`}`;
  return `${index === 0 ? 'Done        ' : '            '}${showTime(at, zone)}  ${what}, by ${actor}`;
}

const DONE: Readonly<Record<string, string>> = {
  open: 'opened',
  repeat: 'asked again',
  ask: 'asked for proof, clock stopped',
  verify: 'verified',
  extend: 'extended',
  refuse: 'refused',
  cancel: 'cancelled',
  reply: 'told',
  plan: 'planned',
  revise: 'plan dropped',
  approve: 'approved',
  except: 'left out of the night’s plan',
  start: 'begun',
  wait: 'waits for a person',
  warn: 'warned',
  overdue: 'OVERDUE',
  finish: 'certified',
  dismiss: 'dismissed',
  redact: 'to be redacted',
  again: 'asked to search again',
  resume: 'asked to go on',
  acknowledge: 'recipient acknowledged',
  tell: 'recipient told',
  give_up: 'recipient given up',
  copy: 'copied',
};

function clockText({ receivedAt, clock, state, pausedAt }: ShownRequest, zone: string): string {
  const law = clock.law === 'california' ? 'California' : 'GDPR';
  const parts = [`received ${showShortDay(receivedAt, zone)}`, `by law (${law}) until the end of ${showShortDay(clock.due, zone)}`];
  if (clock.extended) parts.push('extended');
  if (isOver(state)) return parts.join(' · ');
  if (pausedAt !== null && clock.paused) parts.push(`stands still since ${showShortDay(pausedAt, zone)}`);
  if (clock.confirmBy !== null) parts.push(`confirm receipt until ${showShortDay(clock.confirmBy, zone)}`);
  if (clock.holidays === null) parts.push('weekends counted only: no holidays of the controller’s country are known');
  return parts.join(' · ');
}

/** `Suppressed  3 Nov 10:14:02 home · 10:14:03 support` */
function suppressedText(request: ShownRequest, home: string, zone: string): string[] {
  const times = Object.entries(request.suppressed).sort(([, one], [, other]) => one.getTime() - other.getTime());
  if (times.length === 0) return [];
  let day = '';
  const parts = times.map(([store, at]) => {
    const on = showShortDay(at, zone);
    const shown = `${on === day ? '' : `${on} `}${showTimeOfDay(at, zone)} ${store}${store === home ? ' (home)' : ''}`;
    day = on;
    return shown;
  });
  return [`Suppressed  ${parts.join(' · ')}`];
}

/** For programs. Names nobody. */
export function requestJson(request: ShownRequest & { readonly events?: readonly RequestEvent[] }): unknown {
  const { clock, ...row } = request;
  return {
    ...row,
    restsWith: restsWith(request),
    dueAt: clock.target,
    lastLegalDay: clock.due,
    law: clock.law,
    confirmBy: clock.confirmBy,
    extendableUntil: clock.extendableUntil,
    paused: clock.paused,
    warnings: clock.warnings,
    holidays: clock.holidays,
  };
}
