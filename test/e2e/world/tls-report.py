"""Reads a report on TLS as another program would: the mail on standard input, what it says on standard output."""
import email
import email.policy
import gzip
import json
import sys

message = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
assert message.get_content_type() == "multipart/report", message.get_content_type()
assert message.get_param("report-type") == "tlsrpt", message["content-type"]
words, attached = message.iter_parts()
assert words.get_content_type() == "text/plain", words.get_content_type()
assert attached.get_content_type() == "application/tlsrpt+gzip", attached.get_content_type()
fields = ["Subject", "From", "TLS-Report-Domain", "TLS-Report-Submitter", "TLS-Required", "Return-Path"]
json.dump(
    {
        "fields": {name: message[name] for name in fields},
        "file": attached.get_filename(),
        "report": json.loads(gzip.decompress(attached.get_payload(decode=True))),
    },
    sys.stdout,
)
