"""Mail that comes in by SMTP or by sendmail is in the mailbox of its recipient, or goes to the relay host."""
import shutil
import smtplib
import subprocess

import pytest

from host import local_user, wait_for
from sink import Sink

MESSAGE = b"From: sender@example.org\r\nTo: you@host.test\r\nSubject: hello\r\n\r\nFirst line.\r\nFrom here on.\r\n.dot\r\n"


def test_mail_by_smtp_arrives(host):
    host.start()
    user = local_user()
    with host.smtp() as client:
        refused = client.sendmail("sender@example.org", [f"{user}@host.test"], MESSAGE)
    assert refused == {}
    box = host.wait_for_mail(user, b"Subject: hello")
    assert box.startswith(b"From sender@example.org ")
    assert b"\nReturn-Path: <sender@example.org>\n" in box
    assert f"\nDelivered-To: {user}@host.test\n".encode() in box
    assert b"\n>From here on.\n.dot\n" in box
    assert box.endswith(b"\n\n")
    assert host.spool_files() == []


def test_mail_by_sendmail_arrives_at_once(host):
    host.start()
    user = local_user()
    done = host.run("sendmail", "-t", input=f"To: {user}\nSubject: local\n\nbody\n".encode(), check=True)
    assert done.stdout == b"" and done.stderr == b""
    box = host.wait_for_mail(user, b"Subject: local")
    assert b"\nMessage-ID: <" in box and b"\nDate: " in box and b"\nFrom: " in box
    host.wait_for_empty_queue()


def test_mail_by_sendmail_waits_for_the_daemon(host):
    host.start()
    host.stop()
    user = local_user()
    host.run("sendmail", "-i", user, input=b"Subject: waits\n\nbody\n", check=True)
    assert host.mailbox(user) == b""
    assert len(host.spool_files()) == 1
    host.start()
    host.wait_for_mail(user, b"Subject: waits")
    host.wait_for_empty_queue()


def test_a_queue_run_delivers_without_a_daemon(host):
    host.start()
    host.stop()
    user = local_user()
    host.run("sendmail", "-i", user, input=b"Subject: waits\n\nbody\n", check=True)
    assert host.run("runq").returncode == 0
    host.wait_for_mail(user, b"Subject: waits")
    host.wait_for_empty_queue()


def test_mail_to_an_alias_arrives(host):
    user = local_user()
    host.write_aliases(f"team: {user}, team@elsewhere.invalid\nboss: {user}\n")
    assert b"2 aliases" in host.run("newaliases", check=True).stdout
    host.start()
    with host.smtp() as client:
        client.sendmail("a@example.org", ["Boss@host.test"], b"Subject: by alias\r\n\r\n")
    host.wait_for_mail(user, b"Subject: by alias")


def test_an_unknown_user_is_refused_at_rcpt(host):
    host.start()
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@example.org")
        code, text = client.rcpt("nobody-here@host.test")
        assert code == 550 and text.startswith(b"5.1.1")


def test_sendmail_reports_an_unknown_user(host):
    host.start()
    done = host.run("sendmail", "-i", "nobody-here", local_user(), input=b"Subject: half\n\n")
    assert done.returncode == 67
    assert b"nobody-here" in done.stderr
    host.wait_for_mail(local_user(), b"Subject: half")


def test_mailq_lists_the_queue(host):
    host.start()
    assert host.run("mailq", check=True).stdout == b"Mail queue is empty\n"
    with host.smtp() as client:
        client.sendmail("a@example.org", ["x@unreachable.test"], b"Subject: waits\r\n\r\n")
    queued = host.queue()
    assert [r["address"] for r in queued[0]["recipients"]] == ["x@unreachable.test"]
    assert queued[0]["sender"] == "a@example.org"


@pytest.mark.parametrize("address", ["postmaster", "POSTMASTER@host.test"])
def test_postmaster_always_exists(host, address):
    host.write_aliases(f"root: {local_user()}\n")
    host.start()
    with host.smtp() as client:
        client.ehlo()
        client.mail("<>")
        assert client.docmd("RCPT", f"TO:<{address}>")[0] == 250


def test_an_address_with_a_route_in_its_local_part_is_refused(host):
    """Also from the loopback interface, which may relay."""
    host.start()
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@example.org")
        assert client.docmd("RCPT", "TO:<user%elsewhere.test@host.test>")[0] == 550
        assert client.docmd("RCPT", "TO:<elsewhere.test!user@host.test>")[0] == 550


def test_a_message_to_many_recipients_arrives(host):
    host.start()
    user = local_user()
    host.write_aliases("".join(f"n{i}: {user}\n" for i in range(50)))
    with host.smtp() as client:
        client.sendmail("a@example.org", [f"n{i}@host.test" for i in range(50)], b"Subject: once\r\n\r\n")
    box = host.wait_for_mail(user, b"Subject: once")
    assert box.count(b"Subject: once") == 1


def test_a_message_above_the_size_limit_is_refused(host):
    host.write_config(size="10k")
    host.start()
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            client.sendmail("a@example.org", [local_user()], b"Subject: big\r\n\r\n" + b"x" * 70 * 1000)
        assert refused.value.smtp_code == 552


def test_a_mailbox_above_its_limit_takes_no_mail(host):
    """A message that does not fit waits, the sender gets the reason at RCPT, and all arrives once there is space."""
    host.write_config(mailbox_size="20k", retry="1s")
    host.start()
    user = local_user()
    big = MESSAGE.replace(b"hello", b"big") + (b"x" * 68 + b"\r\n") * 250
    with host.smtp() as client:
        client.sendmail("a@example.org", [user], MESSAGE)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", [user], big + big)
        assert (refused.value.smtp_code, refused.value.smtp_error) == (452, f"4.2.2 The mailbox is full".encode())
        client.sendmail("a@example.org", [user], big)
    path = host.mailbox_path(user)
    before = host.mailbox(user)
    with open(path, "ab") as file:
        file.write(b"x" * 20480)
    with host.smtp() as client:
        client.mail("a@example.org")
        assert client.rcpt(user) == (452, f"4.2.2 The mailbox is full".encode())
    assert f"452 4.2.2 The mailbox is full" in host.run("sendmail", "-bt", user).stdout.decode()
    host.run("sendmail", user, input=b"Subject: later\n\nbody\n", check=True)
    wait_for(lambda: [m for m in host.queue() if m["queue_name"] == "deferred"], what="a message that waits in the queue")
    with open(path, "wb") as file:
        file.write(b"")
    host.run("runq")
    host.wait_for_mail(user, b"Subject: later")
    assert before.count(b"Subject: ") == 2


@pytest.mark.parametrize("forward_all", ["0", "1"])
def test_the_relay_host_gets_mail_for_domains_without_dns(host, forward_all):
    with Sink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", forward_all=forward_all)
        host.start()
        host.run("sendmail", "you@unknown.invalid", input=b"Subject: hello\n\n", check=True)
        wait_for(lambda: sink.messages, what="delivery to the sink")
        assert sink.messages[0][1] == ("you@unknown.invalid",)


@pytest.mark.skipif(shutil.which("swaks") is None, reason="NEEDS swaks")
def test_mail_by_swaks_arrives(host):
    host.start()
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(host.port), "--helo", "swaks.test", "--pipeline",
         "--from", "a@example.org", "--to", local_user(), "--header", "Subject: by swaks", "--body", ".\n..\nFrom here\n"],
        capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    box = host.wait_for_mail(local_user(), b"Subject: by swaks")
    assert b"\n.\n..\n>From here\n" in box
