"""A message that was acknowledged survives a crash, or a failing disk, at each step.

One message at a time goes one of the ways through the host. At its n-th step that changes the disk (or reports such a
change), a process dies or the disk is full; n increases until a message goes through undisturbed. After each step, no
acknowledged message may be missing, a message that was not acknowledged must be accepted when it is sent again, and
the queue must become empty.
"""
import errno
import os
import smtplib
import socket
import time

import pytest

import tracked
from faults import BINARY, KILL, Faults
from host import Host, local_user, wait_for
from sink import Sink

LARGE = 100_000  # is written to the spool while it is received; smaller ones stay in memory
OURSELVES_TO_BLAME = range(71, 76)  # exit statuses of sendmail for temporary failures


def verdict(address):
    return "550 5.1.1 no such user" if address.startswith("reject") else "250 2.1.5 OK"


class Bench:
    """A host whose steps can be disturbed, and the sink for all other hosts."""

    def __init__(self, folder, sink, **settings):
        self.faults = Faults(folder)
        os.environ.update(self.faults.environment)  # of the daemon and of commands by host.run()
        self.host = Host(folder, binary=BINARY, relay_host=sink.endpoint, retry="1s", **settings)
        self.sink = sink
        self.sunk = tracked.Tokens()
        self.user = local_user()
        self.abandoned = set()  # files in drop/ of killed submitters

    def end(self):
        self.host.end()
        del os.environ["POSTOFFICE_FAULTS"]

    # -- ways in: True if the message was acknowledged

    def by_smtp(self, recipients, text, sender="sender@example.org"):
        try:
            client = self.host.smtp()
            try:
                refused = client.sendmail(sender, recipients, tracked.for_smtp(text))
            finally:
                client.close()
            assert all(400 <= code < 500 for code, _ in refused.values()), refused
            return not refused or self.by_smtp(list(refused), text, sender)
        except (smtplib.SMTPServerDisconnected, ConnectionError):
            return False
        except smtplib.SMTPRecipientsRefused as refused:
            assert all(400 <= code < 500 for code, _ in refused.recipients.values()), refused
            return False
        except smtplib.SMTPResponseException as refused:
            assert 400 <= refused.smtp_code < 500, refused
            return False

    def by_sendmail(self, recipients, text):
        done = self.host.run("sendmail", "-i", "-oem", *recipients, input=text)
        if done.returncode == 0:
            return True
        assert done.returncode == -9 or done.returncode in OURSELVES_TO_BLAME, (done.returncode, done.stderr)
        self.abandoned |= set(os.listdir(os.path.join(self.host.spool, "drop")))
        return False

    # -- places where it may arrive

    def in_mailbox(self, token):
        return self.host.mailbox(self.user).count(f"\nEND {token} ".encode())

    def in_maildir(self, token):
        new = os.path.join(self.maildir(), "new")
        names = os.listdir(new) if os.path.isdir(new) else []
        texts = [open(os.path.join(new, name), "rb").read() for name in names]
        assert all(len(tracked.complete(text)) == 1 for text in texts), "a partial message in new/"
        return sum(token in tracked.complete(text) for text in texts)

    def maildir(self):
        return os.path.join(os.path.expanduser(f"~{self.user}"), "Maildir-of-" + os.path.basename(self.host.folder))

    def in_sink(self, token):
        return self.sunk.of([text for _, _, text in self.sink.messages]).count([token])

    def as_report(self, token):
        """The sender gets a report, with at least the header of the message."""
        return self.host.mailbox(self.user).count(f"\nX-Token: {token}\n".encode())

    # -- waiting

    def is_settled(self, token, places):
        spool = self.host.paths_in_spool("cm")
        drops = set(os.listdir(os.path.join(self.host.spool, "drop"))) - self.abandoned
        drops = {name for name in drops if not name.startswith("tm")}  # of a killed writer; sweep() removes it
        return not drops and not spool and all(place(token) for place in places)

    def settle(self, token, places):
        """Triggers the queue until it is empty and each place has the message."""
        next_trigger = 0

        def is_done():
            nonlocal next_trigger
            if self.is_settled(token, places):
                return True
            if time.monotonic() > next_trigger and self.faults.fired:
                next_trigger = time.monotonic() + 0.1
                self.run_queue()
            return False

        try:
            wait_for(is_done, 20, f"delivery of {token}")
        except AssertionError as late:
            raise AssertionError(f"{late}; copies: {[place(token) for place in places]}, spool: "
                                 f"{self.host.spool_files()}; log: {self.host.log_text()[-3000:]}") from None

    def run_queue(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as s:
            try:
                s.sendto(b"run now", os.path.join(self.host.spool, "control"))
            except BlockingIOError:
                pass  # it has not read the last trigger yet

    def leftovers(self):
        return self.host.spool_files() + self.host.paths_in_spool("bad")


@pytest.fixture
def bench(folder):
    made = []
    with Sink(verdict=verdict) as sink:
        def make(**settings):
            made.append(Bench(folder, sink, **settings))
            return made[-1]
        yield make
        for one in made:
            one.end()


def short_way(bench):
    return (lambda text: bench.by_smtp([bench.user], text)), [bench.in_mailbox]


def long_way(bench):
    return (lambda text: bench.by_smtp(["x@elsewhere.test"], text)), [bench.in_sink]


def both_ways(bench):
    return (lambda text: bench.by_smtp([bench.user, "x@elsewhere.test"], text)), [bench.in_mailbox, bench.in_sink]


def submission(bench):
    return (lambda text: bench.by_sendmail([bench.user], text)), [bench.in_mailbox]


def submission_both_ways(bench):
    return ((lambda text: bench.by_sendmail([bench.user, "x@elsewhere.test"], text)),
            [bench.in_mailbox, bench.in_sink])


def bounce(bench):
    return ((lambda text: bench.by_smtp(["reject@elsewhere.test"], text, sender=bench.user + "@host.test")),
            [bench.as_report])


WAYS = [(short_way, 500), (short_way, LARGE), (long_way, 500), (long_way, LARGE), (both_ways, 500),
        (submission, 500), (submission_both_ways, LARGE), (bounce, 500)]
MODES = {"killed": KILL, "disk-full": errno.ENOSPC, "disk-broken": errno.EIO}


def disturb(bench, way, size, mode):
    """Disturbs each step in turn; returns (steps, duplicates)."""
    send, places = way(bench)
    duplicates = 0
    for step in range(1, 500):
        token = f"{way.__name__}-{size}-{mode}-{step}"
        text = tracked.make(token, size)
        bench.faults.arm(mode, step)
        acknowledged = send(text)
        if not acknowledged:
            assert bench.faults.fired, f"{token}: refused without a fault; {bench.host.log_text()[-2000:]}"
            if mode != KILL:
                assert not any(place(token) for place in places), f"{token}: delivered in spite of the refusal"
            assert send(text), f"{token}: refused again; {bench.host.log_text()[-2000:]}"
        bench.settle(token, places)
        fired = bench.faults.disarm()
        copies = [place(token) for place in places]
        assert max(copies) <= 2, f"{token}: one fault, and {copies} copies"
        duplicates += sum(copies) - len(copies)
        if not fired:
            assert copies == [1] * len(places), f"{token}: no fault, and {copies} copies"
            return step - 1, duplicates
        if bench.traces:
            last = next((" ".join([what, *names]) for _, what, _, names in bench.faults.trace if what.endswith("!")), "")
            print(f"{token} {copies} {last}")
    raise AssertionError("no end of steps")


def sweep(bench):
    """Leftovers of crashes are removed at the next start, once they are old."""
    bench.host.stop()  # a file that it removes at this moment would be missing below
    long_ago = time.time() - 7200
    for folder, _, names in os.walk(bench.host.spool):
        for name in names:
            os.utime(os.path.join(folder, name), (long_ago, long_ago))
    bench.host.start()
    wait_for(lambda: not bench.leftovers(), 10, f"a clean spool: {bench.leftovers()}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way, size", WAYS, ids=[f"{way.__name__}-{size}" for way, size in WAYS])
def test_every_step(bench, way, size, mode):
    bench = bench()
    bench.traces = True
    bench.host.start()
    steps, duplicates = disturb(bench, way, size, MODES[mode])
    print(f"{steps} steps, {duplicates} duplicates")
    assert steps >= 3, "the faults are at other steps than expected"
    sweep(bench)
    # A fault between a delivery and its record costs one more copy, never two: disturb() asserts that for each step.
    assert duplicates <= steps
    tracked.in_mbox(bench.host.mailbox_path(bench.user)) if os.path.exists(bench.host.mailbox_path(bench.user)) else None
