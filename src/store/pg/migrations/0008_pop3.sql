-- How POP3 treats an account's mail beyond pop3_policy, which stays for versions that know no more than it: what store/pop3-policy.ts packs.
-- Whoever wrote pop3_policy last wins: these settings count only while their after_download is what that column says, or the nearest to it.
alter table account add column pop3 jsonb not null default '{}';
