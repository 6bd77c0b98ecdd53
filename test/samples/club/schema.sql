-- A club with a workshop: machines to book, a forum, messages between members. Made for tests, of what real schemas do and ours did not: two people in
-- a row, owners of several kinds, attachments, tokens, moderators, cycles, partitions with keys of their own, anonymous writers, shared placeholders.
create schema club;
set search_path = club;

create table employee (employee_id int primary key, email text not null unique, full_name text not null, left_at timestamptz);
create table team (team_id int primary key, title text not null, lead_id int);
create table member (
  member_id int primary key,
  email text unique,
  phone text,
  display_name text not null,
  birth_year int,
  role text not null default 'member' check (role in ('member', 'trainer', 'administrator')),
  status text not null default 'active' check (status in ('active', 'paused', 'deleted')),
  newsletter boolean not null default false,
  joined_at timestamptz not null,
  closed_at timestamptz,
  team_id int references team,
  invited_by int references member
);
alter table team add foreign key (lead_id) references member;

create table access_grant (
  member_id int not null references member,
  machine text not null,
  granted_by int references member,
  granted_at timestamptz not null,
  primary key (member_id, machine)
);
create table booking (
  booking_id int primary key,
  member_id int not null references member,
  machine text not null,
  starts_at timestamptz not null,
  handled_by int references employee,
  handled_by_name text,
  note text
);
create table message (
  message_id int primary key,
  sender_id int not null references member,
  recipient_id int references member,
  body text not null,
  sent_at timestamptz not null
);
create table message_file (file_id int primary key, message_id int not null references message on delete cascade, file_name text not null);
create table topic (
  topic_id int primary key,
  author_id int references member,
  title text not null,
  pinned_post_id int,
  closed_by int references employee
);
create table post (
  post_id int primary key,
  topic_id int not null references topic on delete cascade,
  author_id int references member,
  author_ip inet,
  body text not null,
  hidden_by int references employee,
  posted_at timestamptz not null
);
alter table topic add foreign key (pinned_post_id) references post;
create table reaction (
  member_id int not null references member on delete cascade,
  target_type text not null,
  target_id int not null,
  primary key (member_id, target_type, target_id)
);
create table attachment (
  attachment_id int primary key,
  record_type text not null,
  record_id int not null,
  file_name text not null
);
create index on attachment (record_type, record_id);
create table api_token (token_id int primary key, member_id int not null references member, secret text not null unique, last_used_at timestamptz);
create table app (
  app_id int primary key,
  title text not null,
  owner_id int references member on delete set null,
  secret text not null,
  redirect_uri text not null,
  status text not null default 'approved'
);
create table app_user (app_id int references app, member_id int references member, since date not null, primary key (app_id, member_id));
create table door (door_id int primary key, place text not null);
create table visit (visit_id int not null, member_id int references member, door_id int not null, visited_at timestamptz not null) partition by range (visited_at);
create table visit_old partition of visit for values from (minvalue) to ('2026-01-01');
create table visit_new partition of visit for values from ('2026-01-01') to (maxvalue);
alter table visit_old add primary key (visit_id);
alter table visit_new add primary key (visit_id);
alter table visit_new add foreign key (door_id) references door;
create table incident (
  incident_id int primary key,
  visit_id int not null references visit_new on delete cascade,
  report text not null
);
create table locker_call (call_id int primary key, phone text not null, called_at timestamptz not null);
create table invoice (
  invoice_id int primary key,
  member_id int not null references member,
  approved_by int references employee,
  issued_at timestamptz not null,
  billed_to text not null,
  amount numeric(9, 2) not null
);
create table audit_entry (
  entry_id int primary key,
  member_id int references member,
  member_name text,
  employee_id int not null references employee,
  done text not null
);
create table job_queue (job_id int primary key, handler text not null);
reset search_path;
