-- Which database this is, and what became of it: docs/architecture.md, "Incarnations". Nothing here hinders code that does not know of it.

-- The oldest schema number that a program must know to work on this database. A migration that old code cannot live with raises it.
alter table server add column min_compatible int not null default 1;
-- System identifier, timeline, oid of the database and of this table, as they were seen when this incarnation began: a restored dump, a promoted replica and a clone differ.
alter table server add column mark text;
-- Rises while mail flows, and says with it where the write-ahead log ended (octets): a copy that was put back shows an older pair than its users remember.
alter table server add column beat bigint not null default 0;
alter table server add column position bigint;
-- Which config file was applied last: its `generation`, when it was written (milliseconds since 1970), and which file of which host it was.
alter table server add column config_number bigint not null default 0;
alter table server add column config_time bigint not null default 0;
alter table server add column config_origin text not null default '';

-- One row for each incarnation. Whoever remembers a token that is not here, neither as `token` nor as `instead_of`, knew another database than this one.
create table incarnation (
  n int primary key,
  token uuid not null default gen_random_uuid(),
  instead_of uuid,                            -- the token of a life that was lost
  began_at timestamptz not null default now(),
  why text not null
);
insert into incarnation (n, why) select incarnation, 'the first' from server;

-- modseq of the last gap: no message counts as older, so who pulls "since" gets every flag anew (RFC 7162 §3.1).
alter table mailbox add column reborn bigint not null default 0;
