import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readCertificate, signingKeys } from '../database/certificates.ts';
import { verifyCertificate, type CertificateFile, type Verification } from '../domain/evidence/certificate.ts';
import { requireHome } from './migrate.ts';
import type { Project } from './project.ts';
import { Refused } from './refused.ts';

export type { CertificateFile };

export interface VerifiedFile {
  readonly verification: Verification;
  /** Null when the file is not a certificate at all. */
  readonly file: CertificateFile | null;
}

/** Checks a certificate file. Needs no service; `keyFiles` are public (or private) keys in PEM that the reader trusts. */
export async function verifyFile(path: string, keyFiles: readonly string[]): Promise<VerifiedFile> {
  const trusted = await Promise.all(keyFiles.map(publicKey));
  const text = await readFile(path, 'utf8').catch(() => {
    throw new Refused(`The file ${path} cannot be read`);
  });
  const invalid = { verification: { valid: false, reason: 'format', fault: null }, file: null } as const;
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return invalid;
  }
  if (!looksLikeOne(file)) return invalid;
  try {
    return { verification: verifyCertificate(file, trusted), file };
  } catch {
    // A part has a shape that no certificate has, such as a public key that is none.
    return { ...invalid, file };
  }
}

/** The certificate of a run, as it is handed over. Throws `Refused` when none was issued. */
export async function certificateOf(project: Project, runId: string): Promise<CertificateFile> {
  await requireHome(project);
  const file = await readCertificate(project.home.db, runId);
  if (file === null) throw new Refused(`No certificate was issued for run ${runId}: only a run that enforced and ended has one`);
  return file;
}

/** Public halves of every key that has signed, oldest first. */
export async function publicKeys(project: Project): Promise<{ keyId: string; publicKey: string; firstUsedAt: Date }[]> {
  await requireHome(project);
  return signingKeys(project.home.db);
}

function looksLikeOne(value: unknown): value is CertificateFile {
  const file = value as Partial<CertificateFile> | null;
  return (
    typeof file === 'object' &&
    file !== null &&
    typeof file.certificate === 'object' &&
    Array.isArray(file.records) &&
    Array.isArray(file.certificate.heads)
  );
}

async function publicKey(path: string): Promise<KeyObject> {
  try {
    return createPublicKey(await readFile(path, 'utf8'));
  } catch {
    throw new Refused(`${path} is not a key in PEM that can be read`);
  }
}
