"""A power cut at any time loses no acknowledged message.

Spool, homes and mailboxes are on a disk that forgets what was not synced (power_cut_disk.cc). While clients send, the
power is cut; all processes are killed, the disk comes back with what it has kept, and the host starts again. Each
message that was acknowledged (250 after DATA, exit status 0 of sendmail) must then arrive whole in each place. 30 cuts;
1,000 with --long. $SEED repeats a run.
"""
import contextlib
import functools
import os
import random
import shutil
import signal
import smtplib
import threading
import time

import pytest

import tracked
from faults import BINARY as FAULTY
from host import BINARY, Host
from power_cut import PowerCutDisk, needs_power_cut_disk
from sink import Sink
from virtual import VirtualDomains

DISK = "/home"  # of the private machine: homes are on it
CUTS_OF_ONE_DISK = 15
MOST_DISKS_FOR_A_LOSS = 8
CUTS_FOR_A_LOSS = 5  # of one disk
REMOTE, VIRTUAL, LOCAL = "you@elsewhere.test", "vera@virtual.test", "alice@host.test"
WAYS = [[LOCAL], [REMOTE], [VIRTUAL], [LOCAL, REMOTE], [LOCAL, VIRTUAL], [VIRTUAL, REMOTE]]
SIZES = [500, 4000, 4000, 90_000]

pytestmark = needs_power_cut_disk


class Machine:
    """A host whose mail is on the disk, with a load of clients, and what was acknowledged to them."""

    def __init__(self, folder, sink, has_maildirs, binary=BINARY):
        self.has_maildirs = has_maildirs
        os.mkdir(f"{DISK}/alice", 0o750)
        shutil.chown(f"{DISK}/alice", "alice", "alice")
        domains = VirtualDomains(folder)
        domains.add("virtual.test", "bob", users=["vera"])
        domains.spool = f"{DISK}/virtual"
        os.mkdir(domains.spool, 0o700)
        os.chown(domains.spool, *domains.mail_ids())
        self.virtual = domains.mailbox_path("vera", "virtual.test")
        self.host = Host(folder, binary=binary, relay_host=sink.endpoint, retry="1s", clients="50", **domains.settings(),
                         queue_dir=f"{DISK}/spool", mail_dir=f"{DISK}/mail",
                         home_mailbox="Maildir/" if has_maildirs else None, vhost_maildir="1" if has_maildirs else "0")
        self.host.spool, self.host.mail = f"{DISK}/spool", f"{DISK}/mail"
        os.mkdir(self.host.mail)
        shutil.chown(self.host.mail, "root", "mail")
        os.chmod(self.host.mail, 0o2775)
        self.sink = sink
        self.sunk = tracked.Tokens()
        self.is_relay_down = False
        sink.verdict = self.verdict
        self.acknowledged = {LOCAL: set(), REMOTE: set(), VIRTUAL: set()}
        self.lock = threading.Lock()
        disk = os.open(DISK, os.O_RDONLY)
        os.fsync(disk)
        os.close(disk)

    # -- the load of one period

    def run_and_cut(self, disk, choice):
        """Sends for a while, then cuts the power and ends all processes. In some periods the relay host takes no mail, so
        that it is in the queue, and in some there is no server, so that submissions wait."""
        kind = choice.choice(["all is well", "the relay host is down", "the server is down"])
        self.is_relay_down = kind == "the relay host is down"
        if kind == "the server is down":
            self.host.stop()
        cut_seed, period = choice.randrange(1 << 30), choice.uniform(0.05, 0.5)
        is_over = threading.Event()
        clients = [threading.Thread(target=self.client, args=(f"{cut_seed}-{n}", send, is_over))
                   for n, send in enumerate([self.by_smtp, self.by_smtp, self.by_smtp, self.by_sendmail])]
        for thread in clients:
            thread.start()
        time.sleep(period)
        disk.cut(cut_seed)
        is_over.set()
        for thread in clients:
            thread.join(60)
        self.kill()
        disk.restore()
        self.make_locks_older()
        self.is_relay_down = False

    def client(self, name, send, is_over):
        choice = random.Random(name)
        count = 0
        while not is_over.is_set():
            count += 1
            token, recipients = f"{name}-{count}", choice.choice(WAYS)
            try:
                refused = send(recipients, tracked.make(token, choice.choice(SIZES)))
            except (smtplib.SMTPException, OSError):
                time.sleep(0.02)  # not acknowledged: the client still has the message
                continue
            with self.lock:
                for recipient in set(recipients) - set(refused):
                    self.acknowledged[recipient].add(token)

    def by_smtp(self, recipients, text):
        with self.host.smtp() as smtp:
            return smtp.sendmail("sender@example.org", recipients, tracked.for_smtp(text))

    def by_sendmail(self, recipients, text):
        if self.host.run("sendmail", "-i", "-oem", *recipients, input=text).returncode != 0:
            raise OSError("refused")
        return ()

    def verdict(self, _):
        return "451 4.3.0 not now" if self.is_relay_down else "250 2.1.5 OK"

    def kill(self):
        if self.host.process is None:
            return
        pids = self.host.processes()
        while pids:
            for pid in [self.host.process.pid, *pids]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.host.process.wait(20)
            time.sleep(0.01)
            pids = [pid for pid in pids if pid != self.host.process.pid and os.path.exists(f"/proc/{pid}")]

    def make_locks_older(self):
        """The machine was off for a while: what a lock file without contents stands for is not waited for."""
        long_ago = time.time() - 600
        for folder, _, names in os.walk(DISK):
            for name in names:
                if name.endswith(".lock"):
                    os.utime(os.path.join(folder, name), (long_ago, long_ago))

    # -- afterwards

    def losses(self, patience):
        """By place, the tokens of acknowledged messages that have not arrived when the queue has had its time."""
        end = time.monotonic() + patience
        while True:
            self.host.run("runq", "-qf")
            arrived = self.arrived()
            missing = {place: self.acknowledged[place] - arrived[place] for place in arrived}
            lost = {place: tokens for place, tokens in missing.items() if tokens}
            if not lost or time.monotonic() > end:
                return lost
            time.sleep(0.1)

    def arrived(self):
        sunk = self.sunk.of([text for _, _, text in self.sink.messages])
        return {LOCAL: self.tokens_in(f"{DISK}/alice/Maildir" if self.has_maildirs else f"{DISK}/mail/alice"),
                VIRTUAL: self.tokens_in(self.virtual), REMOTE: {token for tokens in sunk for token in tokens}}

    def tokens_in(self, mailbox):
        if not self.has_maildirs:
            return whole_messages(mailbox)
        found = set()
        if os.path.isdir(mailbox + "/new"):
            for entry in os.scandir(mailbox + "/new"):
                found |= whole_messages(entry.path)
        return found


def whole_messages(path):
    """Tokens of the messages that are there to the last octet, between others that the cut has spoilt."""
    if not os.path.exists(path):
        return set()
    with open(path, "rb") as file:
        text = file.read()
    return {token for part in text.split(b"\nBEGIN ")[1:] for token in whole_message(part)}


@functools.lru_cache(maxsize=5000)  # parts of a mailbox are seen again and again
def whole_message(part):
    try:
        return tracked.complete(b"BEGIN " + part)
    except AssertionError:
        return []


def cut_again_and_again(machine, disk, choice, cuts, patience):
    """What the first cut that loses any messages has lost."""
    machine.host.start(has_clients=True)
    for _ in range(cuts):
        machine.run_and_cut(disk, choice)
        machine.host.start(has_clients=True)
        if lost := machine.losses(patience):
            return lost
    return {}


@pytest.fixture
def make_machine(folder):
    """A context with a machine and its disk."""
    @contextlib.contextmanager
    def make(name, has_maildirs, binary=BINARY):
        path = os.path.join(folder, name)
        os.mkdir(path)
        with Sink() as sink, PowerCutDisk(DISK) as disk:
            machine = Machine(path, sink, has_maildirs, binary)
            try:
                yield machine, disk
            finally:
                machine.host.end()
    return make


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("has_maildirs", [False, True], ids=["mbox", "maildir"])
def test_no_acknowledged_message_is_lost(make_machine, has_maildirs, is_long):
    seed = os.environ.get("SEED", str(random.randrange(1 << 30)))
    print(f"SEED={seed}")
    choice = random.Random(seed)
    for number in range(500 // CUTS_OF_ONE_DISK + 1 if is_long else 1):
        with make_machine(str(number), has_maildirs) as (machine, disk):
            lost = cut_again_and_again(machine, disk, choice, CUTS_OF_ONE_DISK, 40)
            assert not lost, f"SEED={seed}; log: {machine.host.log_text()[-3000:]}"
            total = sum(map(len, machine.acknowledged.values()))
            print(f"{total} acknowledged on disk {number}")
            assert total > CUTS_OF_ONE_DISK, "too little load"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path, has_maildirs", [
    ("/home/spool", False), ("/home/spool/????", False), ("/home/spool/tm*", False), ("/home/spool/????/tm*", False),
    ("/home/spool/drop", False),
    ("/home/spool/drop/*", False), ("/home/mail/alice", False), ("/home/virtual/*/vera", False),
    ("/home/alice/Maildir/tmp/*", True), ("/home/alice/Maildir/new", True)])
def test_a_sync_that_is_left_out_loses_mail(make_machine, monkeypatch, path, has_maildirs):
    """So the test above would see it: a program that never syncs `path` loses acknowledged messages."""
    monkeypatch.setenv("POSTOFFICE_SYNCS_NOT", path)
    choice = random.Random(path)
    for number in range(MOST_DISKS_FOR_A_LOSS):  # a name that has survived a cut by chance is safe on this disk
        with make_machine(str(number), has_maildirs, FAULTY) as (machine, disk):
            if cut_again_and_again(machine, disk, choice, CUTS_FOR_A_LOSS, 5):
                return
    raise AssertionError(f"no message is lost without the syncs of {path}")
