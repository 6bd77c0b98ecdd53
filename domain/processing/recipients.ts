import type { Manifest } from '../../manifest/model.ts';
import type { RecipientEntry } from './record.ts';
import { isInside } from './words.ts';

export function recipients(manifest: Manifest): RecipientEntry[] {
  return Object.entries(manifest.recipients).map(([name, it]) => ({
    name,
    role: it.role,
    country: it.country,
    description: it.description,
    purposes: it.purposes,
    receives: it.receives,
    transfer: it.country === null ? null : !isInside(it.country),
    safeguard: it.safeguard,
  }));
}
