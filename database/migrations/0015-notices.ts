import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** Who else received data and must be told, and how far that is. Home store only; says nothing of the people. */
export const statements = [
  `create table probity.notice (
    notice_id uuid primary key default gen_random_uuid(),
    -- No foreign key: a batch has no row of a request, and what was told stays as long as it is needed as evidence.
    request_id text not null,
    -- Whose keys name the people, in each store.
    run_id text not null,
    recipient text not null,
    news text not null check (news in ('erasure', 'restriction', 'restriction_lifted', 'rectification')),
    way text not null check (way in ('webhook', 'activity', 'task')),
    classes integer[] not null,
    identities text[] not null,
    people integer not null,
    state text not null default 'open' check (state in ('open', 'sent', 'acknowledged', 'told', 'given_up')),
    attempts integer not null default 0,
    opened_at timestamptz not null default clock_timestamp(),
    -- As the manifest says when it is opened.
    patience_days integer not null check (patience_days > 0),
    silent_after_days integer not null check (silent_after_days > 0),
    first_attempt_at timestamptz,
    last_attempt_at timestamptz,
    -- Null: nothing is tried (any more).
    next_attempt_at timestamptz,
    settled_at timestamptz,
    settled_by text,
    -- A word of ours: an answer or an address may name somebody, or hold a secret.
    problem text check (problem ~ '^[a-z][a-z0-9_]{0,39}$'),
    check ((state in ('acknowledged', 'told', 'given_up')) = (settled_at is not null)),
    check ((settled_at is null) = (settled_by is null)),
    check (settled_at is null or next_attempt_at is null),
    unique (request_id, run_id, news, recipient)
  )`,
  `create index notice_unsettled on probity.notice (next_attempt_at) where settled_at is null`,

  // Of what has no plan: that notices were opened, or that nobody was to be told.
  `create table probity.request_news (
    request_id text not null references probity.request (request_id) on delete cascade,
    news text not null,
    opened_at timestamptz not null default clock_timestamp(),
    primary key (request_id, news)
  )`,
  `create index request_told on probity.request (request_id) where kind in ('restriction', 'rectification')`,

  // A page of the people: its id is what a receiver knows a repetition by, so it is there before anything is sent.
  `create table probity.notice_page (
    notice_id uuid not null references probity.notice (notice_id) on delete cascade,
    page integer not null,
    page_id uuid not null unique default gen_random_uuid(),
    -- Ordinals within the run, both inclusive.
    first_person integer not null,
    last_person integer not null,
    delivered_at timestamptz,
    acknowledged boolean not null default false,
    check (first_person <= last_person),
    check (delivered_at is not null or not acknowledged),
    primary key (notice_id, page)
  )`,

  // That nobody is told is decided by somebody who may, and signed.
  `alter table probity.request_decision drop constraint request_decision_decision_check`,
  `alter table probity.request_decision add constraint request_decision_decision_check check (decision in ('approve', 'reject', 'dismiss', 'give_up'))`,
];

/** Runs the statements; kysely's migrator calls it inside one transaction. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
