import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { SINK_KEY_BYTES } from '../domain/serving/sink-line.ts';

/** Where the Ed25519 key that signs certificates comes from: the key itself, or a file that holds it (PKCS #8, PEM). */
export interface SigningKeySource {
  readonly PROBITY_SIGNING_KEY?: string | undefined;
  readonly PROBITY_SIGNING_KEY_FILE?: string | undefined;
}

export class SigningKeyMissing extends Error {
  override readonly name = 'SigningKeyMissing';
}

/** Reads the private key. Throws `SigningKeyMissing`, whose message says what to do and never quotes the key. */
export function readSigningKey(env: SigningKeySource): KeyObject {
  const { PROBITY_SIGNING_KEY: text, PROBITY_SIGNING_KEY_FILE: file } = env;
  if (!text && !file) {
    throw new SigningKeyMissing(
      'No signing key: make one with `probity keys create FILE` and set PROBITY_SIGNING_KEY_FILE=FILE, or put the PEM into PROBITY_SIGNING_KEY',
    );
  }
  const pem = text ? text.replaceAll('\\n', '\n') : readPem(file ?? '');
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new SigningKeyMissing('The signing key is not a private key in PEM');
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new SigningKeyMissing('The signing key is not an Ed25519 key');
  return key;
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new SigningKeyMissing(`The signing key file ${file} cannot be read`);
  }
}

/** Writes a new private key, readable by its owner only. Throws when the file is there: a key is never overwritten. */
export function createSigningKey(file: string): void {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
}

/** Writes a new key for the sink, in base64. Throws when the file is there: without its key a sink says nothing. */
export function createSinkKey(file: string): void {
  writeFileSync(file, `${randomBytes(SINK_KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
}
