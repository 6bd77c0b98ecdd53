import { sql } from 'kysely';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';

/** `needed`: something is still to be done by its keys. `unknown`: home does not know of it, or not that it has ended. */
export type RunStanding = 'needed' | 'over' | 'unknown';

export interface JudgedRuns {
  readonly runs: readonly { readonly run: string; readonly standing: RunStanding }[];
  /** People who have left a batch of which the rest is still to be done. */
  readonly left: readonly { readonly run: string; readonly person: number }[];
}

/** Requests of which a plan is still to be carried out. */
const GOING = sql`('planned', 'approved', 'running')`;

/**
 * Which runs home still needs the keys of: of the plan that a request or a batch has now, of an obligation that is being discharged, and of
 * recipients who are still to hear of something.
 */
export async function judgeRuns(home: Store, runs: readonly string[]): Promise<JudgedRuns> {
  if (runs.length === 0) return { runs: [], left: [] };
  return translating(home, async () => {
    const judged = await sql<{ run: string; standing: RunStanding }>`
      select it.run, case
        when exists (
            select from probity.plan p join probity.request_plan b on b.plan_hash = p.hash
            where p.body ->> 'run' = it.run
              and not exists (select from probity.request_plan n where n.request_id = b.request_id and n.plan_number > b.plan_number)
              and (exists (select from probity.request r where r.request_id = b.request_id and r.batch_id is null and r.state in ${GOING})
                or exists (
                  select from probity.request_batch t join probity.request r on r.batch_id = t.batch_id
                  where t.batch_id = b.request_id and t.state in ${GOING})))
          or exists (select from probity.obligation_run o where o.run_id = it.run and o.closed_at is null)
          or exists (select from probity.notice n where n.run_id = it.run and n.settled_at is null) then 'needed'
        when exists (select from probity.plan p where p.body ->> 'run' = it.run)
          or exists (select from probity.obligation_run o where o.run_id = it.run)
          or exists (select from probity.notice n where n.run_id = it.run)
          or exists (select from probity.run u where u.run_id = it.run and u.closed_at is not null) then 'over'
        else 'unknown' end as standing
      from unnest(${runs}::text[]) it (run) order by it.run`.execute(home.db);
    // Nobody leaves what is being carried out.
    const left = await sql<{ run: string; person: number }>`
      select p.run_id as run, p.person
      from probity.run_person p
      join probity.plan q on q.body ->> 'run' = p.run_id
      join probity.request_batch t on t.batch_id = q.body ->> 'request' and t.state in ('planned', 'approved')
      where p.run_id = any (${runs}::text[])
        and not exists (select from probity.request r where r.request_id = p.request_id and r.batch_id = t.batch_id)
      order by p.run_id, p.person`.execute(home.db);
    return { runs: judged.rows, left: left.rows };
  });
}
