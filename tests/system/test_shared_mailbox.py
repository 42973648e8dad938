"""A mailbox that procmail, Dovecot or s-nail change while we append to it loses, doubles and tears no message. 800
deliveries; 10,000 with --long."""
import os
import re
import shutil
import subprocess
import threading

import pytest

from conftest import needs_root

UID = 7901
CLIENTS = 8
TOKEN = re.compile(rb"^X-Token: (\S+)$", re.MULTILINE)


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"NEEDS {missing}")


def message(token):
    return (f"From: sender@example.org\nTo: alice\nSubject: {token}\nX-Token: {token}\n\n"
            f"From the beginning of {token}\n{'x' * 200}\nto its end: {token}\n")


class Others:
    """Each program does its work repeatedly as alice, until it is told to stop."""

    def __init__(self, path, folder, names):
        self.path, self.folder = path, folder
        self.stopping = threading.Event()
        self.taken, self.trouble = 0, []
        self.rounds = dict.fromkeys(names, 0)
        self.threads = [threading.Thread(target=self.repeat, args=(name, getattr(self, name))) for name in names]
        for thread in self.threads:
            thread.start()

    def repeat(self, name, work):
        while not self.stopping.is_set():
            try:
                work()
                self.rounds[name] += 1
            except Exception as error:
                self.trouble.append(f"{name}: {error!r}")
                return

    def run(self, *command, input="", **environment):
        return subprocess.run(command, input=input.encode(), capture_output=True, timeout=120, user=UID, group=UID,
                              extra_groups=[8], cwd="/home/alice",
                              env={"PATH": os.environ["PATH"], "HOME": "/home/alice", "USER": "alice", "LANG": "C",
                                   **environment})

    def procmail(self):
        token = f"procmail-{self.taken}"
        done = self.run("procmail", "-m", f"DEFAULT={self.path}", f"ORGMAIL={self.path}",
                        "LOCKFILE=/home/alice/procmail.lock", "/dev/null", input="From sender@example.org Sat Nov 21 08:00:00 2026\n" + message(token))
        assert done.returncode == 0, done.stderr
        self.taken += 1

    def dovecot(self):
        done = self.run("doveadm", "-c", f"{self.folder}/dovecot.conf", "fetch", "hdr.x-token", "all")
        assert done.returncode == 0 and b"orrupt" not in done.stderr and b"Panic" not in done.stderr, done.stderr

    def reader(self):
        self.run("s-nail", "-n", "-R", "-H", "-f", self.path, MAILRC="/dev/null")

    def mover(self):
        """Moves the first message to another file, so the mailbox is written anew. As the user's own mailbox: with
        -f, s-nail looks for new mail before it has the lock."""
        self.run("s-nail", "-n", "-S", "keep", "-S", "hold", input="move 1 /home/alice/moved\nquit\n", MAILRC="/dev/null",
                 MAIL=self.path)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(150)
        assert not any(thread.is_alive() for thread in self.threads)


def send_many(host, number, each):
    with host.smtp() as client:
        for count in range(each):
            client.sendmail("sender@example.org", ["alice"], message(f"client-{number}-{count}"))


def tokens_in(path):
    """The tokens of complete messages."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    found = []
    for one in re.split(rb"(?:\A|\n\n)From (?=\S+ )", text)[1:]:
        tokens = TOKEN.findall(one)
        assert len(tokens) == 1, one[:2000]
        assert one.rstrip(b"\n").endswith(b"to its end: " + tokens[0]), one[-2000:]
        found.append(tokens[0].decode())
    return found


@needs_root
@needs("procmail", "doveadm", "s-nail")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("names", [["reader", "procmail", "dovecot"], ["reader", "mover"]], ids=["procmail, Dovecot", "s-nail"])
def test_deliveries_beside_other_programs_are_complete(host, folder, names, is_long):
    each = 1250 if is_long else 100
    host.write_config(mail_dir="/var/mail", rate_messages="0", rate_recipients="0", rate_connections="0")
    path = "/var/mail/alice"
    with open(path, "w"):
        pass
    os.chown(path, UID, 8)
    os.chmod(path, 0o660)
    os.chown("/home/alice", UID, UID)
    with open(os.path.join(folder, "dovecot.conf"), "w") as file:
        file.write(f"mail_location = mbox:/home/alice/dovecot:INBOX={path}\nmail_privileged_group = mail\n"
                   "log_path = /dev/stderr\nssl = no\nmbox_write_locks = dotlock fcntl\nmbox_read_locks = fcntl\n")
    host.start()
    others = Others(path, folder, names)
    clients = [threading.Thread(target=send_many, args=(host, number, each)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(500)
    others.stop()
    assert not others.trouble and all(others.rounds.values()), (others.trouble, others.rounds)
    found = tokens_in(path) + tokens_in("/home/alice/moved")
    expected = [f"client-{number}-{count}" for number in range(CLIENTS) for count in range(each)]
    expected += [f"procmail-{count}" for count in range(others.taken)]
    print(others.rounds)
    assert sorted(found) == sorted(expected), (set(expected) ^ set(found), len(found), len(expected))
