"""Homes that root cannot read, as on a file server that squashes root, are used with the rights of their owner, and
mail waits while the file server is away. FUSE shows a file system only to the user that mounted it."""
import os
import shutil
import smtplib
import stat
import subprocess

import pytest

from conftest import needs_root
from host import wait_for

pytestmark = [needs_root,
              pytest.mark.skipif(not os.path.exists("/dev/fuse") or shutil.which("bindfs") is None,
                                 reason="NEEDS bindfs and /dev/fuse")]
UID = 7901
HOME = "/home/alice"


class Server:
    """A file server for alice's home, and what is really in it."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "alice")
        os.mkdir(self.path, 0o700)
        os.chown(self.path, UID, UID)
        self.process = None

    def mount(self):
        # Other tests may have left files in the home below the mount.
        self.process = subprocess.Popen(["bindfs", "-f", "--no-allow-other", "-o", "nonempty", self.path, HOME], user=UID,
                                        group=UID, extra_groups=[], stdin=subprocess.DEVNULL)
        wait_for(self.is_hidden_from_root, what="the home of the file server")

    @staticmethod
    def is_hidden_from_root():
        try:
            os.listdir(HOME)
            return False
        except PermissionError:
            return True

    def fail(self):
        """The server ends as in a crash: each access fails with "not connected"."""
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process is not None:
            subprocess.run(["umount", "--lazy", HOME], stderr=subprocess.DEVNULL)
            self.process.wait(30)
            self.process = None

    def write(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600)
        os.chown(path, UID, UID)

    def read(self, name):
        try:
            with open(os.path.join(self.path, name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""


@pytest.fixture
def fuse(folder):
    """/dev/fuse for all accounts, as Debian has it; some virtual machines reserve it for root."""
    path = os.path.join(folder, "fuse")
    os.mknod(path, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
    os.chmod(path, 0o666)
    subprocess.run(["mount", "--bind", path, "/dev/fuse"], check=True)
    yield
    subprocess.run(["umount", "/dev/fuse"], check=True)


@pytest.fixture
def server(folder, fuse):
    made = Server(folder)
    try:
        made.mount()
        yield made
    finally:
        made.end()


def send(host, subject):
    with host.smtp() as client:
        client.sendmail("a@example.org", ["alice@host.test"], f"Subject: {subject}\n\nbody\n")


def test_a_delivery_file_there_is_followed_with_the_rights_of_its_owner(server, host):
    server.write(".forward", f"\\alice, |(id -u; cat) > {HOME}/by-program, {HOME}/by-file\n")
    host.start()
    try:
        send(host, "squashed")
    except Exception:
        print(host.log_text()); raise
    host.wait_for_mail("alice", b"Subject: squashed")
    wait_for(lambda: b"Subject: squashed" in server.read("by-file"), what=host.log_text)
    wait_for(lambda: b"Subject: squashed" in server.read("by-program"), what=host.log_text)
    assert server.read("by-program").startswith(b"7901\n")
    assert {os.stat(os.path.join(server.path, name)).st_uid for name in ("by-file", "by-program")} == {UID}


def test_a_mailbox_there_is_written_with_the_rights_of_its_owner(server, host):
    host.write_config(home_mailbox="Maildir/")
    host.start()
    send(host, "in a maildir")
    new = os.path.join(server.path, "Maildir", "new")
    wait_for(lambda: os.path.isdir(new) and os.listdir(new), what=host.log_text)
    assert os.stat(os.path.join(new, os.listdir(new)[0])).st_uid == UID


def test_mail_is_deferred_while_the_file_server_is_away(server, host):
    host.write_config(home_mailbox="mbox")
    host.start()
    server.fail()
    with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError)) as refused:
        send(host, "from a client")
    assert "451" in str(refused.value)
    host.run("sendmail", "alice@host.test", input=b"Subject: from here\n\n", check=True)
    wait_for(lambda: ": deferred to=<alice@host.test>" in host.log_text(), what=host.log_text)
    assert host.mailbox("alice") == b""
    server.end()
    server.mount()
    wait_for(lambda: host.run("runq", "-qf", check=True) and b"Subject: from here" in server.read("mbox"), what=host.log_text)
    host.wait_for_empty_queue()


def test_the_trace_reads_with_the_rights_of_the_owner(server, host):
    server.write(".forward", "bob\n")
    host.start()
    trace = host.run("sendmail", "-bt", "alice").stdout.decode()
    assert f"=> mailbox {host.mailbox_path('bob')} of bob" in trace, "not the files that root sees"
    send(host, "to bob")
    host.wait_for_mail("bob", b"Subject: to bob")
