import type { Controller } from '../../manifest/model.ts';
import type { Law } from './clock.ts';
import type { RefusalArticle } from './articles.ts';
import type { RequestKind } from './model.ts';
import { stayingText, type Staying } from './staying.ts';
import type { RequestState } from './state.ts';

/** What a reply may say. Nothing of it identifies anybody: who it goes to, a person adds. */
export interface ReplyFacts {
  readonly id: string;
  readonly kind: RequestKind;
  /** As the manifest describes it; null: all, or none in particular. */
  readonly purpose: string | null;
  readonly state: RequestState;
  readonly law: Law;
  /** Days as they are written in the reply. */
  readonly received: string;
  readonly due: string;
  readonly extended: boolean;
  readonly refusal: RefusalArticle | null;
  readonly organisation: string;
  readonly controller: Controller | null;
  /** What an erasure that is done has left; nothing: all has gone. */
  readonly stays?: readonly Staying[];
  /** Where details of the person stay in it: `invoice: found in 3 rows kept by de-hgb-257`; of a batch nobody can tell of whom. */
  readonly found?: readonly string[];
  /** The batch whose plan says what else may stay, where only a person can tell of whom. */
  readonly lookUp?: string | null;
}

const KINDS: Readonly<Record<RequestKind, string>> = {
  withdrawal: 'withdrawal of consent',
  objection: 'objection',
  restriction: 'request for restriction of processing',
  erasure: 'request for erasure',
  access: 'request for access',
  portability: 'request for data portability',
  rectification: 'request for rectification',
};

/** The words for where a request stands, as a draft in English that a person reads before it goes out. */
export function replyText(facts: ReplyFacts): string {
  const { id, kind, organisation, controller, received } = facts;
  const contact = controller?.dpo ?? controller?.contact ?? null;
  return [
    `Subject: Your ${KINDS[kind]}, reference ${id}`,
    '',
    'Dear Sir or Madam,',
    '',
    `we received your ${KINDS[kind]} on ${received}.`,
    '',
    ...body(facts),
    '',
    ...(contact === null ? [] : [`For questions, write to ${contact} and name the reference ${id}.`, '']),
    'Yours faithfully',
    controller?.name ?? organisation,
  ].join('\n');
}

function body(facts: ReplyFacts): string[] {
  const { kind, state, due, law, extended, refusal, purpose } = facts;
  switch (state) {
    case 'received':
      return [`We will answer by ${due}. To be sure that we act for the right person, we may ask you for proof of who you are.`];
    case 'verifying':
      return [
        'Before we act we must be sure that the request comes from the person whom the data is about, and we have reasonable doubts. Please',
        'confirm it in the way that you usually identify yourself to us, for instance by signing in to your account. Do not send a copy of an',
        law === 'california'
          ? `identity card. The time until you answer counts; we will answer by ${due}.`
          : 'identity card. Until you answer, the time that the law gives us does not run (Art. 12(6) GDPR).',
      ];
    case 'refused':
      return refused(refusal, law);
    case 'cancelled':
      return ['As you asked, we have ended it without doing anything further. You may make the request again at any time.'];
    case 'closed':
      return [CLOSED[kind], ...staying(facts)];
    case 'copied':
      return copied(facts);
    case 'open':
    case 'suppressed':
    case 'planned':
    case 'approved':
    case 'running':
      return [
        ...inForce(kind, purpose),
        ...(extended
          ? [
              `Because of the complexity or the number of requests we need more time, and will answer by ${due}` +
                (law === 'california' ? ' (Cal. Civ. Code § 1798.130(a)(2)).' : ' (Art. 12(3) GDPR).'),
            ]
          : [`We will tell you by ${due} what we have done.`]),
      ];
  }
}

const CLOSED: Readonly<Record<RequestKind, string>> = {
  withdrawal: 'It has been carried out: we no longer use your data for this.',
  objection: 'We no longer process your data for what you objected to.',
  restriction: 'We store your data, but do not use it otherwise. We will tell you before we lift the restriction (Art. 18(3) GDPR).',
  erasure: 'It has been carried out.',
  access: 'It has been answered; the copy was handed over as agreed with you.',
  portability: 'It has been answered; the data was handed over as agreed with you.',
  rectification: 'We have put the data right, and have told those to whom we had disclosed it, unless that was impossible (Art. 19 GDPR).',
};

/** Art. 12(4) GDPR: what is not done is told with its reasons and the remedies. */
function staying({ stays = [], found = [], lookUp = null, law }: ReplyFacts): string[] {
  if (stays.length + found.length === 0 && lookUp === null) return [];
  return [
    '',
    'This stays, and why:',
    ...stays.map((it) => stayingText(it, law)),
    ...(found.length === 0 ? [] : ['Details of yours still stand in what stays:', ...found.map((it) => `- ${it}.`)]),
    ...(lookUp === null
      ? []
      : [`[Before you send it: what goes on for this person stands in the plan of ${lookUp}. Add it here, or take this line out.]`]),
    '',
    ...(law === 'california' ? CALIFORNIA_REMEDIES : ['If you disagree you may', ...REMEDIES]),
  ];
}

function inForce(kind: RequestKind, purpose: string | null): string[] {
  const what = purpose === null ? '' : ` (${purpose})`;
  if (kind === 'withdrawal') return [`Your withdrawal is in force: we no longer use your data for this purpose${what}.`];
  if (kind === 'objection') return [`While we examine your objection we do not process your data for this purpose${what}.`];
  if (kind === 'restriction') return ['The restriction is in force: we store your data, but do not use it otherwise.'];
  return [];
}

/** With the copy, as a covering letter. */
function copied({ kind, law }: ReplyFacts): string[] {
  const what =
    kind === 'portability'
      ? 'With this letter you receive, in a machine-readable format, the data that you have provided to us (Art. 20 GDPR).'
      : law === 'california'
        ? 'With this letter you receive a copy of the personal information that we hold about you (Cal. Civ. Code § 1798.110).'
        : 'With this letter you receive a copy of the personal data that we process about you, and what the law lets you know of it (Art. 15 GDPR).';
  return [
    what,
    'What is, or may be, about other people is left out, and marked where it stood.',
    ...(kind === 'portability'
      ? []
      : ['', ...(law === 'california' ? CALIFORNIA_REMEDIES : ['If you find something wrong, write to us. You may', ...REMEDIES])]),
  ];
}

/** Art. 15(1)(e) and (f) GDPR, and what a refusal must say as well (Art. 12(4)). */
export const REMEDIES: readonly string[] = [
  '- lodge a complaint with a supervisory authority, in particular where you live, where you work, or where you think that the law was',
  '  infringed (Art. 77 GDPR); the authorities are listed at https://www.edpb.europa.eu/about-edpb/about-edpb/members_en;',
  '- seek a remedy before the courts (Art. 79 GDPR).',
];

export const CALIFORNIA_REMEDIES: readonly string[] = [
  'If you disagree you may write to us. You may also complain to the California Privacy Protection Agency (cppa.ca.gov) or to the',
  'Attorney General of California (oag.ca.gov).',
];

/** Art. 12(4) GDPR: the reasons, the complaint, and the courts. */
function refused(refusal: RefusalArticle | null, law: Law): string[] {
  const why =
    refusal === null ? 'We do not take action on it.' : `We do not take action on it, because ${refusal.because} (${refusal.article}).`;
  if (law === 'california') return [why, '', ...CALIFORNIA_REMEDIES];
  return [why, '', 'If you disagree you may', ...REMEDIES];
}
