-- Who was told to come again, and who did: the same for all hosts. Everything here may be lost: then somebody has to come once more.
create table greylist (
  client text not null,                       -- a network, or the domain that SPF says the client sends for
  letter bytea not null,                      -- digest of reverse-path and recipient; empty: whatever else the client brings, once it brings too much
  first_try timestamptz not null,
  passed boolean not null,                    -- it came again when it should
  expires timestamptz not null,
  primary key (client, letter)
);
create table greylist_client (
  client text primary key,
  passes integer not null,                    -- hours in which something of it passed
  counted timestamptz not null,               -- when the last of them began
  expires timestamptz not null
);
