"""COMPRESS=DEFLATE by Python's imaplib and zlib: appends what comes, fetches it back, idles.

usage: compress.py PORT USER PASSWORD
"""
import imaplib
import os
import random
import sys
import zlib

imaplib.Commands.setdefault('COMPRESS', ('AUTH', 'SELECTED'))


class Compressed:
    """The socket and its file as imaplib sees them, DEFLATE below."""

    def __init__(self, sock, flush):
        self.sock, self.flush = sock, flush
        self.deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.inflate = zlib.decompressobj(-15)
        self.buffer = b''

    def sendall(self, data):
        self.sock.sendall(self.deflate.compress(data) + self.deflate.flush(self.flush))

    def fill(self):
        octets = self.sock.recv(65536)
        if not octets:
            raise EOFError
        self.buffer += self.inflate.decompress(octets)

    def read(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def readline(self, limit=None):
        while b'\n' not in self.buffer:
            self.fill()
        return self.read(self.buffer.index(b'\n') + 1)

    def close(self):
        self.sock.close()

    def shutdown(self, how=None):
        self.sock.close()


port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
chance = random.Random(1)
for flush in (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH):
    imap = imaplib.IMAP4('127.0.0.1', port)
    imap.login(user, password)
    status, answer = imap._simple_command('COMPRESS', 'DEFLATE')
    assert status == 'OK', answer
    wire = Compressed(imap.sock, flush)
    imap.sock = wire
    imap.file = imap._file = wire
    imap.send = wire.sendall
    imap.read = wire.read
    imap.readline = wire.readline
    imap.shutdown = wire.close
    assert imap._simple_command('COMPRESS', 'DEFLATE')[0] == 'NO'
    imap.create('Deflated')
    imap.select('Deflated')
    for size in (0, 10, 1_000, 40_000, 300_000):
        noise = os.urandom(size // 2) + bytes(chance.choice(b'abc \0') for _ in range(size // 2))
        mail = b'Subject: ' + str(size).encode() + b'\r\n\r\n' + noise
        status, why = imap.append('Deflated', '', None, mail)
        assert status == 'OK', why
        imap.noop()
        uid = imap.uid('SEARCH', 'ALL')[1][0].split()[-1]
        status, data = imap.uid('FETCH', uid, '(BODY.PEEK[])')
        # imaplib makes CRLF of bare line ends before it sends.
        assert status == 'OK' and data[0][1] == imaplib.MapCRLF.sub(imaplib.CRLF, mail), (size, status)
    tag = imap._new_tag()
    imap.send(tag + b' IDLE\r\n')
    assert imap.readline().startswith(b'+')
    imap.send(b'DONE\r\n')
    assert imap.readline().startswith(tag + b' OK')
    for _ in range(300):
        assert imap.noop()[0] == 'OK'
    imap.logout()
print('OK')
