import { sql, type RawBuilder } from 'kysely';

/** `NAMEDATALEN - 1`: Postgres silently truncates longer names, and would then read another object than the one named. */
const MAX_IDENTIFIER_BYTES = 63;

export interface TableName {
  /** Null for an id of two parts. */
  readonly store: string | null;
  readonly schema: string;
  readonly table: string;
}

/**
 * The only way by which a name enters SQL: each part quoted, joined by dots (`"public"."order"`).
 * Throws on an empty part, a NUL, or more than 63 bytes. The message leaves the offending name out, since it may not be a name at all.
 */
export function ident(...parts: readonly string[]): RawBuilder<unknown> {
  if (parts.length === 0) throw new Error('an identifier needs at least one part');
  for (const part of parts) {
    if (part.length === 0) throw new Error('an identifier may not be empty');
    if (part.includes('\0')) throw new Error('an identifier may not contain NUL');
    if (Buffer.byteLength(part, 'utf8') > MAX_IDENTIFIER_BYTES)
      throw new Error(`an identifier may not exceed ${MAX_IDENTIFIER_BYTES} bytes`);
  }
  return sql.id(...parts);
}

/** Splits `store.schema.table` or `schema.table`. Names that contain dots cannot be spelled in a manifest; anything else throws. */
export function splitTable(id: string): TableName {
  const parts = id.split('.');
  if (parts.some((part) => part === '')) throw new Error('a table id has the form store.schema.table or schema.table');
  const [first, second, third] = parts;
  if (parts.length === 3) return { store: first!, schema: second!, table: third! };
  if (parts.length === 2) return { store: null, schema: first!, table: second! };
  throw new Error('a table id has the form store.schema.table or schema.table');
}

/** `"schema"."table"` of `store.schema.table` or `schema.table`; the store chooses the connection and has no place in SQL. */
export function tableRef(id: string): RawBuilder<unknown> {
  const { schema, table } = splitTable(id);
  return ident(schema, table);
}
