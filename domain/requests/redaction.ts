import type { EvidenceRecord } from '../evidence/chain.ts';

/** The kind of a step that redacts passages, and what its counts are called before `schema.table.column`. */
export const REDACTION = 'redaction';
export const REDACTED = 'redacted:';
/** Rows under a hold, or in which the passage could not be replaced. */
export const WITHHELD = 'not_redacted:';

/** What a decision to redact is about: a column (`store.schema.table.column`) and the hash of what was shown in it. */
export interface Redaction {
  readonly column: string;
  readonly found: string;
}

export function redactionText({ column, found }: Redaction): string {
  return `${column} ${found}`;
}

/** Null: it is none. */
export function readRedaction(about: string): Redaction | null {
  const parts = /^([^\s.]+(?:\.[^\s.]+){3}) ([0-9a-f]{64})$/.exec(about);
  return parts === null ? null : { column: parts[1]!, found: parts[2]! };
}

/** For the certificate: rows in which passages were redacted, by column. */
export function redactionStatements(records: readonly EvidenceRecord[]): string[] {
  const sums = new Map<string, number>();
  for (const { body } of records)
    if (body.kind === REDACTION)
      for (const [name, rows] of Object.entries(body.counts))
        if (name.startsWith(REDACTED) && rows > 0) {
          const column = `${body.store}.${name.slice(REDACTED.length)}`;
          sums.set(column, (sums.get(column) ?? 0) + rows);
        }
  return [...sums].map(
    ([column, rows]) => `${column}: what was found of them was redacted in ${rows} ${rows === 1 ? 'row' : 'rows'}, by signed decision`,
  );
}
