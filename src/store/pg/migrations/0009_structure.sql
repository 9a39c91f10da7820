-- How far an account's contents were looked through for structures of an older STRUCTURE_VERSION, which are made anew in the background. See pg/structure-renewal.ts. A backup
-- leaves it out: what it restores is looked through again.
create table structure_state (
  account_id bigint not null,
  version smallint not null,                  -- STRUCTURE_VERSION that contents up to `cursor` have at least
  cursor bigint not null default 0,
  done boolean not null default false,        -- and all others too
  claim uuid not null,                        -- one process at a time is at it: until `busy_until`
  busy_until timestamptz not null,
  primary key (account_id)
);
