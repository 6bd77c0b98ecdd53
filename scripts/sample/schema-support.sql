-- The support desk: a second store, which knows customers by nothing but their e-mail address, in whatever case they typed it.

create table agent (
  agent_id integer primary key,
  name text not null
);

-- Times without a zone: this desk writes UTC and does not say so.
create table ticket (
  ticket_id bigint primary key,
  agent_id integer,
  requester_email text not null,
  subject text not null,
  status text not null check (status in ('open', 'pending', 'closed')),
  opened_at timestamp not null,
  closed_at timestamp
);

create table ticket_message (
  ticket_id bigint not null,
  message_no smallint not null,
  author_email text not null,
  body text not null,
  sent_at timestamp not null,
  primary key (ticket_id, message_no)
);

-- after the load

alter table ticket add foreign key (agent_id) references agent;
alter table ticket_message add foreign key (ticket_id) references ticket;
create index on ticket (agent_id);
create index on ticket (requester_email);
create index on ticket (closed_at);
