"""Links that a captured process of the service puts into the spool change no owner, mode or contents outside it,
whatever root does."""
import os

import pytest

from host import wait_for
from machine import ACCOUNT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: mount and network namespaces")

TARGET = "/home/target"
LONG = b"Subject: long\n\n" + (b"x" * 70 + b"\n") * 3000


@pytest.fixture
def machine(installed_machine):
    installed_machine.shell(f"mkdir -m 755 {TARGET} && echo precious >{TARGET}/file && chmod 600 {TARGET}/file")
    return installed_machine


def captured(machine, text):
    """Runs a command in the spool as the account of the service."""
    return machine.shell(f"cd {machine.spool} && setpriv --reuid={ACCOUNT} --regid={ACCOUNT} --clear-groups sh -ec '{text}'")


def state_of_target(machine):
    listing = machine.shell(f"cd {TARGET} && stat -c '%n %U:%G %a %s' . * .[!.]* 2>/dev/null; cat file", check=False)
    return listing.stdout.decode()


def start(machine):
    machine.run("/usr/sbin/smtpd", "-q5m", check=False)


def submit(machine, *options, text=b"Subject: from root\n\n"):
    return machine.run("/usr/sbin/sendmail", *options, "bob", input=text, check=False)


ACTIONS = {
    "make install": lambda m: m.make("install"),
    "start": start,
    "queue run": lambda m: m.run("runq", "-v", check=False),
    "sendmail": submit,
    "sendmail of a long message": lambda m: submit(m, text=LONG),
    "sendmail that waits": lambda m: submit(m, "-odi"),
    "mailq": lambda m: m.run("mailq", "-v", check=False),
    "release": lambda m: m.run("sendmail", "-Q", check=False),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("link", ["drop", "control", "pid", "dm000000000000Z"])
def test_root_follows_no_link_in_the_spool(machine, action, link):
    led_to = TARGET if link == "drop" else f"{TARGET}/file"
    captured(machine, f"rm -rf {link}; ln -s {led_to} {link}")
    before = state_of_target(machine)
    assert "precious" in before
    try:
        ACTIONS[action](machine)
    except AssertionError as stopped:  # make install may refuse
        assert action == "make install", stopped
    assert state_of_target(machine) == before
    captured(machine, f"[ ! -L {link} ] || rm {link}")


def test_a_refused_spool_is_named(machine):
    captured(machine, f"mv drop old; ln -s {TARGET} drop")
    done = machine.run("/usr/sbin/smtpd", "-q5m", check=False)
    assert done.returncode != 0
    assert f"{machine.drop} is not a folder" in done.stderr.decode()
    sent = submit(machine)
    assert sent.returncode != 0 and b"Not a directory" in sent.stderr + sent.stdout


def test_files_that_root_creates_in_the_spool_belong_to_its_owner(machine):
    machine.start()
    for name in ("pid", "control", "drop"):
        owner = machine.run("stat", "-c", "%U:%G", f"{machine.spool}/{name}").stdout.decode().strip()
        assert owner == f"{ACCOUNT}:{ACCOUNT}", name


def test_a_pid_file_of_root_is_replaced_unless_its_daemon_runs(machine):
    """Earlier versions created it as root."""
    machine.shell(f"echo 1 >{machine.spool}/pid")
    machine.start()
    assert machine.run("stat", "-c", "%U", f"{machine.spool}/pid").stdout.decode().strip() == ACCOUNT
    machine.stop()
    machine.shell(f"rm -f {machine.spool}/pid; echo 1 >{machine.spool}/pid")
    holder = f"flock {machine.spool}/pid /usr/sbin/smtpd -q5m"
    done = machine.shell(holder, check=False)
    assert done.returncode != 0 and b"another daemon works on" in done.stderr
    assert machine.run("stat", "-c", "%U", f"{machine.spool}/pid").stdout.decode().strip() == "root"


def test_a_log_in_a_folder_of_the_account_is_written_with_its_rights(machine):
    machine.shell(f"install -d -o {ACCOUNT} -g {ACCOUNT} /var/log/mail-host; "
                  f"sed -i s,^log=.*,log=/var/log/mail-host/log, {machine.config}; rm -f /var/log/postoffice")
    machine.shell(f"setpriv --reuid={ACCOUNT} --regid={ACCOUNT} --clear-groups ln -s {TARGET}/log /var/log/mail-host/log")
    before = state_of_target(machine)
    machine.start()
    submit(machine)
    machine.wait_for_mail("bob", "Subject: from root")
    assert state_of_target(machine) == before
    machine.stop()
    machine.shell("rm /var/log/mail-host/log")
    machine.start()
    wait_for(lambda: "started" in machine.text("/var/log/mail-host/log"), what="the log")
    assert machine.run("stat", "-c", "%U", "/var/log/mail-host/log").stdout.decode().strip() == ACCOUNT
