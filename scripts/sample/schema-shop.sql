-- Acme Outdoor's shop: hard on purpose, since real schemas are. The first half is created before the load, the second half after it.

create type lifecycle_stage as enum ('lead', 'new', 'active', 'at_risk', 'lapsed', 'closed');
create type contact_channel as enum ('email', 'web', 'mobile', 'social', 'store');
create type order_status as enum ('placed', 'paid', 'shipped', 'delivered', 'returned', 'cancelled');
create type consent_decision as enum ('granted', 'refused', 'withdrawn');
create domain email_address as text check (value ~ '^[^@[:space:]]+@[^@[:space:]]+$');
-- ISO 3166-1, with the subdivision of ISO 3166-2 where the law differs inside a country.
create domain region_code as text check (value ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$');

create table product_category (
  category_id integer primary key,
  name text not null unique
);

create table product (
  product_id integer primary key,
  category_id integer not null,
  sku text not null unique,
  name text not null,
  price numeric(10, 2) not null check (price >= 0)
);

-- A self-reference (referred_by), and half of a cycle: default_address_id points to address, which points back.
create table customer (
  customer_id bigint primary key,
  email email_address unique,
  phone text,
  first_name text,
  last_name text,
  birth_year smallint,
  gender text,
  country region_code,
  lifecycle lifecycle_stage not null,
  preferred_channel contact_channel not null,
  referred_by bigint,
  default_address_id bigint,
  signed_up_at timestamptz not null,
  closed_at timestamptz,
  last_seen_at timestamptz,
  updated_at timestamptz not null
);

create table address (
  address_id bigint primary key,
  customer_id bigint not null,
  recipient text not null,
  street text not null,
  postcode text not null,
  city text not null,
  country region_code,
  created_at timestamptz not null
);

create table household (
  household_id bigint primary key,
  label text not null,
  created_at timestamptz not null
);

create table household_member (
  household_id bigint not null,
  customer_id bigint not null,
  role text not null check (role in ('owner', 'member')),
  joined_at timestamptz not null,
  primary key (household_id, customer_id)
);

create table device (
  device_id bigint primary key,
  customer_id bigint not null,
  kind text not null check (kind in ('phone', 'tablet', 'desktop')),
  user_agent text not null,
  ip inet,
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null
);

-- A reserved word for a name, and an address that may belong to another member of the household.
create table "order" (
  order_id bigint primary key,
  customer_id bigint not null,
  ship_to_address_id bigint,
  channel contact_channel not null,
  status order_status not null,
  total numeric(12, 2) not null,
  currency char(3) not null,
  placed_at timestamptz not null,
  updated_at timestamptz not null
);

create table order_line (
  order_id bigint not null,
  line_no smallint not null,
  product_id integer not null,
  quantity smallint not null check (quantity > 0),
  unit_price numeric(10, 2) not null,
  line_total numeric(12, 2) generated always as (quantity * unit_price) stored,
  primary key (order_id, line_no)
);

create table return_line (
  order_id bigint not null,
  line_no smallint not null,
  return_no smallint not null,
  quantity smallint not null check (quantity > 0),
  reason text,
  returned_at timestamptz not null,
  primary key (order_id, line_no, return_no)
);

-- Booked by the accounting system: it repeats the order's number as text, with no foreign key.
create table invoice (
  invoice_id bigint primary key,
  customer_id bigint,
  order_number text not null,
  billing_name text not null,
  billing_email email_address,
  total numeric(12, 2) not null,
  currency char(3) not null,
  issued_at timestamptz not null
);

-- One partition a month (UTC), made by the loader.
create table page_view (
  page_view_id bigint not null,
  customer_id bigint,
  session_id uuid not null,
  path text not null,
  referrer text,
  channel contact_channel not null,
  viewed_at timestamptz not null,
  primary key (viewed_at, page_view_id)
) partition by range (viewed_at);

-- payload holds contact data for some kinds: $.contact.email, $.contact.phone.
create table event (
  event_id bigint primary key,
  customer_id bigint,
  kind text not null,
  amount numeric(12, 2),
  payload jsonb not null,
  at timestamptz not null
);

create table event_daily (
  day date not null,
  kind text not null,
  n bigint not null,
  amount numeric(14, 2),
  primary key (day, kind)
);

-- Polymorphic: (entity_type, entity_id) names a customer, an order or a household.
create table note (
  note_id bigint primary key,
  entity_type text not null check (entity_type in ('customer', 'order', 'household')),
  entity_id bigint not null,
  body text not null,
  created_at timestamptz not null
);

create table survey (
  survey_id integer primary key,
  title text not null,
  opened_on date not null
);

create table survey_answer (
  survey_id integer not null,
  question_no smallint not null,
  customer_id bigint not null,
  device_id bigint,
  choice smallint not null check (choice between 1 and 5),
  free_text text,
  answered_on date not null,
  primary key (survey_id, question_no, customer_id)
);

create table consent_choice (
  customer_id bigint not null,
  purpose text not null,
  channel contact_channel not null,
  chosen_at timestamptz not null,
  decision consent_decision not null,
  touchpoint text not null,
  notice text not null,
  primary key (customer_id, purpose, channel, chosen_at)
);

create table change_log (
  change_id bigint generated by default as identity primary key,
  table_name text not null,
  row_id bigint not null,
  action text not null,
  changed_at timestamptz not null default now()
);

-- after the load

alter table product add foreign key (category_id) references product_category;
create index on product (category_id);

alter table customer add foreign key (referred_by) references customer;
alter table customer add foreign key (default_address_id) references address;
create index on customer (referred_by);
create index on customer (default_address_id);
create index on customer (last_seen_at);

alter table address add foreign key (customer_id) references customer;
create index on address (customer_id);

alter table household_member add foreign key (household_id) references household;
alter table household_member add foreign key (customer_id) references customer;
create index on household_member (customer_id);

alter table device add foreign key (customer_id) references customer;
create index on device (customer_id);
create index on device (last_seen_at);

alter table "order" add foreign key (customer_id) references customer;
alter table "order" add foreign key (ship_to_address_id) references address;
create index on "order" (customer_id);
create index on "order" (ship_to_address_id);
create index on "order" (placed_at);

alter table order_line add foreign key (order_id) references "order";
alter table order_line add foreign key (product_id) references product;
create index on order_line (product_id);

alter table return_line add foreign key (order_id, line_no) references order_line;

alter table invoice add foreign key (customer_id) references customer;
create index on invoice (customer_id);
create index on invoice (issued_at);

alter table page_view add foreign key (customer_id) references customer;
create index on page_view (customer_id);

alter table event add foreign key (customer_id) references customer;
create index on event (customer_id);
create index on event (at);

create index on note (entity_type, entity_id);

alter table survey_answer add foreign key (survey_id) references survey;
alter table survey_answer add foreign key (customer_id) references customer;
-- No index on device_id, as in many a real schema: deleting a device reads all of survey_answer.
alter table survey_answer add foreign key (device_id) references device;
create index on survey_answer (customer_id);

alter table consent_choice add foreign key (customer_id) references customer;

create index on change_log (changed_at);
select setval(pg_get_serial_sequence('change_log', 'change_id'), (select coalesce(max(change_id), 0) + 1 from change_log), false);

-- Runs after each change of an address, deletes included, and never stops one.
create function log_address_change() returns trigger language plpgsql as $$
begin
  insert into change_log (table_name, row_id, action) values (tg_table_name, coalesce(new.address_id, old.address_id), lower(tg_op));
  return null;
end
$$;
create trigger address_change after insert or update or delete on address for each row execute function log_address_change();

create function touch_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  return new;
end
$$;
create trigger customer_touch before update on customer for each row execute function touch_updated_at();
create trigger order_touch before update on "order" for each row execute function touch_updated_at();
