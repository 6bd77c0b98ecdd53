import { sql, type Kysely } from 'kysely';
import { translating } from '../errors.ts';
import { planMembers } from './batches.ts';

/** Serial numbers of what was certified before about the requests of a plan, in order: something came later, and they were opened again. */
export async function earlierCertificates(home: Kysely<unknown>, planId: string, run: string): Promise<number[]> {
  const members = await planMembers(home, planId);
  const { rows } = await translating('home', () =>
    sql<{ serial: number }>`
      select distinct c.serial from (
        select it.id from unnest(${members}::text[]) it (id)
        union select m.batch_id from probity.request_batch_member m where m.request_id = any (${members}::text[])) q (id)
      join probity.request_plan b on b.request_id = q.id
      join probity.plan p on p.hash = b.plan_hash
      join probity.certificate c on c.run_id = p.body ->> 'run'
      where c.run_id <> ${run} order by c.serial`.execute(home),
  );
  return rows.map(({ serial }) => serial);
}

/** For the certificate that comes after them. */
export function earlierText(request: string, serials: readonly number[]): string[] {
  if (serials.length === 0) return [];
  return [`${request} was certified before and opened again, since more became known: see certificate ${serials.join(', ')}`];
}
