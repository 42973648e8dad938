"""A session of a maildrop that is killed, or whose disk fails, at any step loses no message and doubles none.

The n-th step that changes the disk is the last one of the process, or fails; n increases until a session ends
undisturbed. After each, the mailbox has all its messages or those that were not deleted, to the last octet and with the
ids that they had, and the next session works.
"""
import collections
import errno
import os
import random
import shutil
import subprocess

import pytest

from faults import KILL, Faults
from maildrop_session import SESSION, messages_of

FROM = b"From a@b.example Sat Nov 21 10:00:00 2026\n"
FAILURES = KILL, errno.ENOSPC, errno.EDQUOT, errno.EIO


class Mailbox:
    """Messages in an mbox or a maildir, and sessions with it."""

    def __init__(self, folder, is_maildir, texts):
        self.faults = Faults(folder)
        self.is_maildir = is_maildir
        self.folder = os.path.join(folder, "mail")
        self.path = os.path.join(self.folder, "bob")
        self.texts = texts
        self.fill()

    def fill(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        if not self.is_maildir:
            with open(self.path, "wb") as file:
                file.write(b"".join(FROM + text + b"\n" for text in self.texts))
            return
        for name in "", "new", "cur", "tmp":
            os.mkdir(os.path.join(self.path, name))
        for number, text in enumerate(self.texts):
            with open(os.path.join(self.path, "new", f"{number}.host"), "wb") as file:
                file.write(text)

    def session(self, changes=""):
        """(exit status, [(id, text)]) of a session that deletes what has a 1 in `changes`."""
        path = self.path + "/" * self.is_maildir
        done = subprocess.run([SESSION, path, changes], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, **self.faults.environment}, timeout=30)
        output = done.stdout if done.returncode >= 0 else b""  # may end anywhere
        return done.returncode, messages_of(output)

    def files(self):
        return {name for name in os.listdir(self.folder) if name not in ("bob", ".bob.pop3")}


def without_status(messages):
    return [(uid, text.replace(b"Status: RO\n", b"")) for uid, text in messages]


def is_part(some, messages):
    """The messages are in the same order in both, and none is there twice."""
    rest = iter(messages)
    return all(message in rest for message in some)


def disturb(mailbox, changes, has_index):
    """By failure, the number of sessions that were disturbed."""
    counts = collections.Counter()
    for failure in FAILURES:
        for step in range(1, 200):
            mailbox.fill()
            _, before = mailbox.session() if has_index else (0, None)
            mailbox.faults.arm(failure, step)
            status, _ = mailbox.session(changes)
            is_disturbed = mailbox.faults.disarm()
            last_step = [f"{what} {' '.join(names)}" for _, what, _, names in mailbox.faults.trace][-1:]
            check(mailbox, (failure, step, last_step), changes, before, status if is_disturbed else 0)
            if not is_disturbed:
                break
            counts[failure] += 1
        else:
            pytest.fail("a session has no end")
    return counts


def check(mailbox, when, changes, before, status):
    kept = [text for text, change in zip(mailbox.texts, changes.ljust(len(mailbox.texts))) if change != "1"]
    after_status, after = mailbox.session()
    after = without_status(after)
    texts = [text for _, text in after]
    assert after_status == 0, when
    assert len({uid for uid, _ in after}) == len(after), when
    if mailbox.is_maildir:
        assert is_part(kept, texts) and is_part(texts, mailbox.texts), (when, texts)
        assert status != 1 or texts == mailbox.texts, when
    else:
        assert texts in (kept, mailbox.texts), (when, texts)
        assert status != 1 or texts == mailbox.texts, (when, "the session said that it had failed")
        assert status != 0 or texts == kept, (when, "the session said that it had not failed")
    if before is not None:  # of equal messages either may have the id of the other
        assert set(after) <= set(before), (when, before, after)
    # The next session deletes as if nothing had happened, and clears up.
    assert mailbox.session("1" + "0" * 100)[0] == 0, when
    assert [text for _, text in without_status(mailbox.session()[1])] == texts[1:], when
    assert not mailbox.files(), when


def some_texts(count, seed):
    chance = random.Random(seed)
    texts = [b"Subject: %d\n\n" % number + b"line\n" * chance.randrange(3000) for number in range(count)]
    return texts + [texts[0]]  # equal messages are told apart by their ids


@pytest.mark.parametrize("has_index", [True, False])
@pytest.mark.parametrize("is_maildir", [False, True])
@pytest.mark.parametrize("changes", ["1r0r", "0011"])
def test_session_that_is_disturbed_loses_nothing(folder, changes, is_maildir, has_index):
    assert disturb(Mailbox(folder, is_maildir, some_texts(3, 1)), changes, has_index).total() > 10


@pytest.mark.timeout(1800)
def test_session_that_deletes_anything_loses_nothing(folder, is_long):
    """40 mailboxes with --long; $SEED chooses others."""
    seed = os.environ.get("SEED", "2")
    chance = random.Random(seed)
    counts = collections.Counter()
    for number in range(40 if is_long else 1):
        changes = "".join(chance.choice("01r") for _ in range(6))
        mailbox = Mailbox(folder, number % 2 == 1, some_texts(5, f"{seed}-{number}"))
        counts += disturb(mailbox, changes, has_index=chance.random() < 0.5)
    print(f"SEED={seed}: {counts[KILL]} kills, {counts.total() - counts[KILL]} failures of the disk")
