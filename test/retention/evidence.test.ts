import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CERTIFICATE_FORMAT,
  keyId,
  signCertificate,
  verifyCertificate,
  type Certificate,
  type CertificateFile,
} from '../../domain/evidence/certificate.ts';
import { chainHeads, firstFault, GENESIS, nextHead, type EvidenceBody, type EvidenceRecord } from '../../domain/evidence/chain.ts';

const body = (store: string, lane: number, seq: number, erased = 10): EvidenceBody => ({
  run: 'r',
  store,
  lane,
  seq,
  kind: 'blocks',
  table: 'public.visit',
  pass: 0,
  range: `public.visit (${seq},0)–(${seq + 1},0)`,
  cutOff: '2025-01-01T00:00:00.000Z',
  counts: { erased },
  transaction: String(1000 + seq),
  at: '2026-01-01T00:00:00.000Z',
});

function chain(store: string, lane: number, counts: readonly number[]): EvidenceRecord[] {
  let head = GENESIS;
  return counts.map((erased, index) => {
    const one = body(store, lane, index + 1, erased);
    head = nextHead(head, one);
    return { body: one, head };
  });
}

const records = [...chain('shop', 0, [1, 2, 3, 4]), ...chain('shop', 1, [5, 6]), ...chain('support', 0, [7, 8, 9])];
const heads = chainHeads(records);
const without = (index: number): EvidenceRecord[] => records.filter((_, at) => at !== index);

test('whole chains have no fault, in whatever order the chains are listed', () => {
  expect(firstFault(records, heads)).toBeNull();
  expect(firstFault([...records.slice(4), ...records.slice(0, 4)], heads)).toBeNull();
});

test('an altered record is named: its counts, its head, or one bit of its text', () => {
  const alter = (change: Partial<EvidenceBody>): EvidenceRecord[] =>
    records.map((record, index) => (index === 2 ? { ...record, body: { ...record.body, ...change } } : record));
  const fault = { fault: 'altered', store: 'shop', lane: 0, seq: 3 };
  expect(firstFault(alter({ counts: { erased: 4 } }), heads)).toEqual(fault);
  expect(firstFault(alter({ transaction: '1004' }), heads)).toEqual(fault);
  expect(firstFault(alter({ run: 'another' }), heads)).toEqual(fault);
  expect(
    firstFault(
      records.map((record, index) => (index === 2 ? { ...record, head: 'f'.repeat(64) } : record)),
      heads,
    ),
  ).toEqual(fault);
});

test('a chain forged anew from the altered record on does not end in the signed head', () => {
  const forged = [...chain('shop', 0, [1, 2, 99, 4]), ...records.slice(4)];
  expect(firstFault(forged, heads)).toMatchObject({ fault: 'altered', store: 'shop', lane: 0 });
});

test('a missing record is named, at the beginning, in the middle, and where the tail is cut', () => {
  expect(firstFault(without(0), heads)).toEqual({ fault: 'missing', store: 'shop', lane: 0, seq: 1 });
  expect(firstFault(without(1), heads)).toEqual({ fault: 'missing', store: 'shop', lane: 0, seq: 2 });
  expect(firstFault(without(3), heads)).toEqual({ fault: 'missing', store: 'shop', lane: 0, seq: 4 });
  expect(firstFault(records.slice(0, 6), heads)).toEqual({ fault: 'missing', store: 'support', lane: 0, seq: 1 });
});

test('reordered and surplus records are named', () => {
  const [first, second, ...rest] = records;
  expect(firstFault([second!, first!, ...rest], heads)).toEqual({ fault: 'reordered', store: 'shop', lane: 0, seq: 1 });
  const longer = [...records, ...chain('shop', 0, [1, 2, 3, 4, 5]).slice(4)];
  expect(firstFault(longer, heads)).toEqual({ fault: 'surplus', store: 'shop', lane: 0, seq: 5 });
  expect(firstFault([...records, ...chain('elsewhere', 0, [1])], heads)).toEqual({ fault: 'surplus', store: 'elsewhere', lane: 0, seq: 1 });
});

test('random chains: any single change to any record is found, and at that record', () => {
  const counts = fc.array(fc.nat(1000), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(counts, { minLength: 1, maxLength: 4 }),
      fc.nat(),
      fc.constantFrom('alter', 'remove', 'swap', 'repeat'),
      (lanes, seed, change) => {
        const all = lanes.flatMap((lane, index) => chain('shop', index, lane));
        const signed = chainHeads(all);
        expect(firstFault(all, signed)).toBeNull();
        const at = seed % all.length;
        const victim = all[at]!;
        const broken = [...all];
        if (change === 'alter')
          broken[at] = { ...victim, body: { ...victim.body, counts: { erased: (victim.body.counts['erased'] ?? 0) + 1 } } };
        if (change === 'remove') broken.splice(at, 1);
        if (change === 'repeat') broken.splice(at, 0, victim);
        if (change === 'swap') {
          const next = all[at + 1];
          if (next === undefined || next.body.lane !== victim.body.lane) return;
          [broken[at], broken[at + 1]] = [next, victim];
        }
        const fault = firstFault(broken, signed);
        expect(fault).toMatchObject({ store: 'shop', lane: victim.body.lane });
        if (change === 'repeat') expect([victim.body.seq, victim.body.seq + 1]).toContain(fault?.seq);
        else expect(fault?.seq).toBe(victim.body.seq);
      },
    ),
    { numRuns: 300 },
  );
});

function certificate(key: KeyObject, change: Partial<Certificate> = {}): Certificate {
  return {
    format: CERTIFICATE_FORMAT,
    serial: 1,
    organisation: 'Test',
    job: 'retention',
    run: 'r',
    manifest: 'm',
    plan: 'p',
    actor: 'tester',
    approvedBy: null,
    asOf: '2026-01-01T00:00:00.000Z',
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:01:00.000Z',
    outcome: 'complete',
    tables: [],
    statements: [],
    heads,
    keyId: keyId(key),
    ...change,
  };
}

const old = generateKeyPairSync('ed25519');
const current = generateKeyPairSync('ed25519');
const signedBy = (pair: typeof old): CertificateFile => signCertificate(certificate(pair.publicKey), pair.privateKey, records);

test('a certificate verifies offline, and after its way through JSON', () => {
  const file = JSON.parse(JSON.stringify(signedBy(old))) as CertificateFile;
  expect(verifyCertificate(file, [])).toEqual({ valid: true, records: records.length, keyId: keyId(old.publicKey) });
  expect(verifyCertificate(file, [old.publicKey])).toMatchObject({ valid: true });
});

test('after a rotation old certificates verify with the old public key, new ones with the new one', () => {
  const trusted = [old.publicKey, current.publicKey];
  expect(verifyCertificate(signedBy(old), trusted)).toMatchObject({ valid: true, keyId: keyId(old.publicKey) });
  expect(verifyCertificate(signedBy(current), trusted)).toMatchObject({ valid: true, keyId: keyId(current.publicKey) });
  expect(verifyCertificate(signedBy(old), [current.publicKey])).toMatchObject({ valid: false, reason: 'untrusted key' });
});

test('a wrong key, a changed certificate and a changed record are told apart', () => {
  const file = signedBy(old);
  const stranger = signedBy(current);
  expect(verifyCertificate({ ...file, publicKey: stranger.publicKey }, [])).toMatchObject({ valid: false, reason: 'signature' });
  expect(verifyCertificate({ ...file, signature: stranger.signature }, [])).toMatchObject({ valid: false, reason: 'signature' });
  const changes: Partial<Certificate>[] = [
    { outcome: 'incomplete' },
    { serial: 2 },
    { asOf: '2025-01-01T00:00:00.000Z' },
    { heads: heads.slice(1) },
    { actor: 'other' },
  ];
  for (const change of changes) {
    const altered = { ...file, certificate: { ...file.certificate, ...change } };
    expect(verifyCertificate(altered, [old.publicKey])).toMatchObject({ valid: false, reason: 'signature' });
  }
  expect(verifyCertificate({ ...file, records: without(5) }, [])).toMatchObject({
    valid: false,
    reason: 'records',
    fault: { fault: 'missing', lane: 1, seq: 2 },
  });
});

test('what is no certificate is refused, not thrown at', () => {
  const file = signedBy(old);
  expect(verifyCertificate({ ...file, certificate: { ...file.certificate, format: 'other' as never } }, [])).toMatchObject({
    valid: false,
    reason: 'format',
  });
  expect(verifyCertificate({ ...file, publicKey: 'no key' }, [])).toMatchObject({ valid: false, reason: 'format' });
  expect(verifyCertificate({} as never, [])).toMatchObject({ valid: false, reason: 'format' });
});
