-- Addresses that lead further: lists, what is left over of a domain (`@domain`), and what accounts do with mail before it is theirs.
alter table address drop constraint address_kind_check;
alter table address add constraint address_kind_check check (kind in ('own', 'alias', 'role', 'list', 'catch-all'));
alter table address add column members bigint[];            -- of a list: accounts; account_id is its owner
alter table address add column onward text[];               -- of a list: members elsewhere
alter table account add column inbound jsonb not null default '{}';  -- forward, block, allow: store/accounts.ts `Inbound`
