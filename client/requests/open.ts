import { createHmac } from 'node:crypto';
import { clockOf as storeClock } from '../../database/clock.ts';
import { StoreError } from '../../database/errors.ts';
import { UNKNOWN_PURPOSE } from '../../database/permission/record.ts';
import { openRequests as openRows, type Asked, type Opened } from '../../database/requests/open.ts';
import { grantedPurposes, regimesOfPeople, type Person } from '../../database/requests/people.ts';
import { referenceSecret } from '../../database/requests/read.ts';
import { lawOf, type ClockFacts } from '../../domain/requests/clock.ts';
import type { RequestKind } from '../../domain/requests/model.ts';
import { firstState, LEDGER_KINDS, type RequestState } from '../../domain/requests/state.ts';
import { EVERY_PURPOSE } from '../../manifest/decisions.ts';
import { requireHome } from '../migrate.ts';
import type { Project } from '../project.ts';
import { Refused } from '../refused.ts';
import { checkAsk, type CheckedAsk, type RequestAsk } from './ask.ts';
import { clockOf, regimesFor } from './clock.ts';
import { seekPeople } from './people.ts';
import { sealNew } from './seal.ts';

export interface OpenOptions {
  /** Who opens it, for the record: a name of a person or a service. */
  readonly actor: string;
  readonly door?: 'command' | 'library';
  /** Also for a key or an address that nobody has. */
  readonly unknown?: boolean;
  /** Without: the home store's. */
  readonly now?: Date;
}

/** What became of one request; `problem` says why none was opened. */
export type OpenedRequest =
  | {
      readonly requestId: string | null;
      /**
       * `joined`: the same was open already. `known`: its reference was. `granted since`: the word was recorded, but the same was granted
       * later than it was said, so that there is nothing to do.
       */
      readonly outcome: Exclude<Opened['outcome'], 'taken'>;
      readonly kind: RequestKind;
      readonly state: RequestState;
      /** What to work by; the last legal day may be later. */
      readonly dueAt: Date | null;
      /** Withdrawals and objections that an erasure says. */
      readonly also: readonly string[];
      /** False: there is no master key, so that what the requester gave besides the subject's key is not kept. */
      readonly sealed: boolean;
    }
  | { readonly problem: string; readonly why: 'person' | 'reference' };

const TAKEN = 'under this reference something else was asked; give each request a reference of its own';

/**
 * Opens requests, of all kinds, in one transaction of the home store: one result each, in order. A withdrawal, an objection or a restriction
 * is in force when it returns; so is the one from which an erasure follows. What nobody can be found for is not opened, and says why; the
 * others are. Asking again under the same `reference` changes nothing.
 *
 * Throws `Refused` before anything is written when an entry does not fit the manifest; `StoreError` when the store is out of reach. No
 * message quotes what was given.
 *
 * @example
 * await openRequests(project, [{ subject: 'customer', identity: 'email', value: address, kind: 'access', reference: 'ticket-4711' }],
 *   { actor: 'helpdesk' });
 */
export async function openRequests(project: Project, asks: readonly RequestAsk[], options: OpenOptions): Promise<OpenedRequest[]> {
  if (asks.length === 0) return [];
  await requireHome(project);
  const now = options.now ?? (await storeClock(project.home));
  const places = asks.map((_, index) => (asks.length === 1 ? '' : `Request ${index + 1}: `));
  const checked = asks.map((ask, index) => checkAsk(project.manifest, ask, places[index]!, now));
  return openChecked(project, checked, options, now);
}

/** The same for what has been checked. */
export async function openChecked(
  project: Project,
  checked: readonly CheckedAsk[],
  { actor, door = 'library', unknown = false }: OpenOptions,
  now: Date,
): Promise<OpenedRequest[]> {
  const { home, manifest } = project;
  const sought = await seekPeople(
    project,
    checked.map(({ who }) => who),
    unknown,
  );
  const found = sought.flatMap((person, index) => ('problem' in person ? [] : [{ person, index, ask: checked[index]! }]));
  const secret = await referenceSecret(home);
  const regimes = await regimesOfPeople(
    home,
    found.map(({ person }) => person),
  );
  const rows: Asked[] = [];
  // Of thousands that came at once only a few clocks differ, and calendars are slow to ask.
  const dues = new Map<string, Date>();
  for (const [n, { person, ask }] of found.entries()) {
    const under = regimesFor(manifest, regimes[n] ?? null);
    const receivedAt = ask.receivedAt ?? now;
    const due = (kind: RequestKind): Date => {
      const of = [kind, receivedAt.toISOString(), ...under].join(' ');
      const known = dues.get(of) ?? clockOf(manifest, { ...NEW, kind, receivedAt, regimes: under }, now).target;
      dues.set(of, known);
      return known;
    };
    const ledger = LEDGER_KINDS.includes(ask.kind);
    rows.push({
      ...person,
      kind: ask.kind,
      purpose: ask.purpose,
      grounds: ask.grounds,
      regimes: under,
      receivedAt,
      dueAt: due(ask.kind),
      timed: ask.receivedAt !== null || under.some((it) => lawOf(it) !== 'gdpr'),
      state: firstState(ask.kind, ask.verified !== null),
      verified: ask.verified,
      note: ask.note,
      reference: ask.reference === null ? null : hashed(secret, ask.reference, person, ask),
      says: (await saidBy(project, person, ask)).map((it) => ({ ...it, dueAt: due(KIND_OF[it.decision]) })),
      ledger,
      actor,
      door,
    });
  }
  const opened = await openRows(home, rows).catch((error: unknown) => {
    if (error instanceof StoreError && error.code === UNKNOWN_PURPOSE)
      throw new Refused('The manifest in force does not know this purpose: put yours in force with `probity apply`');
    throw error;
  });
  const sealed = await sealNew(
    project,
    found.flatMap(({ person, ask }, n) => {
      const { id: requestId, outcome } = opened[n]!;
      // What the ledger knows is about the subject's key, and done by it.
      return requestId === null || outcome === 'taken' || LEDGER_KINDS.includes(ask.kind) ? [] : [{ requestId, person, who: ask.who }];
    }),
  );
  const results: OpenedRequest[] = sought.map((it) => ({ problem: 'problem' in it ? it.problem : '', why: 'person' }));
  for (const [n, { index, ask }] of found.entries()) {
    const { id, outcome, ...rest } = opened[n]!;
    results[index] =
      outcome === 'taken' ? { problem: TAKEN, why: 'reference' } : { requestId: id, outcome, kind: ask.kind, ...rest, sealed };
  }
  return results;
}

const NEW: Pick<ClockFacts, 'extendedAt' | 'pausedMs' | 'pausedAt'> = { extendedAt: null, pausedMs: 0, pausedAt: null };

const KIND_OF = { withdrawn: 'withdrawal', objected: 'objection', restricted: 'restriction' } as const;
type Said = { readonly purpose: string; readonly decision: keyof typeof KIND_OF };

/** What the consent ledger is told: leaving takes effect at once, whatever becomes of the erasure. */
async function saidBy({ home }: Project, person: Person, { kind, purpose, grounds }: CheckedAsk): Promise<Said[]> {
  if (kind === 'withdrawal') return [{ purpose: purpose!, decision: 'withdrawn' }];
  if (kind === 'objection') return [{ purpose: purpose!, decision: 'objected' }];
  if (kind === 'restriction') return [{ purpose: EVERY_PURPOSE, decision: 'restricted' }];
  const withdrawn = !grounds.includes('consent_withdrawn')
    ? []
    : purpose === EVERY_PURPOSE
      ? await grantedPurposes(home.db, person)
      : [purpose!];
  return [
    ...withdrawn.map((it): Said => ({ purpose: it, decision: 'withdrawn' })),
    ...(grounds.includes('objected') ? [{ purpose: purpose!, decision: 'objected' } as const] : []),
  ];
}

function hashed(secret: Buffer, reference: string, { subject, key }: Person, { kind, purpose, grounds }: CheckedAsk) {
  const hmac = (domain: string, text: string): Buffer => createHmac('sha256', secret).update(`${domain}\n${text}`).digest();
  return {
    hash: hmac('reference', reference),
    fingerprint: hmac('ask', JSON.stringify([subject, key, kind, purpose, grounds])),
  };
}
