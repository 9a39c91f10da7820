"""What a mail program does, for the tests from outside: mail.py VERB HOST USER, password on standard input, JSON on standard output."""
import hashlib
import imaplib
import json
import poplib
import re
import ssl
import sys
import time

TLS = ssl._create_unverified_context()


def imap(host, user, password):
    m = imaplib.IMAP4_SSL(host, ssl_context=TLS, timeout=20)
    m.login(user, password)
    return m


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def fill(host, user, password):
    """Mailboxes, messages, flags, copies, gaps in the UIDs."""
    m = imap(host, user, password)
    ok(m.create("Work"))
    ok(m.create("Work/Old"))
    for n in range(5):
        text = f"From: {user}\r\nSubject: number {n}\r\nMessage-ID: <{n}@upgrade.test>\r\n\r\n" + f"line {n}\r\n" * (10 ** n)
        ok(m.append("Work", "(\\Flagged keyword%d)" % n if n % 2 else None, None, text.encode()))
    ok(m.select("Work"))
    ok(m.store("1:2", "+FLAGS", "(\\Seen $Important)"))
    ok(m.copy("2:4", '"Work/Old"'))
    ok(m.store("3", "+FLAGS", "(\\Deleted)"))
    ok(m.expunge())
    ok(m.subscribe("Work"))
    m.logout()
    return dump(host, user, password)


def dump(host, user, password):
    """Everything that has to be the same afterwards."""
    m = imap(host, user, password)
    state = {}
    for line in ok(m.list()):
        name = re.search(rb'"?([^"]+)"?$', line).group(1).decode()
        ok(m.select(f'"{name}"', readonly=True))
        uidvalidity = m.response("UIDVALIDITY")[1][0].decode()
        uidnext = re.search(rb"UIDNEXT (\d+)", ok(m.status(f'"{name}"', "(UIDNEXT)"))[0]).group(1).decode()
        rows = []
        for item in ok(m.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")):
            if isinstance(item, tuple):
                head = item[0].decode()
                flags = sorted(set(re.search(r"FLAGS \(([^)]*)\)", head).group(1).split()) - {"\\Recent"})
                uid, date = re.search(r"UID (\d+)", head).group(1), re.search(r'INTERNALDATE "([^"]*)"', head).group(1)
                rows.append([uid, flags, date, hashlib.sha256(item[1]).hexdigest()])
        state[name] = {"uidvalidity": uidvalidity, "uidnext": uidnext, "messages": rows}
    state["(subscribed)"] = sorted(line.decode() for line in ok(m.lsub()))
    m.logout()
    p = poplib.POP3_SSL(host, context=TLS, timeout=20)
    p.user(user)
    p.pass_(password)
    state["(uidl)"] = [line.decode() for line in p.uidl()[1]]
    p.quit()
    return state


def subjects(host, user, password):
    """Of INBOX, with the Received lines: by IMAP, and how many POP3 has."""
    m = imap(host, user, password)
    ok(m.select("INBOX", readonly=True))
    found = []
    for item in ok(m.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT RECEIVED)])")):
        if isinstance(item, tuple):
            text = re.sub(r"\r\n[ \t]+", " ", item[1].decode())
            found.append({key.lower(): value for key, value in re.findall(r"(?mi)^(subject|received): (.*?)\r?$", text)})
    m.logout()
    p = poplib.POP3_SSL(host, context=TLS, timeout=20)
    p.user(user)
    p.pass_(password)
    count = p.stat()[0]
    p.quit()
    return {"imap": found, "pop3": count}


def stay(host, user, password):
    """One session for some seconds."""
    m = imap(host, user, password)
    ok(m.select("INBOX"))
    for _ in range(8):
        time.sleep(1)
        ok(m.noop())
    return "stayed"


verb, host, user = sys.argv[1:4]
password = sys.stdin.readline().strip()
print(json.dumps({"fill": fill, "dump": dump, "subjects": subjects, "stay": stay}[verb](host, user, password)))
