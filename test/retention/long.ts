import { createShop, type Shop } from './support.ts';

/** Rows of `visit`; all but every tenth have expired. */
export const ROWS = 1_500;
export const EXPIRED = (ROWS * 9) / 10;

/** One row a page, so that a purge takes several steps in each lane. What has gone stands in `gone`, once for each time that it went. */
const DDL = `
  create table visit (visit_id int primary key, at timestamptz, grp int, filler text default repeat('x', 900)) with (fillfactor = 10);
  insert into visit select i, case when i % 10 = 0 then now() - interval '1 day' else timestamptz '2020-01-01' end, i % 7 from generate_series(1, ${ROWS}) i;
  create table gone (visit_id int);
  create function note_gone() returns trigger language plpgsql as $$ begin insert into gone values (old.visit_id); return null; end $$;
  create trigger note_gone after delete on visit for each row execute function note_gone();
  analyze visit`;

type More = Parameters<typeof createShop>[2];

/** The manifest's tables, with more in the rule of `visit`. */
export const visits = (rule: Readonly<Record<string, string>> = {}): Parameters<typeof createShop>[1] => ({
  'shop.public.visit': { purposes: ['use'], retention: { keep: 'P1Y', after: 'at', ...rule } },
});

/** A shop whose purge takes long enough to be disturbed. */
export function longShop(more: More = {}, adminUrl?: string): Promise<Shop> {
  return createShop(DDL, visits(), { purge: { lanes: 1, duty: 1, batch: '20ms', ...more?.purge }, ...more }, adminUrl);
}

export interface Left {
  /** Rows of `visit`. */
  readonly rows: number;
  /** Those of them whose time has passed. */
  readonly expired: number;
  readonly gone: number;
  readonly goneTwice: number;
}

export async function left(shop: Shop): Promise<Left> {
  const [found] = await shop.query<Left & Record<string, number>>(`
    select (select count(*)::int from visit) as rows, (select count(*)::int from visit where at < '2021-01-01') as expired,
      (select count(*)::int from gone) as gone, (select count(*)::int - count(distinct visit_id)::int from gone) as "goneTwice"`);
  return found!;
}

export const STEPS = `select count(*)::int as n from probity.step where run_id = $1`;

export async function steps(shop: Shop, runId: string): Promise<number> {
  const [row] = await shop.query<{ n: number }>(STEPS, [runId]);
  return row!.n;
}
