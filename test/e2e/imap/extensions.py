"""Python's imaplib against a server: extensions.py PORT USER PASSWORD CA OTHER-USER. What the server does not announce is left out, and said."""
import imaplib, ssl, sys

port, user, password, ca, friend = int(sys.argv[1]), *sys.argv[2:6]
context = ssl.create_default_context(cafile=ca)


def connect():
    client = imaplib.IMAP4_SSL('localhost', port, ssl_context=context)
    check(client.login(user, password))
    return client


def check(answer, wanted='OK'):
    typ, data = answer
    assert typ == wanted, answer
    return data


m = connect()
check(m.capability())
announced = set(check(m.capability())[0].decode().split())
left_out = []


def has(name):
    if name in announced:
        return True
    left_out.append(name)
    return False


check(m.enable('CONDSTORE')) if has('CONDSTORE') else None
check(m.namespace())
assert check(m.select('INBOX')) == [b'30']
uids = check(m.uid('SEARCH', None, 'ALL'))[0].split()
assert len(uids) == 30

if has('SORT'):
    ordered = check(m.sort('(REVERSE SUBJECT)', 'UTF-8', 'ALL'))[0].split()
    assert ordered == [str(n).encode() for n in range(30, 0, -1)], ordered
    assert check(m.uid('SORT', '(SIZE)', 'UTF-8', 'SUBJECT', '"mail t00"'))[0].split() == uids[:10]
for way in ('REFERENCES', 'ORDEREDSUBJECT'):
    if has('THREAD=' + way):
        threads = check(m.thread(way, 'UTF-8', 'ALL'))[0]
        assert threads.count(b'(') == 30, threads
if has('QUOTA'):
    roots, quota = check(m.getquotaroot('INBOX'))
    assert b'INBOX' in roots[0], roots
if has('ACL'):
    check(m.create('Shared-out'))
    check(m.setacl('Shared-out', friend, 'lr'))
    assert friend.encode() in check(m.getacl('Shared-out'))[0]
    assert b'a' in check(m.myrights('Shared-out'))[0].split()[-1]
    check(m.deleteacl('Shared-out', friend))
    assert friend.encode() not in check(m.getacl('Shared-out'))[0]
    check(m.delete('Shared-out'))
if has('UNSELECT'):
    check(m.unselect())
    check(m.select('INBOX'))

# A second connection hears of what the first does.
other = connect()
check(other.select('INBOX'))
check(m.uid('STORE', uids[0].decode(), '+FLAGS', r'(\Deleted $Label1)'))
check(m.uid('STORE', uids[1].decode(), '+FLAGS.SILENT', r'(\Deleted)'))
assert check(m.expunge()) in ([b'2', b'1'], [b'1', b'1'])
check(other.noop())
typ, gone = other.response('EXPUNGE')
assert gone in ([b'2', b'1'], [b'1', b'1']), gone
check(m.append('INBOX', r'(\Seen)', '"02-Mar-2026 10:00:00 +0100"', b'Subject: appended\r\n\r\nbody\r\n'))
check(other.noop())
assert other.response('EXISTS')[1][-1] == b'29'
check(m.copy('1:5', 'Archive'))
if has('MOVE'):
    check(m._simple_command('MOVE', '1:3', 'Trash'))
    check(other.noop())
    assert len(other.response('EXPUNGE')[1]) == 3
status = check(m.status('Trash', '(MESSAGES UIDNEXT)'))[0]
assert b'MESSAGES 3' in status, status
for name in ('Tr&AOk-s', '"a b"', 'x/y/z'):
    check(m.create(name))
    check(m.subscribe(name))
    check(m.rename(name, 'Old-' + name.strip('"').replace(' ', '')))
assert len(check(m.list('""', 'Old-*'))) == 5, check(m.list('""', 'Old-*'))
check(m.close())
check(m.logout(), 'BYE')
check(other.logout(), 'BYE')
print('left out, not announced:', ' '.join(left_out) or 'nothing')
print('all well')
