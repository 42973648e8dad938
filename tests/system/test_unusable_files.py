"""A file or folder that cannot be used delays mail, and loses and doubles none: spool, alias database, mailbox and
home are used again without a restart once they are repaired."""
import fcntl
import os
import shutil
import subprocess
import threading

import pytest

from accepted_mail import Sender
from conftest import needs_root
from host import wait_for
from processes import is_alive, kill, with_title
from small_disk import POSTOFFICE, small_disk
from strict_sink import StrictSink

pytestmark = needs_root


def test_a_journal_that_cannot_be_opened_delays_no_other_message(make_host):
    """As after a backup that root restored."""
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        host.start()
        strange = os.path.join(host.spool, "cm1111111111111")
        with open(strange, "w") as file:
            os.fchmod(file.fileno(), 0o600)
        host.run("runq")
        wait_for(lambda: "1111111111111" in host.log_text(), what="a log line about the file")
        sender = Sender(host)
        assert sender.smtp("them@far.test") == 250
        wait_for(lambda: "finished" in host.log_text(), what="the end of the message")
        os.unlink(strange)
        sender.all_arrive_at(sink)
        assert "crash" not in host.log_text() and "helper-ended" not in host.log_text()


def test_an_unreadable_drop_folder_delays_only_submissions(make_host):
    """As after a backup that root restored. Mail that comes by SMTP is delivered."""
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        host.start()
        sender = Sender(host)
        assert sender.sendmail("them@far.test") == 0
        sender.all_arrive_at(sink)
        drop = os.path.join(host.spool, "drop")
        os.chmod(drop, 0o700)
        os.chown(drop, 0, POSTOFFICE)
        assert sender.sendmail("them@far.test") == 0  # as root
        host.run("runq", check=True)
        assert sender.smtp("them@far.test") == 250
        wait_for(lambda: host.log_text().count("finished") >= 2, what=lambda: f"the one by SMTP; {host.log_text()}")
        os.chown(drop, POSTOFFICE, POSTOFFICE)
        os.chmod(drop, 0o3730)
        host.run("runq", check=True)
        sender.all_arrive_at(sink)
        assert "crash" not in host.log_text() and "helper-ended" not in host.log_text()


def test_mail_is_refused_while_the_spool_cannot_be_written(make_host):
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        with small_disk(host.spool, "4m", POSTOFFICE, POSTOFFICE, 0o750):
            host.start()
            sender = Sender(host)
            os.chown(host.spool, 0, 0)
            os.chmod(host.spool, 0o555)
            assert sender.smtp("them@far.test") in (451, 452)
            assert sender.smtp(size=200_000) in (451, 452)
            os.chown(host.spool, POSTOFFICE, POSTOFFICE)
            os.chmod(host.spool, 0o750)
            assert sender.smtp("them@far.test") == 250
            assert sender.sendmail("them@far.test") == 0
            sender.all_arrive_at(sink)
            host.end()


def test_mail_is_refused_while_the_spool_is_missing(host):
    host.start()
    sender = Sender(host)
    os.rename(host.spool, host.spool + ".gone")
    assert sender.smtp() in (250, 451, 452)  # a direct delivery needs no spool
    assert sender.smtp("them@far.test") in (451, 452)
    assert sender.smtp(size=200_000) in (451, 452)
    os.rename(host.spool + ".gone", host.spool)
    assert sender.smtp(size=200_000) == 250
    sender.all_arrive()


@pytest.mark.parametrize("harm", ["garbage", "cut", "empty", "unreadable"])
def test_mail_to_an_alias_is_deferred_while_the_database_is_damaged(host, harm):
    host.write_aliases("team: alice\n")
    assert host.run("newaliases").returncode == 0
    host.start()
    sender = Sender(host)
    assert sender.smtp("team@host.test") == 250
    database = host.alias_database
    if harm == "unreadable":
        os.chmod(database, 0)
        os.chmod(host.aliases, 0)
    else:
        with open(database, "rb") as file:
            good = file.read()
        bad = {"garbage": b"\0nonsense" * 3000, "cut": good[:len(good) // 2], "empty": b""}[harm]
        with open(database + ".new", "wb") as file:
            file.write(bad)
        os.rename(database + ".new", database)
    for pid in with_title(host, "SMTP "):
        kill(pid)  # a process that has the database open would continue to use it
        wait_for(lambda: not is_alive(pid), what="the end of the process")
    wait_for(host.answers, what="the next process")
    reply = sender.smtp("team@host.test")
    assert reply in ((451,) if harm == "unreadable" else (250, 451))
    os.chmod(host.aliases, 0o644)
    assert host.run("newaliases").returncode == 0
    assert sender.smtp("team@host.test") == 250
    sender.all_arrive()


def test_mail_is_accepted_after_a_moment_without_nsswitch_conf(host):
    host.start()
    sender = Sender(host)
    assert sender.smtp() == 250
    subprocess.run(["mount", "--bind", "/dev/null", "/etc/nsswitch.conf"], check=True)
    subprocess.run(["umount", "/etc/nsswitch.conf"], check=True)
    assert sender.smtp() == 250
    sender.all_arrive()


@pytest.mark.parametrize("lock", ["flock", "fcntl"])
def test_mail_waits_for_a_mailbox_that_another_program_has_locked(host, lock):
    host.start()
    sender = Sender(host)
    assert sender.smtp() == 250
    with open(host.mailbox_path("alice"), "r+b") as box:
        (fcntl.flock if lock == "flock" else fcntl.lockf)(box, fcntl.LOCK_EX)
        replies = []
        waiting = threading.Thread(target=lambda: replies.append(sender.smtp()))
        waiting.start()
        wait_for(lambda: with_title(host, "deliver alice"), what="the agent")
        assert sender._tokens("alice") == ["message-1"]
    waiting.join(40)
    assert replies == [250]
    sender.all_arrive()


@pytest.mark.parametrize("what", ["folder", "link", "another's", "fifo", "two names"])
def test_mail_is_deferred_if_the_mailbox_is_no_file_of_the_user(host, what):
    host.start()
    sender = Sender(host)
    box = host.mailbox_path("alice")
    elsewhere = host.mail + "/elsewhere"
    if what == "folder":
        os.mkdir(box)
    elif what == "link":
        os.symlink(elsewhere, box)
    elif what == "another's":
        open(box, "w").close()
        os.chown(box, 7902, 7902)
    elif what == "fifo":
        os.mkfifo(box)
        os.chown(box, 7901, 7901)
    elif what == "two names":
        open(box, "w").close()
        os.chown(box, 7901, 7901)
        os.link(box, elsewhere)
    assert sender.smtp() in (450, 451)
    assert sender.sendmail() == 0
    wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")
    shutil.rmtree(box) if what == "folder" else os.unlink(box)
    if os.path.exists(elsewhere):
        assert os.path.getsize(elsewhere) == 0
        os.unlink(elsewhere)
    assert sender.smtp() == 250
    host.run("runq")
    sender.all_arrive()


def test_mail_is_deferred_while_no_mailbox_can_be_created(host):
    host.start()
    sender = Sender(host)
    os.chmod(host.mail, 0o755)
    assert sender.smtp() == 451
    os.chmod(host.mail, 0o2775)
    assert sender.smtp() == 250
    sender.all_arrive()


def test_mail_is_deferred_while_the_home_is_not_mounted(make_host):
    host = make_host("host", home_mailbox="Mail/box", retry="1s")
    os.mkdir("/home/alice/Mail", 0o700)
    os.chown("/home/alice/Mail", 7901, 7901)
    host.start()
    sender = Sender(host)
    os.rename("/home/alice", "/home/alice.gone")
    try:
        assert sender.smtp() == 451
        assert sender.sendmail() == 0
        wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")
    finally:
        os.rename("/home/alice.gone", "/home/alice")
    host.mailbox_path = lambda user: f"/home/{user}/Mail/box"
    try:
        assert sender.smtp() == 250
        host.run("runq")
        sender.all_arrive()
    finally:
        shutil.rmtree("/home/alice/Mail")
