"""The daemon completes a host name without a domain once the resolver knows the whole name, and serves until then."""
import os
import subprocess

import pytest

from conftest import needs_root
from host import Host

pytestmark = needs_root
SHORT = "127.0.0.1 localhost\n127.0.1.1 box\n"
WHOLE = "127.0.0.1 localhost\n127.0.1.1 box.example.org box\n"


@pytest.fixture
def box(folder):
    """A host whose machine is called box; box.hosts(TEXT) is its /etc/hosts."""
    hosts = os.path.join(folder, "hosts")

    def write(text):
        with open(hosts, "w") as file:
            file.write(text)

    write(SHORT)
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    made = Host(folder, prefix=["unshare", "--uts", "sh", "-c", 'hostname box && exec "$@"', "sh"], hostname=None)
    made.hosts = write
    yield made
    made.end()
    subprocess.run(["umount", "/etc/hosts"], check=True)


def test_the_name_is_completed_after_the_start(box):
    """Until then, sendmail and the server have different names for the host."""
    box.start()
    box.wait_until_ready()
    box.hosts(WHOLE)
    box.run("sendmail", "-i", "alice", input=b"Subject: hello\n\n", check=True)
    text = box.wait_for_mail("alice", b"Subject: hello")
    assert b"Return-Path: <root@box>" in text
    box.wait_for_empty_queue()


def test_the_short_name_is_a_local_domain(box):
    box.hosts(WHOLE)
    box.start()
    box.wait_until_ready()
    box.run("sendmail", "-i", "alice@box", input=b"Subject: hello\n\n", check=True)
    box.wait_for_mail("alice", b"Subject: hello")
    with box.smtp() as client:
        assert client.sendmail("bob@box", ["alice@box", "alice@box.example.org"], "Subject: by SMTP\n\n") == {}
    assert box.mailbox("alice").count(b"Subject: by SMTP") == 1
