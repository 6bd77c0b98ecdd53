import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** People whose rows no purge takes: as the home store said when a purge asked last (there it is a view), and by whatever holds are on them. */
export const statements = [
  `create table probity.protected_subject (
    subject text not null,
    -- \`key\`, or an identity by which a column of this store names people.
    identity text not null,
    -- A key as the consent ledger writes it: of several columns a JSON array.
    value text not null,
    primary key (subject, identity, value)
  )`,
  // By which a store without the person's own table names whoever a hold of it is on. Kept up to date by every purge; gone with the hold.
  `create table probity.hold_name (
    hold_id text not null references probity.hold on delete cascade,
    subject text not null,
    identity text not null,
    value text not null,
    primary key (hold_id, subject, identity, value)
  )`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
