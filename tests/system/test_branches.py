"""A line ?LABEL in a delivery file skips to LABEL if its command says so, as with the qmail-branch patch."""
import os
import subprocess

import pytest

from conftest import needs_root
from delivery_file_mail import send, waits
from homes import clean_homes, content, home_file  # noqa: F401
from host import wait_for

pytestmark = needs_root
BRANCHES = """# the boss first
?other test "$SENDER" != boss@example.org
|cat > from-boss
?end
:other any other sender
|cat > from-others
:end
|cat > always
"""


def test_the_command_decides_for_each_message(host):
    home_file("alice", ".forward", BRANCHES.replace('?other test "$SENDER" != boss@example.org',
                                                '?other test "$SENDER" = boss@example.org || exit 99'))
    host.start()
    send(host, "alice@host.test", b"work", sender="boss@example.org")
    waits(host, "/home/alice/always", b"Subject: work")
    waits(host, "/home/alice/from-boss", b"Subject: work")
    assert not os.path.exists("/home/alice/from-others")
    send(host, "alice@host.test", b"play", sender="friend@example.org")
    waits(host, "/home/alice/always", b"Subject: play")
    assert b"play" in content("/home/alice/from-others") and b"play" not in content("/home/alice/from-boss")


def test_a_jump_without_its_label_skips_the_rest(host):
    home_file("alice", ".forward", "|cat > before\n?nowhere\n|touch after\n")
    host.start()
    send(host, "alice@host.test")
    waits(host, "/home/alice/before", b"the end")
    host.wait_for_empty_queue()
    assert not os.path.exists("/home/alice/after")


# The example of the qmail-branch patch, with its comments.
SUE = """# Sort out mail from Sue.
?test [ "$SENDER" = sue@somewhere.org ] || exit 99
/home/alice/mail/sue/
# Skip all further processing.
?done
:test

# Is this a copy of a mailing list message?
?test iftocc `cat lists` || exit 99
# Bounce this copy.
|cat duplicate; exit 100
:test

# Deliver to the default mailbox.
/home/alice/mail/main/
"""


@pytest.fixture
def iftocc():
    """The program of mess822: 0 if To or Cc has one of the addresses, else 99."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/usr/local/bin"], check=True)
    with open("/usr/local/bin/iftocc", "w") as file:
        file.write('#!/bin/sh\nfor a; do grep -i "^\\(to\\|cc\\):.*$a" >/dev/null && exit 0; done\nexit 99\n')
    os.chmod("/usr/local/bin/iftocc", 0o755)
    yield
    subprocess.run(["umount", "--lazy", "/usr/local/bin"], check=True)


@pytest.mark.parametrize("name", [".qmail", ".forward"])
def test_the_example_of_the_qmail_branch_patch_works(make_host, iftocc, name):
    host = make_host("host", delivery_files=name)
    home_file("alice", name, SUE)
    home_file("alice", "lists", "list@lists.example.org\n")
    home_file("alice", "duplicate", "You sent me a copy.\n")
    os.mkdir("/home/alice/mail", 0o700)
    os.chown("/home/alice/mail", 7901, 7901)
    host.start()

    def folder(which):
        path = f"/home/alice/mail/{which}/new"
        return len(os.listdir(path)) if os.path.isdir(path) else 0

    send(host, "alice@host.test", sender="sue@somewhere.org")
    wait_for(lambda: folder("sue") == 1, what="mail from Sue")
    assert folder("main") == 0
    send(host, "alice@host.test", sender="friend@somewhere.org")
    wait_for(lambda: folder("main") == 1, what="mail from a friend")
    with host.smtp() as client:
        client.sendmail("bob@host.test", ["alice@host.test"], b"To: list@lists.example.org\r\nSubject: copy\r\n\r\nx\r\n")
    assert b"You sent me a copy." in host.wait_for_mail("bob", b"delivery-status")
    assert (folder("sue"), folder("main")) == (1, 1)
