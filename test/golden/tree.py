"""Reads {name: base64 of a message} and writes {name: what Python's email says of it}: content types in the order of the parts, the subject, the message id."""
import base64, email, json, sys

def leaves(message):
    if message.get_content_maintype() == 'multipart' and message.is_multipart():
        return [f'{message.get_content_type()}'] + [t for part in message.get_payload() for t in leaves(part)]
    if message.get_content_type() == 'message/rfc822' and message.is_multipart():
        return ['message/rfc822'] + leaves(message.get_payload(0))
    return [message.get_content_type()]

def one(octets):
    message = email.message_from_bytes(octets)
    text = lambda name: None if message[name] is None else ' '.join(str(message[name]).split())
    return {'types': leaves(message), 'subject': text('Subject'), 'id': text('Message-ID')}

mails = json.load(sys.stdin)
json.dump({name: one(base64.b64decode(octets)) for name, octets in mails.items()}, sys.stdout)
