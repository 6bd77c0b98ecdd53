import type { Basis, Decision, IsoDuration, Purpose } from '../../manifest/model.ts';

/**
 * Microseconds since 1970, as exact as Postgres keeps a `timestamptz` and safe as a number until 2255; ±Infinity for the infinite ones.
 * Milliseconds would let a grant and a withdrawal tie that Postgres tells apart.
 */
export type Micros = number;

export const MICROS_PER_MS = 1000;

/** One row of `probity.purpose_rule`: how a purpose is judged on one channel under one regime. */
export interface PermissionRule {
  readonly purpose: string;
  /** `*` where all regimes agree. */
  readonly regime: string;
  /** Empty for a purpose that knows no channels. */
  readonly channel: string;
  readonly basis: Basis;
  readonly objection: Purpose['objection'];
  readonly expires: IsoDuration | null;
  readonly doubleOptIn: boolean;
  readonly minimumAge: number | null;
  readonly zone: string;
}

/** One decision of a person, or of somebody who turned out to be that person. */
export interface ConsentRecord {
  readonly id: number;
  /** Who said it: the person itself, a device, an address. */
  readonly source: string;
  /** When the source was known to be the person; -Infinity for the person itself. */
  readonly linkedAt: Micros;
  /** `*` for restrictions. */
  readonly purpose: string;
  /** Null: about the purpose as a whole. */
  readonly channel: string | null;
  readonly decision: Decision;
  readonly capturedAt: Micros;
  readonly receivedAt: Micros;
  readonly givenBy: 'self' | 'parent';
  /** In force when it was recorded; `none` where there was no rule. */
  readonly basis: Basis | 'none';
  /** The end that was promised when it was recorded. */
  readonly expiresAt: Micros | null;
}

/** What the company's own tables say of a subject. */
export interface SubjectFacts {
  /** False: there is no such subject, or nobody can tell. */
  readonly known: boolean;
  /** Null: unknown, so that every regime must allow. */
  readonly regime: string | null;
  /** `YYYY-MM-DD`: the latest day on which the subject can have been born. */
  readonly birth: string | null;
  /** Purpose → when it ends for the subject. */
  readonly ends: Readonly<Record<string, Micros>>;
}

export interface Question {
  readonly purpose: string;
  /** Null asks whether any channel may be used. */
  readonly channel: string | null;
  readonly at: Micros;
}

/** Stable: printed, stored and documented. The first three allow. */
export type Reason =
  | 'granted'
  /** Soft opt-in: the chance to refuse was offered, and not taken. */
  | 'offered'
  /** A basis that does not wait for a grant. */
  | 'basis_holds'
  | 'unknown_purpose'
  | 'unknown_channel'
  | 'unknown_regime'
  | 'unknown_subject'
  | 'ended'
  | 'restricted'
  | 'refused'
  | 'withdrawn'
  | 'objected'
  | 'objection_upheld'
  | 'under_age'
  | 'unknown_age'
  | 'expired'
  /** Double opt-in: granted or pending, and never confirmed. */
  | 'unconfirmed'
  | 'not_asked'
  | 'no_consent';

export interface Answer {
  readonly allowed: boolean;
  readonly reason: Reason;
  /** The record that decided; null where none did. */
  readonly record: number | null;
}
