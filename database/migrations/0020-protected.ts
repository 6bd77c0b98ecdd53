import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** People whose rows no purge takes, as the home store said when a purge asked last. In the home store it is a view. */
export const statements = [
  `create table probity.protected_subject (
    subject text not null,
    -- \`key\`, or an identity by which a column of this store names people.
    identity text not null,
    -- A key as the consent ledger writes it: of several columns a JSON array.
    value text not null,
    primary key (subject, identity, value)
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
