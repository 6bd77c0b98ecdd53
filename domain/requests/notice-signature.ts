import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { keyId } from '../evidence/certificate.ts';

/*
 * `Probity-Signature: t=1795478400,key=0123456789abcdef,ed25519=…`: Ed25519 by the service's signing key over `t`, a dot, and the body as
 * it was sent. A receiver needs the public key only, from the organisation itself.
 */

const FORM = /^t=(\d{1,12}),key=([0-9a-f]{16}),ed25519=([A-Za-z0-9+/]{86}==)$/;
/** What is older may be a repetition by somebody who listened. */
const DEFAULT_TOLERANCE_SECONDS = 300;

/** The header's value; `at`: when it is sent. */
export function signNotice(body: string, at: Date, privateKey: KeyObject): string {
  const seconds = String(Math.floor(at.getTime() / 1_000));
  const signature = sign(null, Buffer.from(`${seconds}.${body}`), privateKey).toString('base64');
  return `t=${seconds},key=${keyId(createPublicKey(privateKey))},ed25519=${signature}`;
}

/** Whether a notice comes from whoever holds the key, unchanged, and lately. `body`: the bytes as they came, as text. Never throws. */
export function verifyNotice(
  body: string,
  header: string | undefined,
  publicKey: KeyObject,
  { now, toleranceSeconds = DEFAULT_TOLERANCE_SECONDS }: { readonly now: Date; readonly toleranceSeconds?: number },
): boolean {
  const [, seconds = '', key, signature = ''] = FORM.exec(header ?? '') ?? [];
  if (publicKey.asymmetricKeyType !== 'ed25519' || key !== keyId(publicKey)) return false;
  if (Math.abs(now.getTime() / 1_000 - Number(seconds)) > toleranceSeconds) return false;
  return verify(null, Buffer.from(`${seconds}.${body}`), publicKey, Buffer.from(signature, 'base64'));
}
