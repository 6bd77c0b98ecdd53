import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';

/*
 * The vault's envelope: what a request knows of people is encrypted with a data key of its own, and that key with a master key. The content
 * is bound to its request, the wrapped key to the request and the master key; so nothing opens in another's place.
 */

/** One person of a request, as whoever asked named them and as the stores know them. */
export interface VaultPerson {
  /** A subject of the manifest. */
  readonly subject: string;
  /** Empty while it is not known. */
  readonly key: readonly string[];
  /** Identity of the subject, such as `email` → its values. */
  readonly identities: Readonly<Record<string, readonly string[]>>;
}

export interface VaultContent {
  readonly people: readonly VaultPerson[];
  /** Where the answer goes, such as an address; null: nowhere. */
  readonly reply: string | null;
}

/**
 * Holds the master key, or asks somebody who does. Asynchronous, and with the request as context, since a key service of a cloud answers over
 * the network and binds such a context itself. Neither function may put a key into an error.
 */
export interface KeyProvider {
  /** Names the key that wraps now, without telling it. */
  readonly keyId: string;
  /** Whether it has the key of this name. */
  readonly opens: (keyId: string) => boolean;
  readonly wrap: (dataKey: Buffer, requestId: string) => Promise<Buffer>;
  /** Throws `VaultRefused` for a key that it does not have, and for what was not wrapped like this. */
  readonly unwrap: (wrapped: Buffer, keyId: string, requestId: string) => Promise<Buffer>;
}

/** Why the vault stays shut. The message never quotes a key or a content. */
export class VaultRefused extends Error {
  override readonly name = 'VaultRefused';
  readonly code: 'no key' | 'other key' | 'altered' | 'destroyed' | 'absent' | 'closed';

  constructor(code: VaultRefused['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export const KEY_BYTES = 32;
/** As AES-GCM wants it. */
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const VERSION = 'probity vault 1';
/** Enough to tell keys apart; says nothing about the key. */
const KEY_ID_LENGTH = 16;

/** Names a master key without telling it. */
export function masterKeyId(key: Buffer): string {
  return createHash('sha256').update('probity master key').update(key).digest('hex').slice(0, KEY_ID_LENGTH);
}

/** `dataKey` and `nonce` are random and used for nothing else. */
export function sealContent(content: VaultContent, requestId: string, dataKey: Buffer, nonce: Buffer): Buffer {
  return encrypt(Buffer.from(JSON.stringify(content), 'utf8'), dataKey, nonce, ['content', requestId]);
}

/** Throws `VaultRefused` when the content was altered, or is another request's. */
export function openContent(box: Buffer, requestId: string, dataKey: Buffer, nonce: Buffer): VaultContent {
  const plain = decrypt(box, dataKey, nonce, ['content', requestId]);
  if (plain === null) throw altered(requestId);
  try {
    return JSON.parse(plain.toString('utf8')) as VaultContent;
  } finally {
    plain.fill(0);
  }
}

/** The nonce and behind it the encrypted key; `nonce` is random: far fewer than 2^32 keys are wrapped under one master key. */
export function wrapKey(dataKey: Buffer, masterKey: Buffer, requestId: string, nonce: Buffer): Buffer {
  return Buffer.concat([nonce, encrypt(dataKey, masterKey, nonce, ['key', requestId, masterKeyId(masterKey)])]);
}

/** Throws `VaultRefused` when it was altered, or wrapped for another request or by another key. */
export function unwrapKey(wrapped: Buffer, masterKey: Buffer, requestId: string): Buffer {
  const nonce = wrapped.subarray(0, NONCE_BYTES);
  const dataKey = decrypt(wrapped.subarray(NONCE_BYTES), masterKey, nonce, ['key', requestId, masterKeyId(masterKey)]);
  if (dataKey?.length !== KEY_BYTES) throw altered(requestId);
  return dataKey;
}

function altered(requestId: string): VaultRefused {
  return new VaultRefused('altered', `The identities of ${requestId} do not open: they were altered, or are another request's`);
}

function encrypt(plain: Buffer, key: Buffer, nonce: Buffer, context: readonly string[]): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(bound(context));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Null when it is not what was encrypted. Node's own errors say nothing of use, so they go no further. */
function decrypt(box: Buffer, key: Buffer, nonce: Buffer, context: readonly string[]): Buffer | null {
  if (nonce.length !== NONCE_BYTES || box.length < TAG_BYTES) return null;
  try {
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(bound(context));
    decipher.setAuthTag(box.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(box.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch {
    return null;
  }
}

/** As a list, so that no two contexts give the same bytes. */
function bound(context: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([VERSION, ...context]), 'utf8');
}
