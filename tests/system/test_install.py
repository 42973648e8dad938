"""An installed postoffice serves a machine: programs have their names and rights, an ordinary user submits through
the set-group-id sendmail, and gains nothing by changing files in drop/."""
import os
import shutil
import stat
import subprocess

import pytest

from host import TOP, wait_for
from machine import ACCOUNT, Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: mount and network namespaces")

SENDMAIL = "/usr/sbin/sendmail"
#: In a folder of the machine's own.
SECRET = "/etc/root-only-secret"


@pytest.fixture
def bare_machine():
    made = Machine()
    yield made
    made.end()


@pytest.fixture
def machine(installed_machine):
    return installed_machine


def mode_of(machine, path):
    mode, owner, group = machine.run("stat", "-c", "%f %U %G", path).stdout.decode().split()
    return stat.filemode(int(mode, 16)), owner, group


def send(machine, user, *recipients, subject="hello", groups=()):
    """Submits a message of an ordinary user; the name of its file in drop/."""
    before = set(machine.drops())
    machine.run(SENDMAIL, "-i", *recipients, user=user, groups=groups, input=f"Subject: {subject}\n\nbody\n".encode())
    new = set(machine.drops()) - before
    assert len(new) == 1
    return os.path.join(machine.drop, new.pop())


# ---- as an administrator


def test_install_lays_out_everything_and_makes_nothing_set_uid(bare_machine):
    bare_machine.shell("rm -f /usr/sbin/sendmail /usr/lib/sendmail; echo 'another one' > /usr/sbin/sendmail")
    told = bare_machine.install()
    assert "newaliases" in told and "/usr/sbin/sendmail.before-postoffice" in told
    assert mode_of(bare_machine, "/usr/sbin/postoffice") == ("-rwxr-sr-x", "root", ACCOUNT)
    assert mode_of(bare_machine, bare_machine.spool) == ("drwxr-x---", ACCOUNT, ACCOUNT)
    assert mode_of(bare_machine, bare_machine.drop) == ("drwx-ws--T", ACCOUNT, ACCOUNT)
    for name in ("sbin/sendmail", "sbin/smtpd", "sbin/runq", "bin/mailq", "bin/newaliases", "lib/sendmail"):
        assert bare_machine.run("readlink", f"/usr/{name}").stdout == b"/usr/sbin/postoffice\n"
    assert bare_machine.run("postoffice", "-bC").returncode == 0


def test_installed_twice_is_installed_once(machine):
    machine.run("tee", machine.config, input=b"hostname=kept.test\n")
    machine.make("install")
    assert machine.text(machine.config) == "hostname=kept.test\n"


def test_uninstall_puts_back_what_was_there_and_keeps_the_mail(bare_machine):
    bare_machine.shell("rm -f /usr/sbin/sendmail; echo 'another one' > /usr/sbin/sendmail")
    bare_machine.install()
    kept = send(bare_machine, "alice", "bob")
    bare_machine.make("uninstall")
    assert bare_machine.text("/usr/sbin/sendmail") == "another one\n"
    assert bare_machine.shell("ls /usr/sbin/postoffice", check=False).returncode != 0
    assert bare_machine.run("ls", kept, bare_machine.config).returncode == 0


def test_the_daemon_serves_port_25(machine):
    machine.start()
    dialogue = "EHLO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<bob@host.test>\nDATA\nSubject: by SMTP\n\n.\nQUIT\n"
    shown = machine.run("python3", f"{TOP}/os/dialogue.py", "127.0.0.1", "25", input=dialogue.encode()).stdout
    assert b"250 2.0.0" in shown
    assert "Subject: by SMTP" in machine.mailbox("bob")
    assert mode_of(machine, "/var/mail/bob") == ("-rw-rw----", "bob", "mail")


# ---- as an ordinary user


def test_an_ordinary_user_submits_through_the_set_gid_program(machine):
    machine.start()
    machine.run(SENDMAIL, "-t", user="alice", input=b"To: team\nSubject: from alice\n\nbody\n")
    for user in ("alice", "bob"):
        box = machine.wait_for_mail(user, "Subject: from alice")
        assert "(uid 7901 (alice))" in box
        assert box.startswith("From alice@host.test ")


def test_what_is_submitted_without_a_daemon_waits_for_it(machine):
    path = send(machine, "alice", "bob", subject="waits")
    assert mode_of(machine, path) == ("-rw-r-----", "alice", ACCOUNT)
    assert machine.run("mailq").stdout.splitlines()[1].endswith(b"  alice@host.test")
    # No other account may list drop/, so mailq may show an empty queue.
    assert b"no server is running" in machine.run("mailq", user="bob").stderr
    machine.start()
    machine.wait_for_mail("bob", "Subject: waits")
    wait_for(lambda: not machine.drops(), what="an empty drop/")


def test_an_ordinary_user_can_read_the_queue_and_ask_for_a_run(machine):
    machine.start()
    listed = machine.run("mailq", user="mallory")
    assert (listed.stdout, listed.stderr) == (b"Mail queue is empty\n", b"")
    assert machine.run("runq", user="mallory").returncode == 0
    asked = machine.run("runq", "-v", "-qRbob", user="mallory")
    assert asked.returncode == 0 and b"the server was asked" in asked.stderr


def test_an_ordinary_user_gets_an_error_for_an_unknown_address(machine):
    done = machine.run(SENDMAIL, "-i", "nobody-here", user="alice", input=b"Subject: x\n\n", check=False)
    assert done.returncode == 67 and b"nobody-here" in done.stderr
    assert len(machine.drops()) <= 1  # the report to alice, for programs that do not show the output of sendmail


@pytest.mark.parametrize("what", ["ls {spool}", "ls {drop}", "cat {path}", "echo x >> {path}", "echo x > {path}",
                                  "rm -f {path} && ! ls {path}", "mv {path} ~/x", "ln {path} /home/mallory/x",
                                  "ln -s /etc/shadow {drop}/0000000000001", "mkfifo {drop}/0000000000001",
                                  "touch {spool}/cm0000000000001", "cat {spool}/pid", "chmod 777 {drop}"])
@pytest.mark.parametrize("user", ["alice", "mallory"])
def test_the_spool_is_closed_to_users_even_for_their_own_mail(machine, user, what):
    path = send(machine, "alice", "bob", subject="mine")
    text = what.format(spool=machine.spool, drop=machine.drop, path=path)
    assert machine.shell(text, user=user, check=False).returncode != 0
    machine.start()
    assert "Subject: mine\n" in machine.wait_for_mail("bob", "Subject: mine")


def test_a_user_cannot_open_the_files_of_a_running_submission(machine):
    """sendmail holds files in the spool open; the kernel denies even their owner access through /proc."""
    command = machine.command(SENDMAIL, "-i", "bob", user="alice")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sendmail:
        sendmail.stdin.write(b"Subject: long\n\n" + b"x" * 70 + b"\n" * 500_000)
        sendmail.stdin.flush()
        wait_for(machine.drops, what="a file that grows in drop/")
        own = machine.shell(f"ls -l /proc/{sendmail.pid}/fd || cat /proc/{sendmail.pid}/mem", user="alice", check=False)
        assert own.returncode != 0 and own.stdout == b""
        sendmail.stdin.close()
        assert sendmail.wait(60) == 0


def test_options_that_name_files_use_the_rights_of_the_user(machine):
    machine.shell(f"install -o {ACCOUNT} -g {ACCOUNT} -m 640 /dev/null {SECRET} && echo password > {SECRET}")
    for arguments in (["-C", SECRET, "-bv", "bob"], ["-bt", "-oA" + SECRET, "bob"], ["-C", SECRET, "-bp"],
                      ["-oQ/tmp", "-bp"], ["-X", SECRET, "-i", "bob"], ["-D", SECRET, "-d1", "-i", "bob"]):
        done = machine.run(SENDMAIL, *arguments, user="mallory", input=b"Subject: x\n\n", check=False)
        assert b"password" not in done.stdout + done.stderr
    assert machine.text(SECRET) == "password\n"


# ---- a user that can reach drop/, as a member of the group of the spool by mistake


def tamper(machine, text):
    return machine.shell(f"cd {machine.drop} && {text}", user="mallory", groups=[ACCOUNT], check=False)


def test_members_of_the_group_cannot_change_mail_of_others(machine):
    name = os.path.basename(send(machine, "alice", "bob", subject="safe"))
    for text in (f"echo x >> {name}", f": > {name}", f"rm -f {name} && ! test -e {name}", f"mv {name} other",
                 f"ln {name} other", "ls", f"ln -sf /etc/passwd {name} && test -L {name}"):
        assert tamper(machine, text).returncode != 0, text
    machine.start()
    machine.wait_for_mail("bob", "Subject: safe")


def test_a_rewritten_submission_has_its_owner_as_sender(machine):
    name = os.path.basename(send(machine, "mallory", "bob", subject="mine"))
    done = tamper(machine, f"sed -i.x 's/<mallory>/<aliceee>/' {name}; "
                           f"sed 's/^from: <mallory>/from: <aliceee>/' {name} > /home/mallory/x; cat /home/mallory/x > {name}")
    assert done.returncode == 0
    machine.start()
    box = machine.wait_for_mail("bob", "Subject: mine")
    assert "(uid 7904 (mallory))" in box
    assert "X-Authentication-Warning: host.test: mallory set sender to <aliceee@host.test> using -f" in box


def configure(machine, text):
    machine.run("tee", "-a", machine.config, input=text.encode())


def test_with_untrusted_set_sender_0_only_trusted_users_choose_a_sender(machine):
    configure(machine, "untrusted-set-sender=0\ntrusted-users=alice\n")
    text = b"Subject: which sender\n\n"
    done = machine.run(SENDMAIL, "-f", "boss@example.org", "bob", user="mallory", input=text, check=False)
    assert done.returncode == 77 and b"mallory may not set the sender to boss@example.org" in done.stderr
    assert machine.run(SENDMAIL, "-f", "mallory", "bob", user="mallory", input=text).returncode == 0
    machine.run(SENDMAIL, "-f", "boss@example.org", "bob", user="alice", input=text)
    machine.start()
    box = machine.wait_for_mail("bob", "Return-Path: <boss@example.org>")
    wait_for(lambda: "Return-Path: <mallory@host.test>" in machine.mailbox("bob"), what="the other message")
    assert "X-Authentication-Warning" not in box


@pytest.mark.parametrize("by,warned", [("alice@host.test", False), ("alice+box@host.test", False),
                                       ("bob@host.test", True), ("alice@elsewhere.test", True)])
def test_mail_forwarded_by_a_delivery_file_has_no_warning(machine, by, warned):
    """A file with branches submits the message as its user, with this field first."""
    machine.run(SENDMAIL, "-G", "-f", "boss@example.org", "bob", user="alice",
                input=f"Delivered-To: {by}\nSubject: sent on\n\n".encode())
    machine.start()
    box = machine.wait_for_mail("bob", "Return-Path: <boss@example.org>")
    assert ("X-Authentication-Warning" in box) == warned


@pytest.mark.parametrize("trusted", ["", "trusted-users=bob,alice\n", "trusted-users=alice-s-group\n"])
def test_trusted_users_choose_a_sender_without_a_warning(machine, trusted):
    machine.run("groupadd", "-g", "7999", "alice-s-group")
    machine.run("usermod", "-a", "-G", "alice-s-group", "alice")
    configure(machine, trusted)
    machine.run(SENDMAIL, "-f", "boss@example.org", "bob", user="alice", input=b"Subject: which sender\n\n")
    machine.start()
    box = machine.wait_for_mail("bob", "Return-Path: <boss@example.org>")
    assert ("X-Authentication-Warning: host.test: alice set sender to <boss@example.org>" in box) == (not trusted)


def test_trusted_users_say_how_they_got_a_message(machine):
    configure(machine, "trusted-users=alice\n")
    for user in "alice", "mallory":
        machine.run(SENDMAIL, "-p", "UUCP:gw.example.org", "bob", user=user, input=f"Subject: by {user}\n\n".encode())
    machine.start()
    box = machine.wait_for_mail("bob", "Subject: by alice")
    wait_for(lambda: "Subject: by mallory" in machine.mailbox("bob"), what="the other message")
    box = machine.mailbox("bob")
    assert box.count("Received: from gw.example.org\n\tby host.test (postoffice) with UUCP id ") == 1
    assert box.count("Received: by host.test (postoffice) with local id ") == 1


@pytest.mark.parametrize("text", [
    f"rm {{name}}; ln -s {SECRET} {{name}}",
    "rm {name}; ln -s /var/mail/bob {name}",
    "rm {name}; mkfifo {name}",
    "rm {name}; mkdir {name}",
    "rm {name}; mkdir -m 777 {name}",
    "rm {name}; ln -s . {name}",
    ": > {name}",
    "echo more >> {name}",
    "head -c 60 {name} > /home/mallory/x; cat /home/mallory/x > {name}",
    "head -c -3 {name} > /home/mallory/x; cat /home/mallory/x > {name}",
    "tr a-z '\\000' < {name} > /home/mallory/x; cat /home/mallory/x > {name}",
    "head -c 3000000 /dev/urandom > {name}",
    "echo 'postoffice drop 1 envelope 99999999999999 message 5' > {name}",
    "sed 's/message .*/message 0/' {name} > /home/mallory/x; cat /home/mallory/x > {name}",
    "sed 's/^to: .*/to: <bob@host.test>X/' {name} > /home/mallory/x; cat /home/mallory/x > {name}",
    "chmod 000 {name}",
])
def test_a_changed_submission_gives_no_access_and_delays_no_other(machine, text):
    machine.shell(f"echo secret of root > {SECRET} && chmod 600 {SECRET}")
    name = os.path.basename(send(machine, "mallory", "bob", subject="broken"))
    tamper(machine, text.format(name=name))
    other = send(machine, "alice", "bob", subject="of another user")
    machine.start()
    machine.wait_for_mail("bob", "Subject: of another user")
    wait_for(lambda: os.path.basename(other) not in machine.drops(), what="the other message leaving drop/")
    machine.run(SENDMAIL, "-i", "bob", user="alice", input=b"Subject: and one more\n\n")
    machine.wait_for_mail("bob", "Subject: and one more")
    for user in ("alice", "bob", "mallory", "root"):
        assert "secret" not in machine.mailbox(user)
    assert machine.text(SECRET) == "secret of root\n"
    log = machine.log()
    assert "crash" not in log and "helper-ended" not in log


def test_the_trace_shows_each_user_only_files_of_that_user(machine):
    rules = "secret@elsewhere.test\\n|/usr/bin/secret-program\\n"
    machine.shell(f"printf '{rules}' >/home/alice/.forward; chown alice /home/alice/.forward; chmod 755 /home/alice")
    for user in ("alice", "root"):
        told = machine.run(SENDMAIL, "-bt", "team", user=None if user == "root" else user, check=False).stdout
        assert b"/home/alice/.forward:2" in told and b"secret-program" in told
    told = machine.run(SENDMAIL, "-bt", "--json", "team", user="bob", check=False).stdout
    assert b"alias team" in told and b'"private"' in told
    assert b"secret-program" not in told and b".forward" not in told


# ---- with the programs of the machine

#: cron(8) with a single job, of alice, at once. It calls /usr/sbin/sendmail as the owner of the job.
CRON = """
for place in /run /var/spool/cron /etc/cron.d; do mount -t tmpfs -o mode=755 tmpfs $place; done
: >/etc/crontab
mkdir -m 1730 /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
printf '@reboot echo said by a job\\n' | crontab -u alice -
exec cron -f
"""


@pytest.mark.skipif(shutil.which("cron") is None, reason="NEEDS cron")
def test_cron_mails_the_output_of_a_job(machine):
    machine.start()
    cron = subprocess.Popen(machine.command("sh", "-c", CRON), stdin=subprocess.DEVNULL)
    try:
        text = machine.wait_for_mail("alice", "said by a job")
    finally:
        cron.kill()
        cron.wait()
    assert "Subject: Cron <alice@" in text and "\nFrom: root@host.test (Cron Daemon)\n" in text
    assert text.startswith("From alice@host.test ")
