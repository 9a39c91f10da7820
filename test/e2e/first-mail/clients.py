"""What the e2e tests ask of Python's own mail libraries. One command a run; arguments as JSON on standard input, the answer as JSON on standard output."""
import base64, hashlib, imaplib, json, poplib, smtplib, ssl, sys, time

asked = json.load(sys.stdin)
context = ssl.create_default_context(cafile=asked['ca'])
imaplib._MAXLINE = 10_000_000
poplib._MAXLINE = 1_000_000


def imap():
    client = imaplib.IMAP4_SSL(asked['host'], asked['imaps'], ssl_context=context)
    client.login(asked['user'], asked['password'])
    return client


def pop():
    client = poplib.POP3_SSL(asked['host'], asked['pop3s'], context=context)
    client.user(asked['user'])
    client.pass_(asked['password'])
    return client


def messages():
    return [base64.b64decode(text) if text is not None else None for text in asked['messages']]


def digest(octets):
    return {'sha256': hashlib.sha256(octets).hexdigest(), 'size': len(octets)}


def smtp_send():
    """All messages over one connection to port 25; answers the replies to the final dots."""
    client = smtplib.SMTP(asked['host'], asked['mx'])
    client.starttls(context=context)
    replies = []
    for octets in messages():
        client.ehlo_or_helo_if_needed()
        options = ['BODY=8BITMIME', 'SMTPUTF8']
        client.mail('someone@sender.test', options)
        client.rcpt(asked['user'])
        code, text = client.data(octets)
        replies.append([code, text.decode('latin1')])
    client.quit()
    return replies


def imap_append():
    client = imap()
    answers = []
    for octets in messages():
        # imaplib rewrites line ends; the octets go as they are.
        client.literal = octets
        answers.append(client._simple_command('APPEND', asked['mailbox'])[0])
    client.logout()
    return answers


def imap_digests():
    """Each message's SHA-256 by IMAP, and with `tails` the SHA-256 of its last octets beside."""
    client = imap()
    client.select(asked['mailbox'], readonly=True)
    answers = []
    _, (found,) = client.uid('SEARCH', 'ALL')
    for at, uid in enumerate(found.split()):
        octets = next(part[1] for part in client.uid('FETCH', uid, '(BODY.PEEK[])')[1] if isinstance(part, tuple))
        answer = digest(octets)
        if asked.get('tails'):
            tail = asked['tails'][at]
            answer['tail'] = hashlib.sha256(octets[len(octets) - tail:]).hexdigest() if tail else hashlib.sha256(b'').hexdigest()
            answer['top'] = octets[:len(octets) - tail].decode('latin1')
        answers.append(answer)
    client.logout()
    return answers


def pop_sizes():
    """STAT, LIST, and what RETR gives, each in octets."""
    client = pop()
    count, total = client.stat()
    listed = [int(line.split()[1]) for line in client.list()[1]]
    got = []
    for n in range(1, count + 1):
        lines = client.retr(n)[1]
        got.append(sum(len(line) + 2 for line in lines))
    client.quit()
    return {'count': count, 'total': total, 'listed': listed, 'got': got}


print(json.dumps(globals()[asked['do']]()))
