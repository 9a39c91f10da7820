-- POP3 unique-ids that messages had on the server they came from: a mail program that left them there must not fetch them anew. All others are made of their mid.
create table pop_uidl (
  account_id bigint not null,
  mid bigint not null,
  uidl text not null check (uidl collate "C" ~ '^[!-~]{1,70}$'), -- RFC 1939 §7
  primary key (account_id, mid)
);
create unique index pop_uidl_once on pop_uidl (account_id, uidl);

-- Whether there may be any, so that a login of others reads nothing more.
alter table account add column has_pop_uidl boolean not null default false;
