-- What Postgres 18 adds.
create extension btree_gist;
create table app.modern (
  id int primary key,
  loose int references app.child (id) not enforced,
  doubled int generated always as (id * 2) virtual
);
create table app.stay (room int, during daterange, primary key (room, during without overlaps));
create table app.guest (
  id int primary key,
  room int,
  during daterange,
  foreign key (room, period during) references app.stay (room, period during)
);
