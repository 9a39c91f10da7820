"""
Reads {name: base64 of a message} and writes {name: {field: value}}: what Python's email says of the message and its parts, for ENVELOPE and BODYSTRUCTURE.
Its parser keeps no offsets, so where the parts lie is found here, by the lines of the multiparts' boundaries. Octets are characters (latin-1).
Parts are named by their way from the message, 0: 0.1 is the first part of a multipart, 0.1.m the message in a message/rfc822 or message/global.
"""
import base64, email, hashlib, json, re, sys
from email import _header_value_parser as grammar
from email.message import Message
from email.utils import collapse_rfc2231_value, parseaddr

digest = lambda octets: hashlib.sha256(octets).hexdigest()[:16]

# fields

def raw(message, name):
    """Unfolded values: a line break vanishes, the TAB behind it is a space."""
    values = [value for field, value in message.raw_items() if field.lower() == name.lower()]
    octets = [str(value).encode('ascii', 'surrogateescape').decode('latin-1') for value in values]
    return [re.sub(r'\r?\n', '', re.sub(r'\r?\n\t', ' ', text)).strip(' \t\r\n') for text in octets]

def first(message, name):
    return next(iter(raw(message, name)), None)

def parametrised(text):
    """The parameters as email reads them, RFC 2231 joined and decoded, sorted by name; and the value before them."""
    holder = Message()
    holder['X'] = text
    (value, _), *parameters = holder.get_params(header='X', unquote=True)
    decoded = [[name, value.rstrip(' \t') if isinstance(value, str) else collapse_rfc2231_value(value)] for name, value in parameters]
    return value.strip().lower(), sorted(decoded)

def content_type(message):
    """RFC 2045 5.2: what is absent or no type is text/plain; IMAP shows the charset that a text without one has."""
    text = first(message, 'Content-Type')
    value, parameters = parametrised(text) if text else ('', [])
    if value.count('/') != 1:
        value, parameters = message.get_default_type(), []
    if value.startswith('text/') and 'charset' not in [name for name, _ in parameters]:
        parameters = sorted(parameters + [['charset', 'us-ascii']])
    return value, parameters

# addresses

SAFE = '\ue000'  # encoded words must stay as they are, so they are none while the grammar reads

def plain(text):
    return None if text is None else text.replace(SAFE, '?')

def mailbox(box):
    name = box.display_name or parseaddr(str(box).strip(' ,'))[0]
    route = ','.join('@' + domain for domain in box.route or [])
    return [plain(name) or None, route or None, plain(box.local_part) or '', plain(box.domain) or '']

def addresses(message, name):
    value = ', '.join(raw(message, name)).replace('=?', '=' + SAFE)
    if value.strip(' ,') == '':
        return None
    out = []
    for address in grammar.get_address_list(value)[0].addresses:
        boxes = [mailbox(box) for box in address.all_mailboxes]
        group = address[0].token_type == 'group' if len(address) else False
        out += [[None, None, plain(address.display_name), None], *boxes, [None] * 4] if group else boxes
    return out or None

def envelope(message, key, out):
    for name in ['Date', 'Subject', 'In-Reply-To', 'Message-ID']:
        out[f'{key} {name}'] = first(message, name)
    for name in ['From', 'Sender', 'Reply-To', 'To', 'Cc', 'Bcc']:
        try:
            out[f'{key} {name}'] = addresses(message, name)
        except Exception as error:  # its grammar fails on some
            out[f'{key} {name}'] = f'not read: {type(error).__name__}'
    for name in ['Sender', 'Reply-To']:
        out[f'{key} {name}'] = out[f'{key} {name}'] or out[f'{key} From']

# where the parts lie

def lines(octets, start, end):
    while start < end:
        lf = octets.find(b'\n', start, end)
        after = end if lf < 0 else lf + 1
        yield start, after
        start = after

def body_start(octets, start, end, edge):
    return next((after for at, after in lines(octets, start, edge) if octets[at:after] in (b'\n', b'\r\n')), max(start, end))

def pieces(octets, place, boundary):
    """Of the parts between the delimiters: start, end, and end with the line end that belongs to the delimiter."""
    start, end, edge = place
    found, begun = [], None
    for at, after in lines(octets, start, end):
        text = octets[at:after].rstrip(b' \t\r\n')
        if text not in (b'--' + boundary, b'--' + boundary + b'--'):
            continue
        if begun is not None:
            until = at - (2 if octets[at - 2:at] == b'\r\n' else 1)
            found.append((begun, max(until, begun), at))
        begun = after
        if text.endswith(boundary + b'--'):
            return found
    return found if begun is None else found + [(begun, end, edge)]

# parts

MESSAGES = 'message/rfc822', 'message/global'

def part(message, octets, place, key, is_message, out):
    """Returns where it ends: behind the blank line of its header, also where that is the line end of the delimiter behind it."""
    kind, parameters = content_type(message)
    out['parts'].append(f'{key} {kind}')
    field = lambda name: first(message, name)
    disposition = field('Content-Disposition')
    out[f'{key} parameters'] = parameters
    out[f'{key} disposition'] = list(parametrised(disposition)) if disposition else None
    languages = field('Content-Language')
    out[f'{key} language'] = [tag.strip().lower() for tag in languages.split(',')] if languages else None
    out[f'{key} location'] = field('Content-Location')
    if is_message:
        envelope(message, key, out)
    body = None
    if place:
        start, end, edge = place
        at = body_start(octets, start, end, edge)
        body = (at, max(at, end), edge)
        out[f'{key} header'] = digest(octets[start:at])
    ends = inside(message, kind, octets, body, key, out)
    if not body:
        return None
    end = max([body[1], *(end for end in ends if end)])
    out[f'{key} body'] = digest(octets[at:end])
    if not kind.startswith('multipart/'):
        out[f'{key} octets'] = end - at
    if kind.startswith('text/') or kind in MESSAGES:
        out[f'{key} lines'] = octets.count(b'\n', at, end)
    return end

def inside(message, kind, octets, body, key, out):
    """The parts of a multipart or the message in a message: where they end. Of others what only they have."""
    if kind.startswith('multipart/'):
        children = message.get_payload() if message.is_multipart() else []
        boundary = message.get_boundary('').encode('ascii', 'surrogateescape')
        places = pieces(octets, body, boundary) if body and boundary else []
        if len(places) != len(children):
            out[f'{key} places'] = len(places)
            places = [None] * len(children)
        return [part(child, octets, where, f'{key}.{n}', False, out) for n, (child, where) in enumerate(zip(children, places), 1)]
    out[f'{key} id'] = first(message, 'Content-ID')
    out[f'{key} description'] = first(message, 'Content-Description')
    out[f'{key} encoding'] = (first(message, 'Content-Transfer-Encoding') or '7bit').lower()
    out[f'{key} md5'] = first(message, 'Content-MD5')
    if kind in MESSAGES and message.is_multipart():
        return [part(message.get_payload(0), octets, body, f'{key}.m', True, out)]
    return []

def one(octets):
    out = {'parts': []}
    part(email.message_from_bytes(octets), octets, (0, len(octets), len(octets)), '0', True, out)
    return out

mails = json.load(sys.stdin)
json.dump({name: one(base64.b64decode(octets)) for name, octets in mails.items()}, sys.stdout)
