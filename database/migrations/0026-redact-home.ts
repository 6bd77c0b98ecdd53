import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** That passages are redacted is decided by somebody who may, and signed. Home store only. */
export const statements = [
  `alter table probity.request_decision drop constraint request_decision_decision_check`,
  `alter table probity.request_decision add constraint request_decision_decision_check
    check (decision in ('approve', 'reject', 'dismiss', 'give_up', 'preapprove', 'redact')
      and (decision = 'preapprove') = (request_id = 'envelope'))`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
