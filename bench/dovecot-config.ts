/**
 * Dovecot as a careful administrator tunes it: processes that serve many sessions and wait ready, an auth cache, an EC certificate; mdbox, and mail_fsync as it
 * comes; POP3 without \\Seen and with sizes from the index. Plain passwords, so that no login costs hashing.
 */
export interface DovecotOptions {
  readonly dir: string
  readonly imapPort: number
  readonly pop3Port: number
  readonly lmtpPort: number
  /** Owner of the mail. */
  readonly mailUser: string
  /** Sessions that wait ready. */
  readonly processes: number
}

export const dovecotConfig = ({ dir, imapPort, pop3Port, lmtpPort, mailUser, processes }: DovecotOptions): string => `
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/dovecot.log
instance_name = postern-bench
protocols = imap pop3 lmtp
listen = 127.0.0.1
hostname = localhost
postmaster_address = postmaster@example.org

ssl = required
ssl_cert = <${dir}/cert.pem
ssl_key = <${dir}/key.pem
ssl_min_protocol = TLSv1.2

first_valid_uid = 1
mail_uid = ${mailUser}
mail_gid = ${mailUser}
mail_home = ${dir}/mail/%n
mail_location = mdbox:~/mdbox
mail_max_userip_connections = 1000

auth_mechanisms = plain
auth_cache_size = 10 M
auth_cache_ttl = 1 hour
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${dir}/users
}
userdb {
  driver = static
  args = uid=${mailUser} gid=${mailUser}
}

namespace inbox {
  inbox = yes
  separator = /
}

service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 1000
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    port = ${imapPort}
    ssl = yes
  }
}
service imap {
  service_count = 1000
  process_min_avail = ${processes}
}
service pop3-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 1000
  inet_listener pop3 {
    port = 0
  }
  inet_listener pop3s {
    port = ${pop3Port}
    ssl = yes
  }
}
service pop3 {
  service_count = 1000
  process_min_avail = ${processes}
}
protocol pop3 {
  pop3_no_flag_updates = yes
  pop3_fast_size_lookups = yes
}
service lmtp {
  service_count = 0
  process_min_avail = ${processes}
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${lmtpPort}
  }
}
service auth {
  client_limit = 4000
}
service anvil {
  client_limit = 4000
}
`
