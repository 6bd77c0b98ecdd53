import { createPublicKey, type KeyObject } from 'node:crypto';
import { sql, type Kysely } from 'kysely';
import { CERTIFICATE_FORMAT, keyId, signCertificate, type Certificate, type CertificateFile } from '../domain/evidence/certificate.ts';
import type { EvidenceRecord } from '../domain/evidence/chain.ts';
import { inTransaction, type Store } from './store.ts';

/** Certificates get their serial numbers one at a time, so that a missing number can be told. */
const SERIAL_LOCK = sql`hashtextextended('probity.certificate', 0)`;

/**
 * Issues the certificate of a run, or returns the one that was issued: a run has one. The serial number is the organisation's next;
 * it is given in the transaction that stores the certificate, so that none is lost.
 */
export async function issueCertificate(
  home: Store,
  content: Omit<Certificate, 'format' | 'serial' | 'keyId' | 'finishedAt'>,
  records: readonly EvidenceRecord[],
  privateKey: KeyObject,
): Promise<CertificateFile> {
  return inTransaction(home, { settings: { synchronous_commit: 'on' } }, async (trx) => {
    await sql`select pg_advisory_xact_lock(${SERIAL_LOCK})`.execute(trx);
    const issued = await readCertificate(trx, content.run);
    if (issued !== null) return issued;
    const { rows } = await sql<{
      serial: number;
      now: Date;
    }>`select coalesce(max(serial), 0) + 1 as serial, now() as now from probity.certificate`.execute(trx);
    const [next] = rows;
    if (next === undefined) throw new Error('There is no next serial number');
    const publicKey = createPublicKey(privateKey);
    const certificate: Certificate = {
      format: CERTIFICATE_FORMAT,
      serial: next.serial,
      ...content,
      finishedAt: next.now.toISOString(),
      keyId: keyId(publicKey),
    };
    const file = signCertificate(certificate, privateKey, records);
    await sql`
      insert into probity.signing_key (key_id, public_key) values (${certificate.keyId}, ${file.publicKey}) on conflict do nothing`.execute(
      trx,
    );
    await sql`
      insert into probity.certificate (serial, run_id, document) values (${next.serial}, ${content.run}, ${JSON.stringify(file)})`.execute(
      trx,
    );
    return file;
  });
}

export async function readCertificate(home: Kysely<unknown>, runId: string): Promise<CertificateFile | null> {
  const { rows } = await sql<{ document: CertificateFile }>`select document from probity.certificate where run_id = ${runId}`.execute(home);
  return rows[0]?.document ?? null;
}

/** Public halves of every key that has signed, oldest first: what an auditor is given. */
export async function signingKeys(home: Kysely<unknown>): Promise<{ keyId: string; publicKey: string; firstUsedAt: Date }[]> {
  const { rows } = await sql<{ keyId: string; publicKey: string; firstUsedAt: Date }>`
    select key_id as "keyId", public_key as "publicKey", first_used_at as "firstUsedAt" from probity.signing_key order by first_used_at`.execute(
    home,
  );
  return rows;
}
