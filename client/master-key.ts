import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { KEY_BYTES, masterKeyId, NONCE_BYTES, unwrapKey, VaultRefused, wrapKey, type KeyProvider } from '../domain/requests/vault.ts';

/**
 * Where the keys that wrap the vault's data keys come from: the keys themselves, or a file that holds them. 32 bytes each, in base64,
 * separated by white space: the first wraps, the others still open what they wrapped.
 */
export interface MasterKeySource {
  readonly PROBITY_MASTER_KEY?: string | undefined;
  readonly PROBITY_MASTER_KEY_FILE?: string | undefined;
}

/** Says what to do, and never quotes a key. */
export class MasterKeyMissing extends Error {
  override readonly name = 'MasterKeyMissing';
}

/** The key provider of a file or the environment. Throws `MasterKeyMissing`. */
export function readMasterKeys(env: MasterKeySource): KeyProvider {
  const { PROBITY_MASTER_KEY: text, PROBITY_MASTER_KEY_FILE: file } = env;
  if (text) return keyRing(parse(text, 'PROBITY_MASTER_KEY'));
  if (file) return keyRing(parse(readKeyFile(file), file));
  throw new MasterKeyMissing(
    'No master key, which encrypts whom requests are about: make one with `probity keys create --master FILE` and set PROBITY_MASTER_KEY_FILE=FILE, or put the key into PROBITY_MASTER_KEY',
  );
}

/** Writes a new master key, in base64, readable by its owner only. Throws when the file is there: a key is never overwritten. */
export function createMasterKey(file: string): void {
  writeFileSync(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
}

/** Keys in our own hands: the first wraps, each opens what it has wrapped. */
export function keyRing(keys: readonly Buffer[]): KeyProvider {
  const [first] = keys;
  if (first === undefined) throw new MasterKeyMissing('There is no master key');
  const byId = new Map(keys.map((key) => [masterKeyId(key), key]));
  return {
    keyId: masterKeyId(first),
    opens: (id) => byId.has(id),
    wrap: async (dataKey, requestId) => wrapKey(dataKey, first, requestId, randomBytes(NONCE_BYTES)),
    unwrap: async (wrapped, keyId, requestId) => {
      const key = byId.get(keyId);
      if (key === undefined) {
        const known = [...byId.keys()].join(', ');
        throw new VaultRefused('other key', `The identities of ${requestId} are under the master key ${keyId}; given is ${known}`);
      }
      return unwrapKey(wrapped, key, requestId);
    },
  };
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new MasterKeyMissing(`The master key file ${file} cannot be read`);
  }
}

function parse(text: string, where: string): Buffer[] {
  const written = text.split(/\s+/).filter((part) => part !== '');
  return written.map((part) => {
    const key = Buffer.from(part, 'base64');
    // Decoding skips what is not base64: a mistyped key must not become another key.
    if (key.length !== KEY_BYTES || key.toString('base64') !== part)
      throw new MasterKeyMissing(
        `${where} holds something that is not ${KEY_BYTES} bytes in base64: \`probity keys create --master FILE\` makes a key`,
      );
    return key;
  });
}
