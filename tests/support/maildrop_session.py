"""One session of a maildrop without POP3 around it (tests/crash/maildrop_session.cc)."""
import os

from host import BINARY

SESSION = os.path.join(os.path.dirname(BINARY), "maildrop-faults")


def messages_of(output):
    """[(id, text)] of what a session shows, in octets."""
    messages = []
    while output:
        line, rest = output.split(b"\n", 1)
        uid, size = line.split()
        messages.append((uid.decode(), rest[:int(size)]))
        output = rest[int(size):]
    return messages
