import type { RequestKind } from './model.ts';

/**
 * `received`: we must know who asks. `verifying`: the subject was asked, the clock stands still. `open`: it is to be planned; of a withdrawal,
 * an objection or a restriction: in force here, not yet in every store. `suppressed`: in force everywhere. `copied`: a copy was made, and is to
 * be handed over.
 */
export const REQUEST_STATES = [
  'received',
  'verifying',
  'open',
  'suppressed',
  'planned',
  'approved',
  'running',
  'copied',
  'closed',
  'refused',
  'cancelled',
] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

/**
 * `ask`: the subject is asked who it is. `suppress`: every store has followed. `revise`: a plan is dropped, since what it was made of has
 * changed. `finish`: what was approved is done. `copy`: what is held was written into files. `answer`: nothing is to be erased, what was asked
 * for was handed over, and the subject was told. `reopen`: something was found later.
 */
export const REQUEST_VERBS = [
  'ask',
  'verify',
  'suppress',
  'plan',
  'revise',
  'approve',
  'start',
  'finish',
  'copy',
  'answer',
  'extend',
  'refuse',
  'cancel',
  'reopen',
] as const;
export type RequestVerb = (typeof REQUEST_VERBS)[number];

export const REQUEST_KINDS = [
  'withdrawal',
  'objection',
  'restriction',
  'erasure',
  'access',
  'portability',
  'rectification',
] as const satisfies readonly RequestKind[];

/** Recorded in the consent ledger and in force at once, whoever says it: asking for proof would make leaving harder than joining. */
export const LEDGER_KINDS: readonly RequestKind[] = ['withdrawal', 'objection', 'restriction'];

/** Whether the requester's identity must be established: whoever is not the person would destroy or learn what is another's. */
export function needsVerification(kind: RequestKind): boolean {
  return !LEDGER_KINDS.includes(kind);
}

export function firstState(kind: RequestKind, verified: boolean): RequestState {
  return needsVerification(kind) && !verified ? 'received' : 'open';
}

export function isOver(state: RequestState): boolean {
  return state === 'closed' || state === 'refused' || state === 'cancelled';
}

type Leads = Readonly<Partial<Record<RequestState, RequestState>>>;
const same = (...states: readonly RequestState[]): Leads => Object.fromEntries(states.map((state) => [state, state]));
const to = (target: RequestState, ...states: readonly RequestState[]): Leads => Object.fromEntries(states.map((state) => [state, target]));

const VERIFIED: Leads = {
  ...same('received', 'verifying', 'open', 'planned', 'approved', 'running', 'copied'),
};
/** Of a request that the ledger knows, and of any other. */
const LEADS: Readonly<Record<RequestVerb, { readonly ledger: Leads; readonly other: Leads }>> = {
  ask: { ledger: {}, other: to('verifying', 'received') },
  verify: { ledger: {}, other: to('open', 'received', 'verifying') },
  suppress: { ledger: to('suppressed', 'open'), other: {} },
  plan: { ledger: to('planned', 'suppressed', 'planned'), other: to('planned', 'open', 'planned') },
  revise: { ledger: to('suppressed', 'planned', 'approved'), other: to('open', 'planned', 'approved') },
  approve: { ledger: to('approved', 'planned'), other: to('approved', 'planned') },
  start: { ledger: to('running', 'approved'), other: to('running', 'approved') },
  finish: { ledger: to('closed', 'running'), other: to('closed', 'running') },
  copy: { ledger: {}, other: to('copied', 'open', 'copied') },
  answer: { ledger: to('closed', 'suppressed'), other: to('closed', 'open', 'copied') },
  extend: { ledger: same('open', 'suppressed', 'planned', 'approved', 'running'), other: VERIFIED },
  refuse: {
    ledger: to('refused', 'suppressed', 'planned'),
    other: to('refused', 'received', 'verifying', 'open', 'planned', 'copied'),
  },
  // Before every store has followed, those that have not must still hear of it.
  cancel: {
    ledger: to('cancelled', 'suppressed', 'planned', 'approved'),
    other: to('cancelled', 'received', 'verifying', 'open', 'planned', 'approved', 'copied'),
  },
  reopen: { ledger: to('suppressed', 'closed'), other: to('open', 'closed') },
};

/** Kinds that are fulfilled when the subject has been told: in force everywhere, or put right by hand. */
const ANSWERED: readonly RequestKind[] = ['objection', 'restriction', 'rectification'];
/** Kinds that are fulfilled when a copy of what is held was handed over. */
const COPIED: readonly RequestKind[] = ['access', 'portability'];

/** Whether a copy of what is held answers it. */
export function isCopied(kind: RequestKind): boolean {
  return COPIED.includes(kind);
}

export type Move = { readonly state: RequestState } | { readonly refused: string };

/** Where a verb leads, or a sentence that says why it leads nowhere and what would. Never names a person. */
export function move(kind: RequestKind, state: RequestState, verb: RequestVerb): Move {
  const never = impossible(kind, state, verb);
  if (never !== null) return { refused: never };
  const next = LEADS[verb][LEDGER_KINDS.includes(kind) ? 'ledger' : 'other'][state];
  return next === undefined ? { refused: sentence(kind, state, verb) } : { state: next };
}

function impossible(kind: RequestKind, state: RequestState, verb: RequestVerb): string | null {
  const article = /^[aeiou]/.test(kind) ? 'An' : 'A';
  if ((verb === 'ask' || verb === 'verify') && !needsVerification(kind))
    return `${article} ${kind} needs no verification: it is in force whoever says it`;
  if (verb === 'refuse' && kind === 'withdrawal') return 'A withdrawal cannot be refused (Art. 7(3) GDPR): it is in force';
  if (verb === 'extend' && kind === 'withdrawal') return 'A withdrawal cannot be extended: it takes effect at once';
  if (verb === 'copy' && !isCopied(kind)) return `${article} ${kind} asks for no copy: only access and portability do`;
  if (verb === 'answer' && isCopied(kind))
    return state === 'copied' || isOver(state) ? null : `${article} ${kind} is answered with a copy: make it first`;
  if (verb === 'answer' && !ANSWERED.includes(kind))
    return `${article} ${kind} is not done by an answer alone: it is planned and carried out`;
  return null;
}

const DONE: Readonly<Record<RequestVerb, string>> = {
  ask: 'asked who somebody is',
  verify: 'verified',
  suppress: 'marked as in force everywhere',
  plan: 'planned',
  revise: 'planned anew',
  approve: 'approved',
  start: 'carried out',
  finish: 'finished',
  copy: 'copied',
  answer: 'closed by an answer',
  extend: 'extended',
  refuse: 'refused',
  cancel: 'cancelled',
  reopen: 'opened again',
};

const STANDS: Readonly<Record<RequestState, string>> = {
  received: 'it waits for its requester to be verified',
  verifying: 'its requester was asked for proof and has not answered',
  open: 'it is open',
  suppressed: 'it is in force everywhere',
  planned: 'it is planned',
  approved: 'it is approved',
  running: 'it is being carried out',
  copied: 'a copy was made and is to be handed over',
  closed: 'it is closed',
  refused: 'it was refused',
  cancelled: 'it was cancelled',
};

function sentence(kind: RequestKind, state: RequestState, verb: RequestVerb): string {
  const still = LEDGER_KINDS.includes(kind) && state === 'open' ? 'not every store has followed yet' : STANDS[state];
  return `It cannot be ${DONE[verb]}: ${still}`;
}
