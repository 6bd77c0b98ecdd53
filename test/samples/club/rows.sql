-- Twenty members; whoever is even was granted rights by member 1, and everybody writes to their neighbour.
set search_path = club;
insert into employee select i, 'employee' || i || '@club.example', 'Employee Number' || i, '2026-10-01' from generate_series(1, 3) i;
insert into team select i, 'Team ' || i, null from generate_series(1, 4) i;
insert into member select i, 'member' || i || '@mail.example', case when i in (5, 6, 7) then 'n/a' else '+49 30 9000' || lpad(i::text, 4, '0') end,
  'Wilhelmina Testperson' || i, 1960 + i, case i when 1 then 'administrator' else 'member' end, 'active', i % 2 = 0,
  timestamptz '2024-01-01' + i * interval '1 day', timestamptz '2026-06-01', 1 + i % 4, case when i > 1 then 1 end
  from generate_series(1, 20) i;
update team set lead_id = team_id;
insert into access_grant select i, 'lathe', 1, '2025-01-01' from generate_series(2, 20, 2) i;
insert into access_grant values (1, 'lathe', 2, '2025-01-01'), (1, 'saw', null, '2025-01-01');
insert into booking select i * 10 + j, i, 'saw', timestamptz '2026-02-01' + j * interval '1 day', 1 + j, 'Employee Number' || (1 + j), 'for Wilhelmina Testperson' || i
  from generate_series(1, 20) i, generate_series(0, 2) j;
insert into message select i, i, 1 + i % 20, 'See you at the bench', '2026-03-01' from generate_series(1, 20) i;
insert into message values (101, 1, null, 'A note to myself', '2026-03-02');
insert into message_file select i, i, 'plan.pdf' from generate_series(1, 20) i;
insert into message_file values (101, 101, 'own.pdf');
insert into topic select i, i, 'How to sharpen a plane', null, null from generate_series(1, 20) i;
insert into post select i * 10, i, i, null, 'First I ask', null, '2026-04-01' from generate_series(1, 20) i;
insert into post select i * 10 + 1, i, 1 + i % 20, null, 'Then I answer', 1, '2026-04-02' from generate_series(1, 20) i;
insert into post select i * 10 + 2, i, null, '192.0.2.7', 'Somebody passing by', null, '2026-04-03' from generate_series(1, 20) i;
update topic set pinned_post_id = topic_id * 10;
insert into reaction select i, 'post', (1 + i % 20) * 10 from generate_series(1, 20) i;
insert into reaction select i, 'topic', 1 + i % 20 from generate_series(1, 20) i;
insert into attachment select i * 10, 'post', i * 10, 'photo.jpg' from generate_series(1, 20) i;
insert into attachment select i * 10 + 1, 'booking', i * 10, 'sketch.png' from generate_series(1, 20) i;
insert into attachment select i * 10 + 2, 'door', i, 'map.png' from generate_series(1, 3) i;
insert into api_token select i, i, md5(i::text), '2026-05-01' from generate_series(1, 20) i;
insert into app values (1, 'Bench timer', 1, 'a-very-secret-word', 'https://timer.example/back', 'approved');
insert into app_user select 1, i, '2026-01-01' from generate_series(2, 20) i;
insert into door select i, 'Door ' || i from generate_series(1, 3) i;
insert into visit select i, i, 1, '2024-05-01' from generate_series(1, 20) i;
insert into visit select 100 + i, i, 1 + i % 3, '2026-05-01' from generate_series(1, 20) i;
insert into incident select i, 100 + i, 'A cut finger' from generate_series(1, 3) i;
insert into locker_call select i, m.phone, '2026-05-01' from generate_series(1, 20) i join member m on m.member_id = i;
insert into invoice select i, i, 1, '2025-02-01', 'Wilhelmina Testperson' || i, 40 from generate_series(1, 20) i;
insert into audit_entry select i, i, 'Wilhelmina Testperson' || i, 3, 'unlocked the door' from generate_series(1, 9, 8) i;
insert into job_queue values (1, '--- !ruby/object:Reminder');
reset search_path;
