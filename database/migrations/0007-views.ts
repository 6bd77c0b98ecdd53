import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/*
 * What purpose-bound views need: a secret of each purpose, by which the same person has another pseudonym under every purpose, and the
 * pseudonyms of whoever has an allowing span, so that one can be looked for by an index. They are kept by the statement that writes the
 * span, whoever runs it: in the home store the recorder, elsewhere the replicator.
 */

/** As in 0005: planned once, for one span and for ten thousand, and by index, whatever the planner thinks of tables that were empty. */
const BY_INDEX = `set plan_cache_mode = force_generic_plan set jit = off set enable_nestloop = on set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off`;
/** As `database/views/definition.ts` computes it; a test holds the two together. */
const pseudonym = (secret: string): string =>
  `encode(substr(sha256(${secret}.secret || convert_to(k.domain || ':' || s.key, 'UTF8')), 1, 16), 'hex')`;
/** Spans written while pseudonyms are looked over would be seen neither by us nor, knowing nothing of us, by their writer. */
const NO_NEW_SPANS = `lock table probity.permission_span in share row exclusive mode`;

export const statements = [
  // Read by the owner of the views alone. Whoever knows a secret can tell which key stands behind a pseudonym.
  `create table probity.pseudonym_key (
    purpose text primary key,
    secret bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    created_at timestamptz not null default now(),
    check (length(secret) = 32)
  )`,

  // Whose pseudonyms are kept: of the purposes that have views, subjects whose key is one column. `domain`: what the key names.
  `create table probity.pseudonym_kind (
    purpose text not null,
    subject text not null,
    domain text not null,
    primary key (purpose, subject)
  )`,
  // Read by the owner of the views alone. Unique by key, so that a statement that does not ask for the pseudonym need not look here.
  `create table probity.pseudonym (
    purpose text not null,
    subject text not null,
    key text not null,
    pseudonym text collate "C" not null,
    -- The key in the type that the company's column has, for its index; null: a text that is no such value, which must not raise.
    integer_key bigint generated always as (case when key ~ '^-?[0-9]{1,19}$' then
      case when key::numeric between -9223372036854775808 and 9223372036854775807 then key::bigint end end) stored,
    uuid_key uuid generated always as (case when key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then key::uuid end) stored,
    primary key (purpose, subject, key)
  )`,
  // By hash, since nobody asks for pseudonyms between others, and random texts cost a tree twice as much.
  `create index pseudonym_pseudonym on probity.pseudonym using hash (pseudonym)`,

  // Whoever has several spans, or a pseudonym already, is a conflict: that costs less than to find it out before.
  `create function probity.keep_pseudonyms_of_spans() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp ${BY_INDEX} as $$
  declare
    k record;
  begin
    for k in
      select n.purpose, n.subject, n.domain, y.secret
      from (select distinct it.purpose, it.subject from added it where it.allows and it.open) a
      join probity.pseudonym_kind n on n.purpose = a.purpose and n.subject = a.subject
      join probity.pseudonym_key y on y.purpose = n.purpose
    loop
      insert into probity.pseudonym (purpose, subject, key, pseudonym)
        select s.purpose, s.subject, s.key, ${pseudonym('k')}
        from added s
        where s.allows and s.open and s.purpose = k.purpose and s.subject = k.subject
        on conflict do nothing;
    end loop;
    return null;
  end
  $$`,
  `create trigger keep_pseudonyms after insert on probity.permission_span referencing new table as added
    for each statement execute function probity.keep_pseudonyms_of_spans()`,

  `create function probity.add_missing_pseudonyms() returns void language sql as $$
    insert into probity.pseudonym (purpose, subject, key, pseudonym)
      select s.purpose, s.subject, s.key, ${pseudonym('y')}
      from (select distinct it.purpose, it.subject, it.key from probity.permission_span it where it.allows and it.open) s
      join probity.pseudonym_kind k on k.purpose = s.purpose and k.subject = s.subject
      join probity.pseudonym_key y on y.purpose = s.purpose
      where not exists (select from probity.pseudonym p where p.purpose = s.purpose and p.subject = s.subject and p.key = s.key)
      order by s.purpose, s.subject, s.key
      on conflict do nothing
  $$`,

  // Most of the work, while spans are written. Those that are written meanwhile follow by the next function, which keeps writers out.
  `create function probity.keep_pseudonyms(p_purpose text, p_subject text, p_domain text) returns void language plpgsql as $$
  begin
    delete from probity.pseudonym p where p.purpose = p_purpose and p.subject = p_subject;
    insert into probity.pseudonym_kind (purpose, subject, domain) values (p_purpose, p_subject, p_domain)
      on conflict (purpose, subject) do update set domain = excluded.domain;
    perform probity.add_missing_pseudonyms();
  end
  $$`,
  `create function probity.keep_missing_pseudonyms() returns void language plpgsql as $$
  begin
    ${NO_NEW_SPANS};
    perform probity.add_missing_pseudonyms();
  end
  $$`,
  `create function probity.drop_pseudonyms(p_purpose text, p_subject text) returns void language plpgsql as $$
  begin
    ${NO_NEW_SPANS};
    delete from probity.pseudonym_kind k where k.purpose = p_purpose and k.subject = p_subject;
    delete from probity.pseudonym p where p.purpose = p_purpose and p.subject = p_subject;
  end
  $$`,

  // Another secret, other pseudonyms.
  `create function probity.change_pseudonyms() returns trigger language plpgsql as $$
  begin
    ${NO_NEW_SPANS};
    delete from probity.pseudonym p where p.purpose = old.purpose;
    perform probity.add_missing_pseudonyms();
    return null;
  end
  $$`,
  `create trigger change_pseudonyms after update of secret or delete on probity.pseudonym_key
    for each row execute function probity.change_pseudonyms()`,

  // Whoever has no allowing span any more needs no pseudonym. Looked for before anybody is kept out; mostly there is nothing.
  `create function probity.forget_pseudonyms() returns bigint language plpgsql as $$
  declare
    v_gone probity.pseudonym[];
    v_deleted bigint;
  begin
    select array_agg(p) into v_gone from probity.pseudonym p where not exists (
      select from probity.permission_span s where s.purpose = p.purpose and s.subject = p.subject and s.key = p.key and s.allows and s.open);
    if v_gone is null then
      return 0;
    end if;
    ${NO_NEW_SPANS};
    delete from probity.pseudonym p using unnest(v_gone) it
      where p.purpose = it.purpose and p.subject = it.subject and p.key = it.key and not exists (
        select from probity.permission_span s where s.purpose = p.purpose and s.subject = p.subject and s.key = p.key and s.allows and s.open);
    get diagnostics v_deleted = row_count;
    return v_deleted;
  end
  $$`,

  `revoke execute on function probity.keep_pseudonyms_of_spans(), probity.add_missing_pseudonyms(), probity.keep_pseudonyms(text, text, text),
    probity.keep_missing_pseudonyms(), probity.drop_pseudonyms(text, text), probity.change_pseudonyms(), probity.forget_pseudonyms() from public`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
