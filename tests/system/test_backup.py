"""A backup by the commands of docs/operation.md restores mailboxes, aliases and queued mail on another machine, where
accounts have other numbers, and each message is delivered once."""
import os
import re

import pytest

from host import TOP, wait_for
from machine import ACCOUNT, Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: mount and network namespaces")

#: What the commands write to systemctl.
SYSTEMCTL = """#!/bin/sh
pid=$(cat /var/spool/postoffice/pid 2>/dev/null)
case $1 in
start) exec /usr/sbin/smtpd -q5m ;;
stop) [ -z "$pid" ] || { kill "$pid" && while [ -e "/proc/$pid/exe" ]; do sleep 0.02; done; } ;;
esac
"""

#: Delivers when there is a file /var/tmp/ready, and defers before that.
ALIASES = 'keep: "|test -e /var/tmp/ready || exit 75; cat >>/var/tmp/kept"\n'

#: /root is the only folder of the commands that the machines of these tests share with the real one.
ARCHIVE = "/var/tmp/postoffice-backup.tar.gz"


def commands(number):
    """That block of commands of docs/operation.md."""
    with open(os.path.join(TOP, "docs", "operation.md")) as file:
        section = file.read().split("\n## Backup and restore\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[number].replace("/root/postoffice-backup.tar.gz", ARCHIVE)


@pytest.fixture
def machines():
    made = []

    def make():
        machine = Machine()
        made.append(machine)
        if (machine.config, machine.spool) != ("/etc/postoffice.cf", "/var/spool/postoffice"):
            pytest.skip("BUILT FOR OTHER PLACES than those of the commands: ./configure.sh without a prefix of its own")
        machine.run("tee", "/usr/local/bin/systemctl", input=SYSTEMCTL.encode())
        machine.run("chmod", "755", "/usr/local/bin/systemctl")
        machine.shell("mkdir -p /var/tmp && rm -rf /var/tmp/* && chmod 1777 /var/tmp")
        return machine

    yield make
    for machine in made:
        machine.end()


def send(machine, to, subject, user="alice"):
    machine.run("/usr/sbin/sendmail", "-i", to, user=user, input=f"Subject: {subject}\n\nbody\n".encode())


def numbers(machine):
    return machine.shell(f"id -u alice; id -u {ACCOUNT}; id -g {ACCOUNT}").stdout.split()


def test_backup_and_restore(machines):
    old = machines()
    old.install()
    old.run("tee", "-a", "/etc/aliases", input=ALIASES.encode())
    old.run("newaliases")
    old.start()
    send(old, "bob", "in a mailbox")
    send(old, "keep", "in the queue")
    old.wait_for_mail("bob", "in a mailbox")
    wait_for(lambda: b"in the queue" in old.shell("cat /var/spool/postoffice/????/[cd]m*", check=False).stdout,
             what=old.log)
    old.stop()
    send(old, "bob", "submitted")
    old.shell(commands(0).replace("systemctl start postoffice\n", ""))

    new = machines()
    # usermod(8) refuses an account of which any process runs, as those of tests beside this one.
    new.shell("useradd -r -M other")
    for name, number in (("alice", 7951), ("bob", 7952)):
        new.shell(rf"sed -i -E 's/^{name}:([^:]*):[0-9]+:[0-9]+:/{name}:\1:{number}:{number}:/' /etc/passwd")
        new.shell(rf"sed -i -E 's/^{name}:([^:]*):[0-9]+:/{name}:\1:{number}:/' /etc/group")
    new.install()
    assert all(one != other for one, other in zip(numbers(old), numbers(new))), "the accounts have other numbers"
    new.start()
    new.run("tee", ARCHIVE, input=old.run("cat", ARCHIVE).stdout)
    new.shell(commands(1))
    new.wait_for_mail("bob", "submitted")
    assert "\nFrom alice@host.test " in new.mailbox("bob"), "the submitter is the account with that name"
    assert new.run("stat", "-c", "%U %G %a", "/var/mail/bob").stdout == old.run("stat", "-c", "%U %G %a", "/var/mail/bob").stdout
    new.run("touch", "/var/tmp/ready")
    # A queue run leaves a message alone whose attempt is in progress.
    kept = wait_for(lambda: new.run("runq", "-qf") and new.text("/var/tmp/kept"), what=new.log)
    wait_for(lambda: not new.drops() and "empty" in new.run("mailq").stdout.decode(), what=new.log)
    assert kept.count("Subject: in the queue") == 1
    for subject in ("in a mailbox", "submitted"):
        assert new.mailbox("bob").count(f"Subject: {subject}") == 1
    send(new, "team", "after the restore", user=None)
    new.wait_for_mail("alice", "after the restore")
