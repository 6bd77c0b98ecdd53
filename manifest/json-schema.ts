import { z } from 'zod';
import { manifestSchema } from './schema/root.ts';

/** The JSON Schema that editors complete and check manifests with; manifest.schema.json holds it. */
export function manifestJsonSchema(): Record<string, unknown> {
  const generated = z.toJSONSchema(manifestSchema, { io: 'input', unrepresentable: 'any' });
  return { title: 'Probity manifest', ...generated };
}
