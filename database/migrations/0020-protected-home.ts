import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** People whose rows no purge takes, as the home store knows them at this moment. */
export const statements = [
  `create index request_copied on probity.request (ref) where closed_at is null and kind in ('access', 'portability')`,
  `create index consent_content_restricted on probity.consent_content (ref) where decision = 'restricted' and touchpoint <> 'erasure'`,

  // Who waits for a copy of what is held, and whoever asked that it be kept and not used (Art. 18), until that is lifted. What we restrict ourselves
  // when we erase is not asked by anybody: it goes on its day.
  `drop table probity.protected_subject`,
  `create view probity.protected_subject as
    with asked as materialized (
      select r.ref, null::timestamptz as at from probity.request r where r.closed_at is null and r.kind in ('access', 'portability')
      union
      select c.ref, c.at from probity.consent_content c where c.decision = 'restricted' and c.touchpoint <> 'erasure'
    ), root as materialized (
      select coalesce(a.person, it.ref) as root, it.at from asked it left join probity.consent_alias a on a.ref = it.ref
    )
    select distinct g.subject, 'key' as identity, g.key as value
    from root it join probity.consent_group(array(select ref from asked)) g on g.root = it.root
    where it.at is null or exists (
      select from probity.permission_span s where s.purpose = '*' and s.subject = g.subject and s.key = g.key and s.open and s.from_at = it.at)`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
