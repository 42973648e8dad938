"""A POP3 session that ends anywhere costs no message.

While mail arrives, one client after the other fetches and deletes, and vanishes at some step: it closes or resets the
connection, also in the middle of a message or before it has read the answer to QUIT, falls silent, or a process of its
session is killed. A message that was acknowledged to its sender is there afterwards, once and to the last octet, unless a
session that deleted it has said QUIT; and it is gone if QUIT was answered with +OK. 60 sessions; 3,000 with --long. $SEED
repeats a run.
"""
import contextlib
import os
import pwd
import random
import shutil
import signal
import smtplib
import socket
import struct
import threading
import time

import pytest

import tracked
from accounts import password_of
from conftest import needs_root
from host import free_port, wait_for
from pop3_host import Talk
from processes import with_title

pytestmark = needs_root

ENDS = ["quit", "quit", "quit and close", "quit and reset", "quit and kill", "close", "reset", "silence", "kill"]
MOST_MESSAGES = 25


class Gone(Exception):
    """The client, or a process of its session."""


class Sender(threading.Thread):
    """Sends mail as fast as there is room for it in the mailbox."""

    def __init__(self, host, mailbox, seed):
        super().__init__()
        self.host, self.mailbox, self.choice = host, mailbox, random.Random(seed)
        self.acknowledged = set()
        self.is_over = False

    def run(self):
        while not self.is_over:
            if len(self.acknowledged) - len(self.mailbox.deleted | self.mailbox.doubtful) > MOST_MESSAGES:
                time.sleep(0.005)
                continue
            token = f"message-{len(self.acknowledged)}"
            text = tracked.make(token, self.choice.choice([500, 4000, 400_000]))
            with contextlib.suppress(smtplib.SMTPException, OSError), self.host.smtp() as smtp:
                smtp.sendmail("sender@example.org", ["alice@host.test"], tracked.for_smtp(text))
                self.acknowledged.add(token)


class Mailbox:
    """What the sessions have deleted, as far as the client knows."""

    def __init__(self, path):
        self.path = path
        self.deleted = set()  # QUIT was answered with +OK
        self.doubtful = set()  # QUIT was sent, and the answer is not known
        self.counts = dict.fromkeys(ENDS, 0)

    def tokens(self):
        if not self.path.endswith("/"):
            return tracked.in_mbox(self.path)[0]
        found = []
        for folder in "new", "cur":
            for entry in os.scandir(self.path + folder):
                with open(entry.path, "rb") as file:
                    found += tracked.complete(file.read())
        return found


class Client:
    """One session, which ends in the way `end` at a step that `choice` chooses."""

    def __init__(self, host, port, mailbox, choice):
        self.host, self.mailbox, self.choice = host, mailbox, choice
        self.end = choice.choice(ENDS)
        self.talk = Talk(port)
        self.chosen = set()

    def run(self):
        with self.talk, contextlib.suppress(Gone):
            if self.talk.log_in("alice", password_of("alice")).startswith("+OK"):
                self.mailbox.counts[self.end] += 1
                self.fetch_and_delete()
                self.quit()

    def fetch_and_delete(self):
        count = int(self.talk.say("STAT").split()[1])
        numbers = self.choice.sample(range(1, count + 1), self.choice.randrange(min(count, 6) + 1))
        last = None if self.end.startswith("quit") else self.choice.randrange(2 * len(numbers) + 1)
        for step, number in enumerate(numbers):
            self.vanish_at(last, 2 * step, f"RETR {number}")
            assert self.talk.say(f"RETR {number}").startswith("+OK")
            text = b"".join(line[1:] if line.startswith(b".") else line for line in self.talk.lines())
            tokens = tracked.complete(text.replace(b"\r\n", b"\n"))
            assert tokens, "half a message was sent as a whole one"
            self.vanish_at(last, 2 * step + 1, f"DELE {number}")
            assert self.talk.say(f"DELE {number}").startswith("+OK")
            self.chosen.update(tokens)
        self.vanish_at(last, 2 * len(numbers), "NOOP")

    def vanish_at(self, last, step, command):
        if step != last:
            return
        if self.choice.random() < 0.5:  # in the middle of the answer
            self.talk.socket.sendall(command.encode() + b"\r\n")
            self.wait()
        self.vanish()

    def vanish(self):
        if self.end == "silence":
            time.sleep(self.choice.choice([0.01, 1.2]))  # after a second the processes give memory back
        if "kill" in self.end:
            processes = with_title(self.host, "POP3 ")
            if processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.choice.choice(processes), signal.SIGKILL)
        elif "reset" in self.end:
            self.talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def wait(self):
        time.sleep(self.choice.choice([0, 0, 0.0005, 0.002, 0.005]))

    def quit(self):
        if self.end == "quit":
            answer = self.talk.say("QUIT")
            assert answer.startswith("+OK"), answer
            self.mailbox.deleted |= self.chosen
            return
        self.mailbox.doubtful |= self.chosen
        self.talk.socket.sendall(b"QUIT\r\n")
        self.wait()
        self.vanish()


@pytest.fixture(params=["mbox", "maildir"])
def mailbox_host(request, host, folder):
    """(host, port, mailbox) of alice."""
    port = free_port()
    own = f"Maildir-{os.path.basename(folder)}/"
    is_maildir = request.param == "maildir"
    host.write_config(pop3=f"127.0.0.1:{port}", clients="50", tarpit="0", **({"home_mailbox": own} if is_maildir else {}))
    host.start()
    path = os.path.join(pwd.getpwnam("alice").pw_dir, own) if is_maildir else host.mailbox_path("alice")
    yield host, port, Mailbox(path)
    if is_maildir:
        shutil.rmtree(path, ignore_errors=True)


@pytest.mark.timeout(1800)
def test_no_message_is_lost_or_comes_back(mailbox_host, is_long):
    host, port, mailbox = mailbox_host
    seed = os.environ.get("SEED", str(random.randrange(1 << 30)))
    print(f"SEED={seed}")
    choice, sessions = random.Random(seed), 3000 if is_long else 60
    sender = Sender(host, mailbox, seed)
    sender.start()
    try:
        for _ in range(sessions):
            Client(host, port, mailbox, choice).run()
    finally:
        sender.is_over = True
        sender.join(50)
    wait_for(lambda: not with_title(host, "POP3 "), what="the end of all sessions")
    wait_for(lambda: not host.queue(), what="an empty queue")
    left = mailbox.tokens()
    print(f"{len(sender.acknowledged)} acknowledged, {len(mailbox.deleted)} deleted, "
          f"{len(mailbox.doubtful - set(left))} of {len(mailbox.doubtful)} doubtful ones; sessions: {mailbox.counts}")
    assert len(sender.acknowledged) > sessions // 2, "too little mail"
    assert len(left) == len(set(left)), "a message is there twice"
    assert not sender.acknowledged - mailbox.deleted - mailbox.doubtful - set(left), "lost"
    assert not mailbox.deleted & set(left), "came back"
