import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import { canonicalJson } from '../canonical.ts';
import type { ChainFault, ChainHead, EvidenceRecord } from './chain.ts';
import { firstFault } from './chain.ts';

export const CERTIFICATE_FORMAT = 'probity-certificate/1';

/** The signed account of what a run did. Counts and hashes only. */
export interface Certificate {
  readonly format: typeof CERTIFICATE_FORMAT;
  /** Without gaps within the organisation. */
  readonly serial: number;
  readonly organisation: string;
  readonly job: string;
  readonly run: string;
  readonly manifest: string;
  readonly plan: string;
  readonly actor: string;
  readonly approvedBy: string | null;
  readonly asOf: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Of what a subject asked for: the request's number. */
  readonly request?: string;
  /** `complete` only when nothing is unexplained. The two that follow are of requests: something waits for its day, or a place was not seen. */
  readonly outcome: 'complete' | 'complete with obligations' | 'scan-limited' | 'incomplete' | 'cancelled';
  readonly tables: readonly TableOutcome[];
  /** Of requests: rows that stay, as the plan said, and in which the person is still found; left out where there are none. */
  readonly found?: readonly FoundInKept[];
  readonly statements: readonly string[];
  readonly heads: readonly ChainHead[];
  readonly keyId: string;
}

/** What became of the rows that the rule names, in the table and in the tables that went with it. */
export interface TableOutcome {
  readonly table: string;
  readonly rule: string;
  readonly cutOff: string;
  readonly planned: number;
  readonly erased: number;
  readonly masked: number;
  readonly failed: number;
  /** Why they failed: rows by SQLSTATE, or by what ended the table. Left out where none did. */
  readonly failedBecause?: Readonly<Record<string, number>>;
  /** Rows of this table that went along with rows of other tables; planned ones may be among them, and count there. */
  readonly withOthers: number;
  readonly kept: Readonly<Record<string, number>>;
  /** Rows of other tables that were erased or detached with this table's rows. */
  readonly along: Readonly<Record<string, number>>;
}

export interface FoundInKept {
  /** `store.schema.table` */
  readonly table: string;
  /** Such as `floor:RULE` or `purpose:NAME`. */
  readonly why: string;
  readonly rows: number;
}

/** What is handed over: the certificate, its signature, and the records that its heads commit to. */
export interface CertificateFile {
  readonly certificate: Certificate;
  /** Ed25519 over the certificate's canonical JSON, base64. */
  readonly signature: string;
  /** SPKI, PEM. Trust it only after comparing `keyId` with one from the organisation itself. */
  readonly publicKey: string;
  readonly records: readonly EvidenceRecord[];
}

/** The first 16 hexadecimal digits of the SHA-256 of the key's SPKI form. */
export function keyId(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
}

/** Signs a certificate; `privateKey` is Ed25519. */
export function signCertificate(certificate: Certificate, privateKey: KeyObject, records: readonly EvidenceRecord[]): CertificateFile {
  const publicKey = createPublicKey(privateKey);
  return {
    certificate,
    signature: sign(null, Buffer.from(canonicalJson(certificate)), privateKey).toString('base64'),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    records,
  };
}

export type Verification =
  | { readonly valid: true; readonly records: number; readonly keyId: string }
  | { readonly valid: false; readonly reason: 'format' | 'signature' | 'untrusted key'; readonly fault: null }
  | { readonly valid: false; readonly reason: 'records'; readonly fault: ChainFault };

/**
 * Checks a certificate file without any service. With `trusted` public keys the signing key must be one of them;
 * without, the embedded key is used and only the file's inner agreement is shown.
 */
export function verifyCertificate(file: CertificateFile, trusted: readonly KeyObject[]): Verification {
  const embedded = isCertificateFile(file) ? embeddedKey(file) : null;
  if (embedded === null) return { valid: false, reason: 'format', fault: null };
  if (keyId(embedded) !== file.certificate.keyId) return { valid: false, reason: 'signature', fault: null };
  const key = trusted.length === 0 ? embedded : trusted.find((candidate) => keyId(candidate) === file.certificate.keyId);
  if (key === undefined) return { valid: false, reason: 'untrusted key', fault: null };
  const signed = verify(null, Buffer.from(canonicalJson(file.certificate)), key, Buffer.from(file.signature, 'base64'));
  if (!signed) return { valid: false, reason: 'signature', fault: null };
  const fault = firstFault(file.records, file.certificate.heads);
  return fault === null
    ? { valid: true, records: file.records.length, keyId: file.certificate.keyId }
    : { valid: false, reason: 'records', fault };
}

/** What somebody hands in may be anything. */
function isCertificateFile(file: Partial<CertificateFile>): boolean {
  if (file.certificate?.format !== CERTIFICATE_FORMAT || !Array.isArray(file.certificate.heads) || !Array.isArray(file.records))
    return false;
  const records: readonly (Partial<EvidenceRecord> | null)[] = file.records;
  const hasBodies = records.every((record) => typeof record?.body === 'object' && record.body !== null);
  return hasBodies && typeof file.signature === 'string' && typeof file.publicKey === 'string';
}

function embeddedKey(file: CertificateFile): KeyObject | null {
  try {
    return createPublicKey(file.publicKey);
  } catch {
    return null;
  }
}
