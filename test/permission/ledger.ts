import { sql, type Transaction } from 'kysely';
import type pg from 'pg';
import { readCatalog } from '../../database/catalog.ts';
import { migrate } from '../../database/migrate.ts';
import { applyPermission } from '../../database/permission/apply.ts';
import type { Derived } from '../../database/permission/rules.ts';
import { inTransaction, openStore, type Store } from '../../database/store.ts';
import type { Micros } from '../../domain/permission/types.ts';
import type { Manifest } from '../../manifest/model.ts';
import { freshDatabase } from '../support/databases.ts';
import type { Life } from './worlds.ts';

/** The home store of a shop, with customers and the ledger of consent. */
export interface Ledger {
  readonly store: Store;
  readonly query: <T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<T[]>;
  readonly apply: (it: { manifest: Manifest; hash: string }) => Promise<Derived>;
  readonly close: () => Promise<void>;
}

export const CUSTOMERS = `create table public.customer (customer_id integer primary key, country text, birth date, closed_at timestamptz)`;

export async function createLedger(ddl = CUSTOMERS, adminUrl?: string): Promise<Ledger> {
  const database = await freshDatabase(adminUrl === undefined ? {} : { adminUrl });
  const store = openStore({ name: 'shop', url: database.url });
  await store.pool.query(ddl);
  await migrate(store, true);
  return {
    store,
    query: async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await store.pool.query<T>(text, [...values])).rows,
    apply: async ({ manifest, hash }) => {
      const catalog = await readCatalog(store);
      return inTransaction(store, {}, (trx) => applyPermission(trx, manifest, hash, catalog));
    },
    close: async () => {
      await store.close();
      await database.drop();
    },
  };
}

/** As Postgres reads it, to the microsecond. */
export function timestamp(at: Micros): string {
  if (!Number.isFinite(at)) return at < 0 ? '-infinity' : 'infinity';
  const ms = Math.floor(at / 1000);
  return `${new Date(ms).toISOString().slice(0, -1)}${String(at - ms * 1000).padStart(3, '0')}Z`;
}

/** Puts lives in place of those that are there, as they arrived in this order. The customers' keys are 1, 2, …; their devices' d1, d2, … */
export async function insertLives(store: Store, lives: readonly Life[], order: readonly number[]): Promise<void> {
  const rows = lives.flatMap((life, index) =>
    life.history.map((it) => ({
      ...it,
      person: index + 1,
      at: timestamp(Math.min(it.capturedAt, it.receivedAt)),
      capturedAt: timestamp(it.capturedAt),
      receivedAt: timestamp(it.receivedAt),
      expiresAt: it.expiresAt === null ? null : timestamp(it.expiresAt),
      linkedAt: null,
    })),
  );
  const arrived = rows.map((it, index) => [order[index] ?? 0, it] as const).sort(([one], [other]) => one - other);
  await inTransaction(store, {}, async (trx) => {
    await empty(trx);
    const people = lives.map((life, index) => ({
      person: index + 1,
      country: life.country,
      birth: life.birth,
      known: life.known,
      closed_at: life.closedAt === null ? null : timestamp(life.closedAt),
      device: timestamp(life.linked['device']!),
      email: timestamp(life.linked['email']!),
    }));
    const json = JSON.stringify(people);
    const all = sql`jsonb_to_recordset(${json}::jsonb) p (person integer, country text, birth date, known boolean, closed_at timestamptz, device timestamptz, email timestamptz)`;
    await sql`insert into public.customer (customer_id, country, birth, closed_at) select person, country, birth, closed_at from ${all} where known`.execute(
      trx,
    );
    await sql`insert into probity.consent_link (subject, key)
      select kind, case kind when 'customer' then '' else left(kind, 1) end || person from ${all} cross join unnest(array['customer', 'device', 'email']) kind`.execute(
      trx,
    );
    await sql`insert into probity.consent_alias (ref, person, linked_at)
      select o.ref, c.ref, case o.subject when 'device' then p.device else p.email end from ${all}
      join probity.consent_link c on c.subject = 'customer' and c.key = p.person::text
      join probity.consent_link o on o.key in ('d' || p.person, 'e' || p.person)`.execute(trx);
    await sql`
      with said as materialized (
        select nextval('probity.consent_record_number') as record_id, l.ref, it.*
        from jsonb_to_recordset(${JSON.stringify(arrived.map(([, it]) => it))}::jsonb) it (person integer, source text, purpose text, channel text,
          decision text, at timestamptz, "capturedAt" timestamptz, "receivedAt" timestamptz, "givenBy" text, basis text, "expiresAt" timestamptz)
        join probity.consent_link l on (l.subject, l.key) = (case it.source when 'self' then 'customer' else it.source end,
          case it.source when 'self' then '' else left(it.source, 1) end || it.person)
      ), record as (
        insert into probity.consent_record (record_id, ref, received_at, commitment) select record_id, ref, "receivedAt", '' from said
      )
      insert into probity.consent_content (record_id, ref, salt, purpose, channel, decision, at, captured_at, received_at, touchpoint, given_by, actor, door,
        basis, expires_at, manifest_hash, fingerprint)
      select record_id, ref, '', purpose, channel, decision, at, "capturedAt", "receivedAt", 'import', "givenBy", 'tester', 'import', basis, "expiresAt", '',
        int8send(record_id) from said`.execute(trx);
  });
}

/** What stays of the ledger is append-only, and says nothing of anybody. */
async function empty(trx: Transaction<unknown>): Promise<void> {
  await sql`delete from probity.consent_content`.execute(trx);
  await sql`delete from probity.consent_link`.execute(trx);
  await sql`delete from probity.permission_span`.execute(trx);
  await sql`delete from public.customer`.execute(trx);
}

export async function deriveAll(store: Store): Promise<void> {
  await sql`
    select probity.derive_spans(array(
      select row(l.subject, l.key, p.purpose)::probity.permission_target from probity.consent_link l
      cross join (select purpose from probity.purpose_rule union select '*') p))`.execute(store.db);
}
