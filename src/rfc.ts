/**
 * The RFCs that this server is written by: what each is, and what is done of it. docs/protocols.md is made of this table, and tests hold it to the code: every RFC that a
 * comment names stands here, and every capability that is announced stands under the RFC that it comes from.
 */

/** full: all of it that a server of our kind does. part: `does` says which. words: its terms, formats or advice are used. */
export type RfcStatus = 'full' | 'part' | 'words'

export interface Rfc {
  readonly number: number
  readonly title: string
  readonly status: RfcStatus
  /** What we do of it. */
  readonly does: string
  /** Capabilities that announce it, as they are written on the wire. */
  readonly imap?: readonly string[]
  readonly pop3?: readonly string[]
  readonly smtp?: readonly string[]
}

const rfc = (number: number, title: string, status: RfcStatus, does: string, offers: Pick<Rfc, 'imap' | 'pop3' | 'smtp'> = {}): Rfc => ({
  number,
  title,
  status,
  does,
  ...offers,
})

export const RFCS: readonly Rfc[] = [
  rfc(1035, 'Domain Names: Implementation and Specification', 'words', 'length of names'),
  rfc(1047, 'Duplicate Messages and SMTP', 'full', 'the answer to the final dot comes within a bounded time'),
  rfc(1730, 'Internet Message Access Protocol, Version 4', 'words', 'the old names of FETCH items that IMAP4rev1 keeps'),
  rfc(1870, 'SMTP Service Extension for Message Size Declaration', 'full', 'SIZE, and refusal at MAIL', { smtp: ['SIZE'] }),
  rfc(1939, 'Post Office Protocol, Version 3', 'part', 'all but APOP, which needs passwords kept in the clear'),
  rfc(1951, 'DEFLATE Compressed Data Format Specification', 'words', 'what COMPRESS sends; each piece can be read with what was sent before it'),
  rfc(2045, 'MIME Part One: Format of Message Bodies', 'full', 'read, never changed'),
  rfc(2046, 'MIME Part Two: Media Types', 'full', 'multiparts and messages within messages, within bounds of depth and number'),
  rfc(2047, 'MIME Part Three: Message Header Extensions for Non-ASCII Text', 'full', 'decoded for SEARCH'),
  rfc(2086, 'IMAP4 ACL extension', 'words', 'its rights c and d, which stand for several of those of today'),
  rfc(2104, 'HMAC: Keyed-Hashing for Message Authentication', 'words', 'the hash of app passwords'),
  rfc(2142, 'Mailbox Names for Common Services, Roles and Functions', 'part', 'postmaster@ and abuse@ of every domain'),
  rfc(2177, 'IMAP4 IDLE command', 'full', 'IDLE', { imap: ['IDLE'] }),
  rfc(2180, 'IMAP4 Multi-Accessed Mailbox Practice', 'full', 'a session goes on with the messages it was told of until it is told that they went'),
  rfc(2183, 'The Content-Disposition Header Field', 'full', 'in BODYSTRUCTURE'),
  rfc(2231, 'MIME Parameter Value and Encoded Word Extensions', 'full', 'parameters in pieces are put together, within bounds'),
  rfc(2277, 'IETF Policy on Character Sets and Languages', 'words', 'i-default, the language of who has not chosen one'),
  rfc(2308, 'Negative Caching of DNS Queries (DNS NCACHE)', 'words', 'that there is nothing is remembered for a minute'),
  rfc(2342, 'IMAP4 Namespace', 'full', 'one’s own mailboxes, those of other users, public ones', { imap: ['NAMESPACE'] }),
  rfc(2449, 'POP3 Extension Mechanism', 'full', 'CAPA and response codes', {
    pop3: ['TOP', 'USER', 'UIDL', 'RESP-CODES', 'PIPELINING', 'EXPIRE', 'LOGIN-DELAY', 'IMPLEMENTATION'],
  }),
  rfc(
    2595,
    'Using TLS with IMAP, POP3 and ACAP',
    'part',
    'STLS where the POP3 listener without TLS is switched on: no login before it; nothing of IMAP, as 993 speaks TLS from the first byte',
    {
      pop3: ['STLS'],
    },
  ),
  rfc(2606, 'Reserved Top Level DNS Names', 'words', 'example.test as the domain of a machine without one'),
  rfc(2920, 'SMTP Service Extension for Command Pipelining', 'full', 'PIPELINING', { smtp: ['PIPELINING'] }),
  rfc(2971, 'IMAP4 ID Extension', 'full', 'ID', { imap: ['ID'] }),
  rfc(3206, 'The SYS and AUTH POP Response Codes', 'full', 'SYS/TEMP, SYS/PERM, AUTH', { pop3: ['AUTH-RESP-CODE'] }),
  rfc(
    3207,
    'SMTP Service Extension for Secure SMTP over TLS',
    'full',
    'STARTTLS on 25 and 587; whatever was sent before the handshake ends the connection',
    { smtp: ['STARTTLS'] },
  ),
  rfc(3339, 'Date and Time on the Internet: Timestamps', 'words', 'until when a message is held'),
  rfc(3348, 'IMAP4 Child Mailbox Extension', 'full', '\\HasChildren and \\HasNoChildren', { imap: ['CHILDREN'] }),
  rfc(3454, 'Preparation of Internationalized Strings ("stringprep")', 'words', 'the tables of SASLprep'),
  rfc(
    3461,
    'Simple Mail Transfer Protocol (SMTP) Service Extension for Delivery Status Notifications (DSNs)',
    'part',
    'from people here; on 25 nobody is told anything but by our reply',
    { smtp: ['DSN'] },
  ),
  rfc(3463, 'Enhanced Mail System Status Codes', 'full', 'in every SMTP reply', { smtp: ['ENHANCEDSTATUSCODES'] }),
  rfc(
    3464,
    'An Extensible Message Format for Delivery Status Notifications',
    'full',
    'what senders are told of mail that failed, is late, or was handed on',
  ),
  rfc(3501, 'IMAP4rev1', 'full', 'every command, FETCH item and SEARCH key; STARTTLS is left out, as 993 speaks TLS from the first byte', {
    imap: ['IMAP4rev1'],
  }),
  rfc(3502, 'IMAP MULTIAPPEND Extension', 'full', 'up to 32 messages in one APPEND, all or none', { imap: ['MULTIAPPEND'] }),
  rfc(3516, 'IMAP4 Binary Content Extension', 'full', 'parts decoded, their sizes exact; APPEND of messages with NUL', { imap: ['BINARY'] }),
  rfc(3691, 'IMAP UNSELECT command', 'full', 'UNSELECT', { imap: ['UNSELECT'] }),
  rfc(3834, 'Recommendations for Automatic Responses to Electronic Mail', 'words', 'reports say that they are automatic'),
  rfc(3848, 'ESMTP and LMTP Transmission Types Registration', 'full', 'ESMTP, ESMTPS, ESMTPA, ESMTPSA in Received'),
  rfc(4013, 'SASLprep: Stringprep Profile for User Names and Passwords', 'part', 'passwords for SCRAM; not the rule for right-to-left text'),
  rfc(
    4314,
    'IMAP4 Access Control List (ACL) Extension',
    'full',
    'identifiers are addresses of users, and anyone for public mailboxes only: a user’s own mailboxes are shared with those named. c is kx, d is te; p is kept and used by nothing. \\Seen is shared like every flag',
    { imap: ['ACL', 'RIGHTS'] },
  ),
  rfc(4315, 'IMAP UIDPLUS extension', 'full', 'UID EXPUNGE, APPENDUID, COPYUID', { imap: ['UIDPLUS'] }),
  rfc(4422, 'Simple Authentication and Security Layer', 'full', 'the frame of all mechanisms'),
  rfc(4466, 'Collected Extensions to IMAP4 ABNF', 'words', 'where parameters and modifiers of commands stand'),
  rfc(4469, 'IMAP CATENATE Extension', 'full', 'parts by URLs of this server', { imap: ['CATENATE'] }),
  rfc(4616, 'The PLAIN SASL Mechanism', 'full', 'after TLS; the authorization identity is empty or the user', { imap: ['AUTH=PLAIN'] }),
  rfc(4647, 'Matching of Language Tags', 'part', 'lookup, for POP3’s LANG'),
  rfc(4648, 'The Base16, Base32 and Base64 Data Encodings', 'full', 'base64, strictly'),
  rfc(4731, 'IMAP4 Extension to SEARCH Command for Controlling What Kind of Information Is Returned', 'full', 'RETURN (MIN MAX ALL COUNT)', {
    imap: ['ESEARCH'],
  }),
  rfc(4865, 'SMTP Submission Service Extension for Future Message Release', 'full', 'for up to 30 days, for recipients here too', {
    smtp: ['FUTURERELEASE'],
  }),
  rfc(4954, 'SMTP Service Extension for Authentication', 'full', 'AUTH after TLS', { smtp: ['AUTH'] }),
  rfc(4959, 'IMAP Extension for SASL Initial Client Response', 'full', 'AUTHENTICATE with a first response', { imap: ['SASL-IR'] }),
  rfc(4978, 'The IMAP COMPRESS Extension', 'full', 'DEFLATE, after login; limits count what comes out of it', { imap: ['COMPRESS=DEFLATE'] }),
  rfc(5032, 'WITHIN Search Extension to the IMAP Protocol', 'full', 'YOUNGER and OLDER', { imap: ['WITHIN'] }),
  rfc(5034, 'POP3 SASL Authentication Mechanism', 'full', 'AUTH', { pop3: ['SASL'] }),
  rfc(
    5051,
    'i;unicode-casemap - Simple Unicode Collation Algorithm',
    'full',
    'what SEARCH, SORT and THREAD compare texts by; a search composes them first, so that it does not matter how accents were typed',
  ),
  rfc(5056, 'On the Use of Channel Bindings to Secure Channels', 'words', 'logins that are bound to their TLS channel'),
  rfc(5092, 'IMAP URL Scheme', 'part', 'URLs of messages and their parts on this server; no URLAUTH'),
  rfc(5161, 'The IMAP ENABLE Extension', 'full', 'ENABLE', { imap: ['ENABLE'] }),
  rfc(5182, 'IMAP Extension for Referencing the Last SEARCH Result', 'full', 'RETURN (SAVE) and `$` wherever a set of messages may stand', {
    imap: ['SEARCHRES'],
  }),
  rfc(5233, 'Sieve Email Filtering: Subaddress Extension', 'words', 'user+tag@ goes to user@'),
  rfc(5255, 'Internet Message Access Protocol Internationalization', 'part', 'i;unicode-casemap; no languages and no other comparators', {
    imap: ['I18NLEVEL=1'],
  }),
  rfc(
    5256,
    'Internet Message Access Protocol - SORT and THREAD Extensions',
    'full',
    'SORT and THREAD; of a message with more than 500 references, the first and the last of them count',
    { imap: ['SORT', 'THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES'] },
  ),
  rfc(5258, 'IMAP LIST Command Extensions', 'full', 'LIST with selections, several patterns and RETURN; no mailbox is remote', {
    imap: ['LIST-EXTENDED'],
  }),
  rfc(
    5267,
    'Contexts for IMAP4',
    'full',
    'SORT with RETURN; searches and sorts that are kept up to date, but those by sequence numbers, by `$`, of bodies and by relevancy: 10 a session, and 250,000 messages in all that are sorted; UPDATE may name what is to be fetched of new messages (RFC 5465 §7)',
    { imap: ['ESORT', 'CONTEXT=SEARCH', 'CONTEXT=SORT'] },
  ),
  rfc(5280, 'Internet X.509 Public Key Infrastructure Certificate and CRL Profile', 'part', 'the self-signed certificate'),
  rfc(5321, 'Simple Mail Transfer Protocol', 'part', 'MX and submission; mail to other domains goes to a relay while the client waits'),
  rfc(5322, 'Internet Message Format', 'full', 'read, with the obsolete forms; only trace and missing fields are added'),
  rfc(5452, 'Measures for Making DNS More Resilient against Forged Answers', 'words', 'a port and an id of chance for each question'),
  rfc(
    5464,
    'The IMAP METADATA Extension',
    'part',
    'notes of mailboxes and of the server, within limits; who asked by NOTIFY is told of changes, ENABLE METADATA is not taken',
    {
      imap: ['METADATA'],
    },
  ),
  rfc(
    5465,
    'The IMAP NOTIFY Extension',
    'full',
    'all events but AnnotationChange; all groups that name a mailbox count, up to one with NONE; a RENAME of INBOX is told as a mailbox that was made; sequence numbers stay usable',
    { imap: ['NOTIFY'] },
  ),
  rfc(
    5530,
    'IMAP Response Codes',
    'part',
    'AUTHENTICATIONFAILED, UNAVAILABLE, INUSE, LIMIT, ALREADYEXISTS, NONEXISTENT, CANNOT, SERVERBUG and others where they fit',
  ),
  rfc(
    5802,
    'Salted Challenge Response Authentication Mechanism (SCRAM)',
    'full',
    'with SHA-256 only, and channel binding; failures are told by the protocols, not by `e=`',
  ),
  rfc(5803, 'LDAP Schema for Storing SCRAM Secrets', 'words', 'how a verifier is written down'),
  rfc(5819, 'IMAP4 Extension for Returning STATUS Information in Extended LIST', 'full', 'each LIST line with its STATUS behind it', {
    imap: ['LIST-STATUS'],
  }),
  rfc(5891, 'Internationalized Domain Names in Applications: Protocol', 'part', 'domains are kept as A-labels'),
  rfc(5929, 'Channel Bindings for TLS', 'part', 'tls-server-end-point'),
  rfc(5957, 'Display-Based Address Sorting for the IMAP4 SORT Extension', 'full', 'DISPLAYFROM and DISPLAYTO', { imap: ['SORT=DISPLAY'] }),
  rfc(
    6008,
    'Authentication-Results Registration for Differentiating among Cryptographic Results',
    'full',
    '`header.b`: the beginning of the signature',
  ),
  rfc(6152, 'SMTP Service Extension for 8-bit MIME Transport', 'full', '8BITMIME: octets are kept as they come', { smtp: ['8BITMIME'] }),
  rfc(
    6154,
    'IMAP LIST Extension for Special-Use Mailboxes',
    'full',
    'always in LIST and LSUB; one mailbox of each use, and one use of each mailbox',
    { imap: ['SPECIAL-USE', 'CREATE-SPECIAL-USE'] },
  ),
  rfc(
    6203,
    'IMAP4 Extension for Fuzzy Search',
    'full',
    'FUZZY: words in any order, with other endings, without their accents, and with one letter wrong from 5 letters on, in bodies from 8; RELEVANCY. Keys that name no text stay exact',
    { imap: ['SEARCH=FUZZY'] },
  ),
  rfc(6186, 'Use of SRV Records for Locating Email Submission/Access Services', 'full', 'the records that `postern dns` prints'),
  rfc(
    6376,
    'DomainKeys Identified Mail (DKIM) Signatures',
    'part',
    'mail of people here is signed, relaxed/relaxed; of mail from other servers 5 signatures are checked, and one whose l= leaves something out does not count',
  ),
  rfc(6409, 'Message Submission for Mail', 'part', 'ports 587 and 465, login first, the sender has to be the user’s own'),
  rfc(6522, 'The Multipart/Report Media Type for the Reporting of Mail System Administrative Messages', 'full', 'the frame of such a report'),
  rfc(6531, 'SMTP Extension for Internationalized Email', 'part', 'addresses and headers in UTF-8', { smtp: ['SMTPUTF8'] }),
  rfc(6532, 'Internationalized Email Headers', 'full', 'headers in UTF-8 are read, and what a message/global holds'),
  rfc(6533, 'Internationalized Delivery Status and Disposition Notifications', 'part', 'reports about addresses and headers in UTF-8'),
  rfc(
    6698,
    'The DNS-Based Authentication of Named Entities (DANE) Transport Layer Security (TLS) Protocol: TLSA',
    'words',
    'what a TLSA record holds, and which ones cannot be used',
  ),
  rfc(6749, 'The OAuth 2.0 Authorization Framework', 'words', 'how a client of the issuer says who it is'),
  rfc(6750, 'The OAuth 2.0 Authorization Framework: Bearer Token Usage', 'words', 'how a token is written'),
  rfc(6838, 'Media Type Specifications and Registration Procedures', 'words', 'which characters a media type has'),
  rfc(6840, 'Clarifications and Implementation Notes for DNS Security (DNSSEC)', 'words', 'the AD bit of a resolver that is trusted'),
  rfc(6851, 'IMAP MOVE Extension', 'full', 'MOVE and UID MOVE', { imap: ['MOVE'] }),
  rfc(6855, 'IMAP Support for UTF-8', 'words', 'APPEND with UTF8 ( ), which RFC 9755 no longer has'),
  rfc(
    6856,
    'Post Office Protocol Version 3 (POP3) Support for UTF-8',
    'part',
    'names and passwords in UTF-8, without UTF8 too; LANG with English alone; messages with 8-bit headers are sent as they are to who has not said UTF8: neither a surrogate nor [UTF8]',
    { pop3: ['UTF8', 'LANG'] },
  ),
  rfc(6891, 'Extension Mechanisms for DNS (EDNS(0))', 'words', 'answers of up to 1232 octets by UDP'),
  rfc(
    7162,
    'IMAP Extensions: CONDSTORE and QRESYNC',
    'full',
    'one mod-sequence for each message, all mailboxes have them; expunges are known from the log, below its floor all UIDs that are absent are told',
    { imap: ['CONDSTORE', 'QRESYNC'] },
  ),
  rfc(
    7208,
    'Sender Policy Framework (SPF) for Authorizing Use of Domains in Email, Version 1',
    'part',
    'checked for mail from other servers, within 10 lookups and 2 void ones; alone it refuses nothing, and no Received-SPF is written',
  ),
  rfc(7301, 'TLS Application-Layer Protocol Negotiation', 'full', '"imap" and "pop3"; who offers only others is refused'),
  rfc(7372, 'Email Authentication Status Codes', 'words', '5.7.26 for what DMARC refuses'),
  rfc(
    7377,
    'IMAP4 Multimailbox SEARCH Extension',
    'full',
    'ESEARCH; INBOX is the only one of "inboxes", and the selected mailbox alone is kept up to date',
    { imap: ['MULTISEARCH'] },
  ),
  rfc(7435, 'Opportunistic Security: Some Protection Most of the Time', 'words', 'without TLS rather than not at all, where nobody asked for it'),
  rfc(7505, 'A Null MX No Service Resource Record for Domains That Accept No Mail', 'words', 'how it looks'),
  rfc(7628, 'A Set of SASL Mechanisms for OAuth', 'full', 'OAUTHBEARER, and XOAUTH2 which was before it; where an issuer is configured', {
    imap: ['AUTH=OAUTHBEARER', 'AUTH=XOAUTH2'],
  }),
  rfc(7662, 'OAuth 2.0 Token Introspection', 'full', 'where it is configured instead of signatures'),
  rfc(
    7671,
    'The DNS-Based Authentication of Named Entities (DANE) Protocol: Updates and Operational Guidance',
    'part',
    'the strongest digest counts; authorities that stand in a record need not be sent along',
  ),
  rfc(
    7672,
    'SMTP Security via Opportunistic DNS-Based Authentication of Named Entities (DANE) Transport Layer Security (TLS)',
    'full',
    'to other servers, where a validating resolver is configured; only where MX records are proven too',
  ),
  rfc(7677, 'SCRAM-SHA-256 and SCRAM-SHA-256-PLUS SASL Mechanisms', 'full', 'in IMAP, POP3 and submission; -PLUS over TLS 1.3', {
    imap: ['AUTH=SCRAM-SHA-256', 'AUTH=SCRAM-SHA-256-PLUS'],
  }),
  rfc(7888, 'IMAP4 Non-synchronizing Literals', 'full', 'LITERAL- before login, LITERAL+ after', { imap: ['LITERAL-', 'LITERAL+'] }),
  rfc(7889, 'The IMAP APPENDLIMIT Extension', 'full', 'one limit for all mailboxes', { imap: ['APPENDLIMIT'] }),
  rfc(8098, 'Message Disposition Notification', 'words', 'the empty sender of notices'),
  rfc(8265, 'Preparation, Enforcement and Comparison of Usernames and Passwords', 'part', 'passwords in NFC, spaces alike'),
  rfc(8301, 'Cryptographic Algorithm and Key Usage Update to DomainKeys Identified Mail (DKIM)', 'full', 'no rsa-sha1, no RSA key below 1,024 bits'),
  rfc(8314, 'Cleartext Considered Obsolete: Use of TLS for Email Submission and Access', 'full', 'no service that reads or submits mail without TLS'),
  rfc(8414, 'OAuth 2.0 Authorization Server Metadata', 'words', 'the issuer of a document must be the one that was asked'),
  rfc(8437, 'IMAP UNAUTHENTICATE Extension for Connection Reuse', 'full', 'UNAUTHENTICATE, announced after login', { imap: ['UNAUTHENTICATE'] }),
  rfc(8438, 'IMAP Extension for STATUS=SIZE', 'full', 'from a counter', { imap: ['STATUS=SIZE'] }),
  rfc(8440, 'IMAP4 Extension for Returning MYRIGHTS Information in Extended LIST', 'full', 'LIST … RETURN (MYRIGHTS)', { imap: ['LIST-MYRIGHTS'] }),
  rfc(8446, 'The Transport Layer Security Protocol, Version 1.3', 'full', 'TLS 1.2 and 1.3'),
  rfc(8460, 'SMTP TLS Reporting', 'words', 'the record that asks others for reports; none are sent'),
  rfc(
    8461,
    'SMTP MTA Strict Transport Security (MTA-STS)',
    'part',
    'policies of other domains; one that says it lasts for less than a day is kept for a day; what fails under `testing` is not reported',
  ),
  rfc(8463, 'A New Cryptographic Signature Method for DomainKeys Identified Mail (DKIM)', 'part', 'Ed25519 beside RSA'),
  rfc(8474, 'IMAP Extension for Object Identifiers', 'full', 'MAILBOXID, EMAILID; THREADID is NIL, as threads are not put together', {
    imap: ['OBJECTID'],
  }),
  rfc(8508, 'IMAP REPLACE Extension', 'full', 'REPLACE and UID REPLACE, in one transaction', { imap: ['REPLACE'] }),
  rfc(8514, 'IMAP SAVEDATE Extension', 'full', 'the date of delivery, APPEND, COPY or MOVE, in UTC; never NIL', { imap: ['SAVEDATE'] }),
  rfc(
    8601,
    'Message Header Field for Indicating Message Authentication Status',
    'full',
    'on top of mail from other servers; what comes in our name is taken away',
  ),
  rfc(
    8617,
    'The Authenticated Received Chain (ARC) Protocol',
    'part',
    'chains of up to 10 sets are checked; those of trusted sealers go before DMARC’s no; nothing is sealed here',
  ),
  rfc(8659, 'DNS Certification Authority Authorization (CAA) Resource Record', 'words', 'a record that `postern dns` suggests'),
  rfc(
    8689,
    'SMTP Require TLS Option',
    'part',
    'kept with a message, and asked of the next server, which has to promise the rest; the header field TLS-Required is not looked at',
    { smtp: ['REQUIRETLS'] },
  ),
  rfc(8693, 'OAuth 2.0 Token Exchange', 'words', 'the claim `scope`'),
  rfc(8970, 'IMAP4 Extension: Message Preview Generation', 'full', 'made when a message is stored; LAZY makes no difference', { imap: ['PREVIEW'] }),
  rfc(9051, 'IMAP4rev2', 'full', 'beside IMAP4rev1, whose commands and RECENT stay; what differs begins with ENABLE IMAP4rev2', {
    imap: ['IMAP4rev2'],
  }),
  rfc(
    9068,
    'JSON Web Token (JWT) Profile for OAuth 2.0 Access Tokens',
    'part',
    'issuer, audience, expiry and scope; the type `at+jwt` is not asked for',
  ),
  rfc(9106, 'Argon2', 'full', 'argon2id for passwords'),
  rfc(
    9208,
    'IMAP QUOTA Extension',
    'full',
    'one root an account, STORAGE; the configuration sets it, so SETQUOTA is refused and QUOTASET not announced',
    { imap: ['QUOTA', 'QUOTA=RES-STORAGE'] },
  ),
  rfc(9266, 'Channel Bindings for TLS 1.3', 'full', 'tls-exporter; not over TLS 1.2'),
  rfc(9293, 'Transmission Control Protocol', 'words', 'how a connection is closed without losing our last words'),
  rfc(9394, 'IMAP PARTIAL Extension for Paged SEARCH and FETCH', 'full', 'pages of a search and of a FETCH; of FETCH by sequence numbers too', {
    imap: ['PARTIAL'],
  }),
  rfc(9585, 'IMAP Response Code for Command Progress Notifications', 'full', 'every 10 s, with numbers where a search reads messages', {
    imap: ['INPROGRESS'],
  }),
  rfc(9586, 'IMAP Extension for Using and Returning Unique Identifiers Only', 'full', 'only where the configuration asks for it', {
    imap: ['UIDONLY'],
  }),
  rfc(9590, 'IMAP Extension for Returning Mailbox METADATA in Extended LIST', 'full', 'each LIST line with its METADATA behind it', {
    imap: ['LIST-METADATA'],
  }),
  rfc(
    9755,
    'IMAP Support for UTF-8',
    'part',
    'quoted strings and mailbox names as UTF-8 once enabled; messages with 8-bit headers are shown to, and taken from, clients that have not enabled it, as they are; CHARSET UTF-8 is taken from those that have, as Thunderbird sends it; a LOGIN in UTF-8 is understood',
    { imap: ['UTF8=ACCEPT'] },
  ),
  rfc(
    9989,
    'Domain-Based Message Authentication, Reporting, and Conformance (DMARC)',
    'part',
    'mail from other servers is checked, and refused or taken for junk as its domain asks; no reports are sent',
  ),
  rfc(
    10022,
    'IMAP UIDBATCHES Extension',
    'full',
    'only where the configuration asks for it; batches of 500 and more, exactly as large as asked for but for the last, 2,000 ranges an answer; messages that went and were not told yet count in none',
    { imap: ['UIDBATCHES'] },
  ),
]

const STATUS: Readonly<Record<RfcStatus, string>> = { full: 'yes', part: 'in part', words: 'words only' }

/** docs/protocols.md. */
export function protocolsPage(): string {
  const rows = RFCS.map((r) => {
    const offers = [...(r.imap ?? []), ...(r.pop3 ?? []), ...(r.smtp ?? [])].map((name) => `\`${name}\``).join(' ')
    return `| ${r.number} | ${r.title} | ${STATUS[r.status]} | ${r.does.replaceAll('|', '\\|')} | ${offers} |`
  })
  return [
    '# Protocols',
    '',
    'Made of `src/rfc.ts`; change that, then run `UPDATE=1 npm test -- protocols`.',
    '',
    '| RFC | Title | Done | What of it | Announced as |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
