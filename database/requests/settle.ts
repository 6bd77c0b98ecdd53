import { sql } from 'kysely';
import { lawOf } from '../../domain/requests/clock.ts';
import { clockOf, regimesFor } from '../../domain/requests/manifest-clock.ts';
import { regimesOf } from '../../manifest/basis.ts';
import type { Manifest } from '../../manifest/model.ts';
import { translating } from '../errors.ts';
import type { Store } from '../store.ts';
import type { RequestRow } from './model.ts';
import { regimesOfPeople, type Person } from './people.ts';
import { requestColumns } from './read.ts';

/** Withdrawals come by thousands; their regimes are looked up so many at a time. */
const ROWS_AT_ONCE = 1_000;

/**
 * Sets the clock of open requests by the regime of who asked. A withdrawal's transaction does not look it up, so it stands under the clock
 * of a month until this has run. `judge` says under which regimes somebody may live and when the request is due. Returns how many were settled.
 */
export async function settleRegimes(
  home: Store,
  judge: (row: RequestRow, regime: string | null) => { readonly regimes: readonly string[]; readonly dueAt: Date },
): Promise<number> {
  let settled = 0;
  for (let after = ''; ;) {
    const { rows } = await translating(home, () =>
      sql<RequestRow & Partial<Person>>`
        select ${requestColumns()}, l.subject, l.key from probity.request r left join probity.consent_link l on l.ref = r.ref
        where r.closed_at is null and r.regimes is null and r.request_id > ${after} order by r.request_id limit ${ROWS_AT_ONCE}`.execute(
        home.db,
      ),
    );
    const last = rows.at(-1);
    if (last === undefined) return settled;
    const regimes = await regimesOfPeople(
      home,
      rows.map(({ subject, key }) => ({ subject: subject ?? '', key: key ?? '' })),
    );
    const judged = rows.map((row, n) => {
      const { regimes: under, dueAt } = judge(row, regimes[n] ?? null);
      return { id: row.id, regimes: under, due: dueAt };
    });
    await translating(home, () =>
      sql`
        update probity.request r set regimes = j.regimes, due_at = j.due
        from jsonb_to_recordset(${JSON.stringify(judged)}::jsonb) j (id text, regimes text[], due timestamptz)
        where r.request_id = j.id and r.regimes is null and r.closed_at is null`.execute(home.db),
    );
    settled += rows.length;
    after = last.id;
  }
}

/**
 * Sets the clock of requests that came in without one, by the regime of who asked; does nothing where all regimes have the same clock. Returns
 * how many were settled.
 */
export async function settleClocks(home: Store, manifest: Manifest, asOf: Date): Promise<number> {
  if (new Set(regimesOf(manifest).map(lawOf)).size < 2 && lawOf(manifest.regimes.default) === 'gdpr') return 0;
  return settleRegimes(home, (row, regime) => {
    const regimes = regimesFor(manifest, regime);
    return { regimes, dueAt: clockOf(manifest, { ...row, regimes }, asOf).target };
  });
}
