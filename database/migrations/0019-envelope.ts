import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Pre-approvals of an envelope, and the nights on which its plan was made. Home store only. */
export const statements = [
  `alter table probity.request_decision drop constraint request_decision_decision_check`,
  `alter table probity.request_decision add constraint request_decision_decision_check
    check (decision in ('approve', 'reject', 'dismiss', 'give_up', 'preapprove')
      and (decision = 'preapprove') = (request_id = 'envelope'))`,
  // What a certificate names as its approval stays: no request goes that it could go with.
  `create function probity.refuse_preapproval_gone() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
  begin
    if old.decision = 'preapprove' then
      raise exception 'probity: % is append-only', tg_table_name using errcode = 'PB011';
    end if;
    return old;
  end
  $$`,
  `create trigger append_only_preapprovals before delete on probity.request_decision for each row execute function probity.refuse_preapproval_gone()`,

  // Each nightly work begins at a time of its own.
  `alter table probity.keeper_night add column task text not null default 'night'`,
  `alter table probity.keeper_night drop constraint keeper_night_pkey`,
  `alter table probity.keeper_night add primary key (task, day)`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
