"""What people write with poplib: every message whose unique-id has no file yet, each into a file of that name."""
import pathlib
import poplib
import ssl
import sys

folder, port, ca, user, password, then = sys.argv[1:]
pop = poplib.POP3_SSL('localhost', int(port), context=ssl.create_default_context(cafile=ca))
print(pop.getwelcome())
pop.user(user)
print(pop.pass_(password))
for line in pop.uidl()[1]:
    number, unique_id = line.decode().split()
    file = pathlib.Path(folder, unique_id)
    if not file.exists():
        file.write_bytes(b''.join(line + b'\n' for line in pop.retr(number)[1]))
    if then == 'delete':
        pop.dele(number)
print(pop.quit())
