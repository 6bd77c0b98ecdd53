import { createHash, timingSafeEqual } from 'node:crypto';

/** Somebody who has shown a token, or the service itself. */
export interface Actor {
  /** Stands in decisions and looks, and is never given to anybody else. */
  readonly name: string;
  readonly roles: readonly string[];
}

/** May add and revoke actors. */
export const ADMIN = 'admin';
/** Works on requests, and may look at whom they are about. */
export const OFFICER = 'officer';
/** Decides on plans, unless the manifest names other roles. */
export const APPROVER = 'approver';

const SERVICE_NAME = 'service';
/** Our own activities, which need identities to find people's rows. No actor can have this name. */
export const SERVICE: Actor = { name: SERVICE_NAME, roles: [SERVICE_NAME] };

const NAME = /^[a-z0-9][a-z0-9._-]{0,39}$/;
const ROLE = /^[a-z][a-z0-9_]{0,39}$/;

/** One spelling only: `Anna` must not pass for somebody else than `anna`. */
export function isActorName(name: string): boolean {
  return NAME.test(name) && name !== SERVICE_NAME;
}

export function isRole(role: string): boolean {
  return ROLE.test(role) && role !== SERVICE_NAME;
}

export const TOKEN_ID_BYTES = 8;
export const TOKEN_SECRET_BYTES = 32;
/** By which scanners for secrets know it. */
const PREFIX = 'probity_actor_';
const TOKEN = /^probity_actor_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

/** Both random: the one to find the actor by, the other to be known by. */
export function writeToken(id: Buffer, secret: Buffer): string {
  return `${PREFIX}${id.toString('hex')}_${secret.toString('base64url')}`;
}

export interface ShownToken {
  readonly id: string;
  readonly hash: Buffer;
}

/** Null for what cannot be a token. */
export function readToken(text: string): ShownToken | null {
  const token = text.trim();
  const id = TOKEN.exec(token)?.[1];
  return id === undefined ? null : { id, hash: tokenHash(token) };
}

/**
 * One SHA-256 and no salt or slow hash: these defend what people make up, of which there is little to guess. A token is 32 random bytes;
 * nobody finds it from its hash, however fast hashing is, and no table of hashes holds it.
 */
export function tokenHash(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}

/** Takes the same time wherever the two differ. */
export function sameHash(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
