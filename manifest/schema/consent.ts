import { z } from 'zod';
import { DECISIONS } from '../decisions.ts';
import { name, tableId, words } from './scalars.ts';

const decision = z.enum(DECISIONS);
/** A column of the table, or the same for every row. */
const source = z.union([words, z.strictObject({ constant: words })]);

export const consentSource = z.strictObject({
  table: tableId,
  subject: name,
  key: z.union([words, z.array(words).min(1)]).meta({ description: 'Columns that hold the subject’s key' }),
  purpose: source,
  channel: source.optional().meta({ description: 'Without, a decision is about the purpose as a whole' }),
  decision: z.union([words, z.strictObject({ constant: decision })]),
  decisions: z.record(words, decision).default({}).meta({ description: 'The table’s word → ours' }),
  at: words.meta({ description: 'Column: when the decision was captured' }),
  touchpoint: source.optional(),
  notice: source.optional(),
  language: source.optional(),
  given_by: z.union([words, z.strictObject({ constant: z.enum(['self', 'parent']) })]).optional(),
  changed_at: words.optional().meta({ description: 'Column: when the row changed last, so that only what is new is read' }),
});
