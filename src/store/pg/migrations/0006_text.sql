-- The index of texts: which contents a search need not read. All of it can be made anew from the contents, so a backup leaves it out. See pg/text-block.ts, pg/text-index.ts.

-- How far an account's contents were indexed. One process at a time is at it: `claim` until `busy_until`.
create table text_state (
  account_id bigint not null,
  version smallint not null,                  -- TEXT_VERSION of its blocks (mail/grams.ts)
  next_block int not null default 1,
  cursor bigint not null default 0,           -- content ids up to here were looked at, those of the last day before it perhaps not
  seen bigint not null default 0,             -- sum of the mailboxes' uidnext then, less what was left for later
  claim uuid not null,
  busy_until timestamptz not null,
  primary key (account_id)
);

-- 256 contents each, by order of their ids. Never changed, only dropped: then its contents are unindexed.
create table text_block (
  account_id bigint not null,
  block int not null,
  version smallint not null,
  first_id bigint not null,
  last_id bigint not null,
  contents bytea not null,                    -- their ids, 8 octets each, ascending
  primary key (account_id, block)
);
alter table text_block alter contents set storage external;

create table text_slice (
  account_id bigint not null,
  block int not null,
  slice int not null,
  data bytea not null,
  primary key (account_id, block, slice)
) with (toast_tuple_target = 8160);
alter table text_slice alter data set storage external;
