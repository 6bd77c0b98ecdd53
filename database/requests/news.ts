import { sql } from 'kysely';
import type { News } from '../../domain/requests/notices.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** Something that recipients are to hear of, and have not been told. */
export interface DueNews {
  readonly request: string;
  readonly news: Exclude<News, 'erasure'>;
}

/**
 * Restrictions that are in force everywhere, those of them that were lifted since, and rectifications that were answered, of which nobody has
 * opened notices yet: of one request, or of all behind `after`, by number.
 */
export async function dueNews(
  home: Store,
  { request = null, after = '', limit }: { readonly request?: string | null; readonly after?: string; readonly limit: number },
): Promise<DueNews[]> {
  const { rows } = await translating(home, () =>
    sql<DueNews>`
      with asked as (
        select r.request_id, r.kind, r.state, r.record_id, array(select g.ref from probity.consent_group(array[r.ref]) g) as refs
        from probity.request r
        where r.kind in ('restriction', 'rectification') and r.state in ('suppressed', 'closed', 'refused', 'cancelled')
          and (${request}::text is null or r.request_id = ${request}) and r.request_id > ${after}
      ), judged as (
        select a.*, exists (
            select from probity.consent_content c
            join probity.consent_link l on l.ref = any (a.refs)
            join probity.permission_span s on s.purpose = '*' and s.subject = l.subject and s.key = l.key and s.open and s.from_at = c.at
            where c.record_id = a.record_id) as in_force,
          exists (select from probity.consent_content c where c.ref = any (a.refs) and c.decision = 'restriction_lifted') as lifted
        from asked a
      ), news as (
        select j.request_id, case
          when j.kind = 'rectification' and j.state = 'closed' then 'rectification'
          when j.kind = 'restriction' and j.in_force and j.state in ('suppressed', 'closed') then 'restriction'
          when j.kind = 'restriction' and not j.in_force and j.lifted and exists (
            select from probity.request_news n where n.request_id = j.request_id and n.news = 'restriction') then 'restriction_lifted' end as news
        from judged j
      )
      select w.request_id as request, w.news from news w
      where w.news is not null and not exists (
        select from probity.request_news n where n.request_id = w.request_id and n.news = w.news)
      order by w.request_id limit ${limit}`.execute(home.db),
  );
  return rows;
}

/** Notices have been opened, or nobody is to be told. */
export async function recordNews(home: Store, { request, news }: DueNews): Promise<void> {
  await translating(home, () =>
    sql`insert into probity.request_news (request_id, news) values (${request}, ${news}) on conflict do nothing`.execute(home.db),
  );
}
