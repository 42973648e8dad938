"""The .forward file of a user decides where mail for the user goes, with the rights of the user, and an error in it
delays only mail for that user."""
import os

import pytest

from conftest import needs_root
from delivery_file_mail import refusal, send, waits
from homes import clean_homes, home_file  # noqa: F401
from host import wait_for

pytestmark = needs_root
LONG = b"A message that does not fit into memory.\n" * 2000


def mailq(host):
    return host.run("mailq", check=True).stdout


def test_a_user_forwards_and_keeps_a_copy(host):
    home_file("alice", ".forward", "# my rules\nbob,\n\\alice\n")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_mail("bob", b"Subject: hello")
    host.wait_for_mail("alice", b"Subject: hello")


def test_a_private_home_is_read_with_the_rights_of_its_owner(host):
    os.chmod("/home/alice", 0o700)
    home_file("alice", ".forward", "bob\n")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_mail("bob", b"Subject: hello")
    assert host.mailbox("alice") == b""


def test_a_user_that_forwards_to_an_unknown_user_is_refused_at_rcpt(host):
    os.chmod("/home/alice", 0o700)
    home_file("alice", ".forward", "nobody-of-that-name\n")
    host.start()
    code, text = refusal(host, "alice@host.test")
    assert code == 550 and b"5.1.1" in text


def test_a_loop_of_users_is_refused_at_rcpt(host):
    home_file("alice", ".forward", "bob\n")
    home_file("bob", ".forward", "alice\n")
    host.start()
    code, text = refusal(host, "alice@host.test")
    assert code == 550 and b"5.4.6" in text and b"bob" not in text
    assert b"~alice->~bob->~alice" in host.run("sendmail", "-bt", "alice").stdout


def test_a_user_delivers_into_files_and_folders(host):
    home_file("alice", ".forward", "/home/alice/copy, /home/alice/Folder/\n/dev/null\n")
    host.start()
    send(host, "alice@host.test")
    box = waits(host, "/home/alice/copy", b"the end")
    assert box.startswith(b"From sender@example.org ") and b"\n>From here on\n" in box
    new = wait_for(lambda: os.path.isdir("/home/alice/Folder/new") and os.listdir("/home/alice/Folder/new"))
    assert len(new) == 1
    assert os.stat("/home/alice/copy").st_uid == 7901


def test_the_extension_chooses_the_file(host):
    home_file("alice", ".forward", "|cat > plain\n")
    home_file("alice", ".forward+lists", "|cat > lists\n")
    host.start()
    send(host, "alice+lists@host.test", b"one")
    waits(host, "/home/alice/lists", b"Subject: one")
    send(host, "alice+other@host.test", b"two")
    waits(host, "/home/alice/plain", b"Subject: two")
    send(host, "bob+anything@host.test", b"three")
    host.wait_for_mail("bob", b"Subject: three")


@pytest.mark.parametrize("what", ["world-writable file", "group-writable file", "another's file", "link", "fifo",
                                  "world-writable home", "two names"])
def test_a_file_that_others_can_write_is_ignored(host, what):
    path = home_file("alice", ".forward", "|touch /home/alice/was-run\nmallory\n",
                 owner="mallory" if what == "another's file" else "alice")
    if what == "world-writable file":
        os.chmod(path, 0o666)
    elif what == "group-writable file":
        os.chmod(path, 0o660)
    elif what == "link":
        os.rename(path, path + ".real")
        os.symlink(path + ".real", path)
    elif what == "fifo":
        os.unlink(path)
        os.mkfifo(path, 0o600)
        os.chown(path, 7901, 7901)
    elif what == "world-writable home":
        os.chmod("/home/alice", 0o777)
    elif what == "two names":
        os.link(path, "/home/alice/second")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_mail("alice", b"Subject: hello")
    assert not os.path.exists("/home/alice/was-run") and host.mailbox("mallory") == b""
    assert "delivery-file-ignored" in host.log_text()


def test_an_error_in_the_file_defers_the_mail_at_rcpt(host):
    home_file("alice", ".forward", "bob\n:include:/etc/passwd\n")
    host.start()
    code, text = refusal(host, "alice@host.test")
    assert code == 451 and b"include" not in text, "the reply does not disclose the file"
    assert "line 2" in host.log_text()


def test_an_error_in_the_file_delays_only_its_user_until_it_is_corrected(host):
    home_file("alice", ".forward", ":include:/etc/passwd\n")
    host.start()
    host.run("sendmail", "-N", "success", "-f", "Carol@host.test", "alice@host.test", "bob@host.test",
             input=b"Subject: hello\n\n" + LONG, check=True)
    host.wait_for_mail("bob", b"Subject: hello")
    wait_for(lambda: " deferred to=<alice@host.test> " in host.log_text(), what=host.log_text)
    # The mailbox has a message before the journal says so.
    wait_for(lambda: (told := mailq(host)) and b"451 4.3.5" in told and b"bob@host.test" not in told, what=lambda: mailq(host))
    assert b"alice@host.test" in mailq(host)
    home_file("alice", ".forward", "bob\nmallory\n")
    host.run("runq", "-qf", check=True)
    assert LONG in host.wait_for_mail("mallory", b"Subject: hello")
    host.wait_for_empty_queue()
    assert host.mailbox("bob").count(b"Subject: hello") == 2 and host.mailbox("alice") == b""
    # The request for success reports is kept: bob has the message, and alice's is forwarded.
    actions = sorted(line for line in host.mailbox("Carol").split(b"\n") if line.startswith((b"Action:", b"Final-")))
    assert actions == [b"Action: delivered", b"Action: expanded", b"Final-Recipient: rfc822; alice@host.test",
                       b"Final-Recipient: rfc822; bob@host.test"], host.mailbox("Carol")


def test_mail_is_deferred_if_the_owner_may_not_enter_the_home(host):
    """As where the unit hides homes from the service. Without delivery files it does not matter."""
    os.chmod("/home/alice", 0)
    host.start()
    assert refusal(host, "alice@host.test")[0] == 451
    assert 'reason="/home/alice/.forward: alice has no right to look there"' in host.log_text()
    host.write_config(delivery_files="")
    host.reload()
    send(host, "alice@host.test")
    host.wait_for_mail("alice", b"Subject: hello")


def test_a_report_waits_for_the_list_that_it_is_for(make_host, folder):
    """A failure is reported once, also if the list that the report is for cannot be read for now."""
    host = make_host("host")
    host.write_aliases(f"team: :include:{folder}/members\n")
    host.start()
    home_file("bob", ".forward", "|exit 67\n")
    host.run("sendmail", "-f", "team@host.test", "bob@host.test", input=b"Subject: hello\n\n", check=True)
    wait_for(lambda: " deferred to=<team@host.test> " in host.log_text(), what=host.log_text)
    with open(f"{folder}/members", "w") as file:
        file.write("alice\nmallory\n")
    # The runner may not have heard yet that the attempt is over: then a queue run leaves the report alone.
    wait_for(lambda: host.run("runq", "-qf", check=True) and b"Action: failed" in host.mailbox("mallory"), what=host.log_text)
    host.wait_for_mail("alice", b"Action: failed")
    host.wait_for_empty_queue()
    assert host.mailbox("mallory").count(b"Action: failed") == 1


def test_mail_for_a_file_with_an_error_is_returned_after_qreturn(host):
    home_file("alice", ".forward", ":include:/etc/passwd\n")
    host.write_config(qreturn="1s", retry="1s")
    host.start()
    host.run("sendmail", "-f", "bob@host.test", "alice@host.test", "mallory@host.test", input=b"Subject: hello\n\n", check=True)
    wait_for(lambda: host.run("runq", "-qf", check=True) and b"Subject: hello" in host.mailbox("mallory"), what=host.log_text)
    report = host.wait_for_mail("bob", b"alice@host.test", seconds=60)
    assert b"550 5.4.7 not delivered within 1s: 451 4.3.5" in b" ".join(report.split())


def test_an_account_without_a_home_gets_mail(host):
    host.start()
    send(host, "nobody@host.test")
    host.wait_for_mail("nobody", b"Subject: hello")
    assert "delivery-file-ignored" not in host.log_text()
    assert b"not believed" not in host.run("sendmail", "-bt", "nobody").stdout


@pytest.mark.parametrize("aliases,owner", [
    ("mixed: bob, gone, \\Carol\nowner-mixed: alice\n", "alice"),
    ("mixed: bob, gone, \\Carol\npostmaster: alice\n", "alice"),
    ("mixed: :include:FOLDER/list\nowner-mixed: alice\n", "alice")])
def test_an_unknown_member_of_a_list_is_reported_to_its_owner(host, aliases, owner):
    """Or to postmaster; not to the sender, whose address may be forged."""
    with open(os.path.join(host.folder, "list"), "w") as file:
        file.write("bob\ngone\nCarol\n")
    host.write_aliases(aliases.replace("FOLDER", host.folder))
    host.start()
    with host.smtp() as client:
        client.sendmail("mallory@host.test", "mixed@host.test", "Subject: hello\r\n\r\nall\r\n")
    report = host.wait_for_mail(owner, b"multipart/report")
    assert b"Final-Recipient: rfc822; gone@host.test" in report and b"gone@host.test: no such user" in report
    for user in ("bob", "Carol"):
        host.wait_for_mail(user, b"hello")
    host.wait_for_empty_queue()
    assert b"report" not in host.mailbox("mallory") + host.mailbox("bob")


def test_an_unknown_address_in_a_private_file_is_reported_to_its_user(host):
    home_file("alice", ".forward", "\\alice, secret-name\n")
    host.start()
    with host.smtp() as client:
        client.sendmail("mallory@host.test", "alice@host.test", "Subject: hello\r\n\r\nall\r\n")
    assert b"Final-Recipient: rfc822; secret-name@host.test" in host.wait_for_mail("alice", b"multipart/report")
    host.wait_for_empty_queue()
    assert host.mailbox("alice").count(b"multipart/report") == 1, "no report on a report"
    assert b"report" not in host.mailbox("mallory")


def test_a_reply_discloses_nothing_of_a_private_file(host):
    home_file("alice", ".forward", "secret-name\n")
    host.start()
    assert refusal(host, "alice") == (550, b"5.1.1 alice@host.test: leads nowhere")
    home_file("alice", ".forward", "bob\n")
    home_file("bob", ".forward", "alice\n")
    assert refusal(host, "alice") == (550, b"5.4.6 alice@host.test: an alias leads back to itself")
    home_file("bob", ".forward", "\\bob\n")
    host.write_config(mailbox_size="1k")
    host.reload()
    with open(host.mailbox_path("bob"), "w") as file:
        file.write("x" * 4096)
    os.chown(host.mailbox_path("bob"), 7902, 7902)
    assert refusal(host, "alice") == (452, b"4.2.2 The mailbox is full")
