import { parseManifestValue } from '../../manifest/load.ts';
import type { Manifest } from '../../manifest/model.ts';
import type { ManifestInput } from '../../manifest/schema/root.ts';
import { REGIMES } from './worlds.ts';

/** A shop whose customers have a country, a day of birth and an end. Throws with the problems of a manifest that is refused. */
export function manifestOf(
  purposes: ManifestInput['purposes'],
  timezone: string,
  more: Partial<ManifestInput> = {},
): { manifest: Manifest; hash: string } {
  const value: ManifestInput = {
    organisation: 'Test',
    timezone,
    regimes: { ...REGIMES, from: 'customer.country' },
    stores: { shop: { url: '${SHOP_URL}' } },
    purposes: purposes ?? {},
    subjects: { customer: { table: 'shop.public.customer', key: 'customer_id', birth: 'birth' } },
    ...more,
  };
  const { manifest, hash, problems } = parseManifestValue(value);
  if (manifest === null || hash === null) throw new Error(JSON.stringify(problems, null, 2));
  return { manifest, hash };
}
