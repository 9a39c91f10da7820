-- Who may do what with whose mailbox (RFC 4314). Nothing here hinders code that does not know of it: to that, every mailbox is its owner's alone.

create table mailbox_acl (
  account_id bigint not null,                 -- whose mailbox it is
  mailbox_id int not null,
  identifier text not null,                   -- an account's address, or 'anyone'; with '-' before it the rights are taken away
  rights text not null,                       -- of lrswipkxtea
  configured boolean not null default false,  -- said by the config file, which says it again when it changes
  primary key (account_id, mailbox_id, identifier)
);

-- The other way round, kept with the account that was given something: where to look for mailboxes of others. A row is a hint; what counts is the owner's list.
create table mailbox_shared (
  account_id bigint not null,
  owner_id bigint not null,
  mailbox_id int not null,
  primary key (account_id, owner_id, mailbox_id)
);

-- Changes of a list are changes of names to those who may see other mailboxes by them. Which kinds there are, names.ts says.
alter table account_change drop constraint if exists account_change_kind_check;
