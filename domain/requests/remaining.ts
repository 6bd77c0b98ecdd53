import { basisOf, channelsOf, isOptIn, regimesOf } from '../../manifest/basis.ts';
import type { Basis, Manifest, Purpose } from '../../manifest/model.ts';
import type { Answer } from '../permission/types.ts';
import type { ErasureGround, ErasureScope, RemainingPurpose, RequestKind } from './model.ts';

/** Stands for every purpose. */
const ALL = '*';

/** What a request says about erasure. */
export interface ErasureRequest {
  readonly kind: RequestKind;
  /** Of an erasure. A withdrawal and an objection have theirs by their kind, and other kinds erase nothing. */
  readonly grounds: readonly ErasureGround[];
  /** What is withdrawn or objected to; `*` for all. */
  readonly purposes: readonly string[];
  /** Null: everywhere. Who ends only one channel stops that channel, and nothing is erased. */
  readonly channel: string | null;
  /** Of what is objected to: where somebody has weighed it and decided for the person. */
  readonly upheld: readonly string[];
}

/** What is known of one person, as it was the moment before the request: what came later neither keeps nor rescues anything. */
export interface PurposeFacts {
  /** Null: unknown. */
  readonly regime: string | null;
  /** By purpose: `permission()` on any channel. A purpose without an answer was not asked about. */
  readonly answers: Readonly<Record<string, Pick<Answer, 'allowed' | 'reason'>>>;
}

/** From the basis that is easiest lost to the one that is hardest. */
const BY_STRENGTH: readonly Basis[] = [
  'consent',
  'soft_opt_in',
  'opt_out',
  'legitimate_interests',
  'contract',
  'public_task',
  'vital_interests',
  'legal_obligation',
];

/** What outlasts a demand to erase everything: duties and tasks (Art. 17(3)(b)), and what is still needed (not Art. 17(1)(a)). */
const OUTLASTING: readonly Basis[] = ['legal_obligation', 'public_task', 'vital_interests', 'contract'];
/** In force for people whom nobody knows, too: keeping what a law demands cannot be made up for once it is gone. */
const UNASKED: readonly Basis[] = ['legal_obligation', 'vital_interests'];

const ARTICLES: Readonly<Record<Basis, string>> = {
  consent: 'Art. 6(1)(a)',
  soft_opt_in: 'Art. 13(2) Directive 2002/58/EC',
  opt_out: 'Cal. Civ. Code § 1798.120',
  legitimate_interests: 'Art. 6(1)(f)',
  contract: 'Art. 6(1)(b)',
  vital_interests: 'Art. 6(1)(d)',
  public_task: 'Art. 17(3)(b)',
  legal_obligation: 'Art. 17(3)(b)',
};

/** Grounds that are about all data, not about some purposes. */
const WHOLE: readonly ErasureGround[] = ['no_longer_necessary', 'unlawful', 'legal_duty', 'child'];

/**
 * What a request ends for a person, and what goes on. `manifest` is the one that was in force when the request came. People with equal scopes
 * make one class, for which one plan is made.
 */
export function erasureScope(request: ErasureRequest, facts: PurposeFacts, manifest: Manifest): ErasureScope {
  const grounds = groundsOf(request);
  const purposes = Object.entries(manifest.purposes)
    .map(([name, purpose]) => ({ name, purpose, basis: basisFor(purpose, facts.regime, manifest) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const whole = grounds.some((it) => WHOLE.includes(it));
  const ends = (name: string, purpose: Purpose, basis: Basis): boolean =>
    (whole && (purpose.endsOnRequest || !OUTLASTING.includes(basis))) ||
    grounds.some((ground) => endedBy(ground, request, name, purpose, basis));
  const ended = purposes.filter(({ name, purpose, basis }) => ends(name, purpose, basis)).map(({ name }) => name);
  const remaining = purposes
    .filter(({ name, purpose, basis }) => !ended.includes(name) && inForce(purpose, basis, facts.answers[name]))
    .map(({ name, basis }): RemainingPurpose => ({ purpose: name, basis, article: ARTICLES[basis] }));
  return { ended: whole ? null : ended, remaining };
}

/** The purposes that go on after a request, by name. */
export function remainingPurposes(request: ErasureRequest, facts: PurposeFacts, manifest: Manifest): readonly RemainingPurpose[] {
  return erasureScope(request, facts, manifest).remaining;
}

function groundsOf({ kind, grounds }: ErasureRequest): readonly ErasureGround[] {
  switch (kind) {
    case 'withdrawal':
      return ['consent_withdrawn'];
    case 'objection':
      return ['objected'];
    case 'erasure':
      return grounds;
    default:
      return [];
  }
}

/** Of several channels the hardest basis to lose keeps the data; of regimes that are all possible, the easiest lost decides. */
function basisFor(purpose: Purpose, regime: string | null, manifest: Manifest): Basis {
  const weakestFirst = (bases: readonly Basis[]): Basis[] => bases.toSorted((a, b) => BY_STRENGTH.indexOf(a) - BY_STRENGTH.indexOf(b));
  const under = (one: string): Basis =>
    weakestFirst(channelsOf(purpose).map((channel) => basisOf(purpose, channel, one) ?? 'consent')).at(-1) ?? 'consent';
  return weakestFirst(regime === null ? regimesOf(manifest).map(under) : [under(regime)])[0] ?? 'consent';
}

function endedBy(ground: ErasureGround, request: ErasureRequest, name: string, purpose: Purpose, basis: Basis): boolean {
  const named = request.channel === null && (request.purposes.includes(name) || request.purposes.includes(ALL));
  if (!named) return false;
  // An opt-out under Californian law stops sale and sharing; deletion there is a request of its own.
  if (ground === 'consent_withdrawn') return isOptIn(basis);
  if (ground !== 'objected') return false;
  if (isOptIn(basis)) return true;
  if (basis !== 'legitimate_interests' && basis !== 'public_task') return false;
  return purpose.objection === 'absolute' || request.upheld.includes(name) || request.upheld.includes(ALL);
}

/** Whether the basis held, so that it keeps what it covers. */
function inForce({ objection }: Purpose, basis: Basis, answer: PurposeFacts['answers'][string] | undefined): boolean {
  if (UNASKED.includes(basis)) return answer?.reason !== 'ended';
  if (answer === undefined) return false;
  if (answer.allowed) return true;
  // Restricted data stays for what it was held for, and an objection that nobody has weighed yet only stops the use.
  return answer.reason === 'restricted' || (answer.reason === 'objected' && objection !== 'absolute' && !isOptIn(basis));
}
