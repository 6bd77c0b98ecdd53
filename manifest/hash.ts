import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Manifest } from './model.ts';

/** The manifest's version: SHA-256, in hex, of its canonical form as RFC 8785 JSON. The order of keys does not count. */
export function manifestHash(manifest: Manifest): string {
  const text = canonicalize(manifest);
  if (text === undefined) throw new Error('a manifest is always JSON');
  return createHash('sha256').update(text).digest('hex');
}
