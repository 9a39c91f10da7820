"""Runs a program of the terminal on a terminal of its own: on-terminal.py SECONDS PROGRAM ARGUMENT… What it draws goes to standard output; the exit code is its own."""
import os, pty, select, signal, sys, time

limit, argv = float(sys.argv[1]), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM='vt100', LINES='40', COLUMNS='120')
    os.execvp(argv[0], argv)
due = time.monotonic() + limit
while time.monotonic() < due:
    ready, _, _ = select.select([fd], [], [], 0.2)
    if ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b''
        if not data:
            break
        sys.stdout.buffer.write(data)
else:
    os.kill(pid, signal.SIGKILL)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
