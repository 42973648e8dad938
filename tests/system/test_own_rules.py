"""Everyone's own rules: what a user's .forward asks for is done, with the user's rights and no others."""
import os
import smtplib
import stat
import subprocess

import pytest

from homes import clear_homes, content, home_file
from host import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: accounts of its own")
LONG = b"A message that does not fit into memory.\n" * 2000
TEXT = b"From: sender@example.org\r\nSubject: %s\r\n\r\nFrom here on\r\nthe end\r\n"


@pytest.fixture(autouse=True)
def clean_homes():
    yield
    clear_homes()


def send(host, to, subject=b"hello", sender="sender@example.org"):
    with host.smtp() as client:
        return client.sendmail(sender, to if isinstance(to, list) else [to], TEXT % subject)


def refusal(host, to):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(host, to)
    return next(iter(refused.value.recipients.values()))


def mailq(host):
    return host.run("mailq", check=True).stdout


def waits(host, path, text):
    return wait_for(lambda: text in content(path) and content(path), 20,
                    lambda: f"{text!r} in {path}: {content(path)!r}\n{host.log_text()[-3000:]}")


def test_forward_to_others_and_a_copy(host):
    home_file("alice", ".forward", "# my rules\nbob,\n\\alice\n")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_mail("bob", b"Subject: hello")
    host.wait_for_mail("alice", b"Subject: hello")


def test_a_private_home_is_read_with_its_owners_rights(host):
    os.chmod("/home/alice", 0o700)
    home_file("alice", ".forward", "bob\n")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_mail("bob", b"Subject: hello")
    assert host.mailbox("alice") == b""


def test_who_leads_nowhere_is_refused_at_rcpt(host):
    os.chmod("/home/alice", 0o700)
    home_file("alice", ".forward", "nobody-of-that-name\n")
    host.start()
    code, text = refusal(host, "alice@host.test")
    assert code == 550 and b"5.1.1" in text


def test_a_loop_of_users_is_refused(host):
    home_file("alice", ".forward", "bob\n")
    home_file("bob", ".forward", "alice\n")
    host.start()
    code, text = refusal(host, "alice@host.test")
    assert code == 550 and b"5.4.6" in text and b"bob" not in text
    assert b"~alice->~bob->~alice" in host.run("sendmail", "-bt", "alice").stdout


def test_a_program_gets_the_message_as_its_user(host):
    home_file("alice", ".forward", '|(id -u; id -g; pwd; env; cat) > /home/alice/out.tmp && mv out.tmp out\n')
    host.start()
    send(host, "alice+lists@host.test")
    out = waits(host, "/home/alice/out", b"the end").decode()
    lines = out.splitlines()
    assert lines[:3] == ["7901", "7901", "/home/alice"]
    for line in ("SENDER=sender@example.org", "RECIPIENT=alice+lists@host.test", "EXTENSION=lists", "HOME=/home/alice",
                 "USER=alice", "LOGNAME=alice", "HOST=host.test", "LOCAL=alice+lists"):
        assert line in lines, out
    assert "\nFrom sender@example.org " in out and "\nReturn-Path: <sender@example.org>\n" in out
    assert "\n>From here on\n" in out
    assert os.stat("/home/alice/out").st_uid == 7901
    assert host.mailbox("alice") == b""
    host.wait_for_empty_queue()


@pytest.mark.parametrize("status, code", [(67, b"5.1.1"), (77, b"5.7.1"), (1, b"5.3.0"), (100, b"5.3.0")])
def test_a_program_that_says_no_bounces_with_its_words(host, status, code):
    home_file("alice", ".forward", f'"|echo this is why; exit {status}"\n')
    host.start()
    send(host, "alice@host.test", sender="bob@host.test")
    bounce = host.wait_for_mail("bob", b"delivery-status")
    assert b"this is why" in bounce and b"Status: " + code in bounce
    host.wait_for_empty_queue()


@pytest.mark.parametrize("command", ["exit 75", "exit 111", "kill -9 $$", "exec /nowhere/program", "exit 71"])
def test_a_program_that_cannot_now_is_asked_again(host, command):
    home_file("alice", ".forward", f"|{command}\n")
    host.start()
    send(host, "alice@host.test", sender="bob@host.test")
    wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")
    assert host.mailbox("bob") == b""
    home_file("alice", ".forward", "|cat > out\n")  # its owner mends it: the old command stands nowhere any more
    assert len([n for n in host.spool_files() if n.startswith("cm")]) == 1


def test_a_program_that_never_ends_is_ended(make_host):
    host = make_host("host", command_timeout="1s")
    home_file("alice", ".forward", "|echo $$ > pid; exec sleep 600\n")
    host.start()
    send(host, "alice@host.test")
    wait_for(lambda: "took too long" in host.log_text(), what="the end of patience")
    pid = int(content("/home/alice/pid"))
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "sleep" not in open(f"/proc/{pid}/cmdline").read(),
             what="the end of the program")


def test_a_program_holds_up_no_mailbox(host):
    home_file("alice", ".forward", "\\alice\n|sleep 3; exit 0\n")
    host.start()
    send(host, ["alice@host.test", "bob@host.test"])
    host.wait_for_mail("bob", b"Subject: hello", seconds=20)
    host.wait_for_mail("alice", b"Subject: hello")


def test_files_and_folders(host):
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
def test_a_file_that_others_could_have_written_is_not_believed(host, what):
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


def test_an_error_in_the_file_keeps_the_mail_waiting_at_its_sender(host):
    home_file("alice", ".forward", "bob\n:include:/etc/passwd\n")
    host.start()
    code, text = refusal(host, "alice@host.test")
    assert code == 451 and b"include" not in text, "strangers do not hear what is in the file"
    assert "line 2" in host.log_text()


def test_a_broken_file_holds_up_nobody_else_and_comes_into_its_own_once_mended(host):
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
    # What the sender asked to be told went along: that bob has it, and that alice's mail is sent on.
    actions = sorted(line for line in host.mailbox("Carol").split(b"\n") if line.startswith((b"Action:", b"Final-")))
    assert actions == [b"Action: delivered", b"Action: expanded", b"Final-Recipient: rfc822; alice@host.test",
                       b"Final-Recipient: rfc822; bob@host.test"], host.mailbox("Carol")


def test_a_home_that_its_owner_may_not_enter(host):
    """As where homes are hidden from the service: it is named, and plays no part where users have no delivery files."""
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


def test_mail_from_here_does_not_wait_for_a_broken_file_for_ever(host):
    home_file("alice", ".forward", ":include:/etc/passwd\n")
    host.write_config(qreturn="1s", retry="1s")
    host.start()
    host.run("sendmail", "-f", "bob@host.test", "alice@host.test", "mallory@host.test", input=b"Subject: hello\n\n", check=True)
    wait_for(lambda: host.run("runq", "-qf", check=True) and b"Subject: hello" in host.mailbox("mallory"), what=host.log_text)
    report = host.wait_for_mail("bob", b"alice@host.test", seconds=60)
    assert b"550 5.4.7 not delivered within 1s: 451 4.3.5" in b" ".join(report.split())


def test_root_runs_nothing(host):
    if os.path.exists("/root/.forward"):
        pytest.skip("root has a .forward here")
    # root's home is not the test's: its aliases are.
    host.write_aliases(f'prog: "|id > {host.folder}/was-run"\n')
    host.write_config(alias_user="root")
    done = host.run("smtpd", "-bC")
    assert done.returncode == 78 and b"never run as root" in done.stdout + done.stderr


def test_an_alias_runs_its_program_as_nobody(make_host, folder):
    out = os.path.join(folder, "out")
    os.mkdir(out)
    os.chmod(out, 0o777)
    host = make_host("host")
    host.write_aliases(f'prog: "|(id -un; cat) > {out}/t && mv {out}/t {out}/mail"\narchive: {out}/box\nvoid: /dev/null\n')
    host.start()
    send(host, ["prog@host.test", "archive@host.test", "void@host.test"])
    assert waits(host, f"{out}/mail", b"the end").startswith(b"nobody\n")
    waits(host, f"{out}/box", b"the end")
    assert stat.S_IMODE(os.stat(f"{out}/box").st_mode) == 0o600
    host.wait_for_empty_queue()


BRANCHES = """# the boss first
?other test "$SENDER" != boss@example.org
|cat > from-boss
?end
:other everybody else
|cat > from-others
:end
|cat > always
"""


def test_branches_decide_for_each_message(host):
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


def test_dot_qmail(make_host):
    host = make_host("host", delivery_files=".qmail", recipient_delimiter="-")
    home_file("alice", ".qmail", "./Mailbox\n")
    home_file("alice", ".qmail-lists-default", "|cat > default\n")
    home_file("alice", ".qmail-one:two", "|cat > onetwo\n")
    host.start()
    send(host, "alice@host.test")
    waits(host, "/home/alice/Mailbox", b"the end")
    send(host, "alice-lists-a-b@host.test", b"lists")
    waits(host, "/home/alice/default", b"Subject: lists")
    send(host, "alice-one.two@host.test", b"dots")
    waits(host, "/home/alice/onetwo", b"Subject: dots")
    code, text = refusal(host, "alice-unknown@host.test")
    assert code == 550 and b"5.1.1" in text


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
    """mess822's: 0 if To or Cc has one of the addresses, else 99."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/usr/local/bin"], check=True)
    with open("/usr/local/bin/iftocc", "w") as file:
        file.write('#!/bin/sh\nfor a; do grep -i "^\\(to\\|cc\\):.*$a" >/dev/null && exit 0; done\nexit 99\n')
    os.chmod("/usr/local/bin/iftocc", 0o755)
    yield
    subprocess.run(["umount", "--lazy", "/usr/local/bin"], check=True)


@pytest.mark.parametrize("name", [".qmail", ".forward"])
def test_the_example_of_qmail_branch(make_host, iftocc, name):
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


def test_dot_qmail_ends_at_99(make_host):
    host = make_host("host", delivery_files=".qmail")
    home_file("alice", ".qmail", "|cat > one; exit 99\n|touch two\n")
    host.start()
    send(host, "alice@host.test")
    waits(host, "/home/alice/one", b"the end")
    host.wait_for_empty_queue()
    assert not os.path.exists("/home/alice/two")


# ---- addresses that users make up

def test_an_address_that_a_user_lists_exists_and_leads_where_he_says(host):
    host.write_config(usermap=["*-~:~/.alias"])
    home_file("alice", ".alias", "Shop-Alice: alice\nclub-alice: bob, \\alice\n")
    os.chmod("/home/alice", 0o700)  # nobody else may look
    host.start()
    send(host, "SHOP-alice", b"from the shop")
    host.wait_for_mail("alice", b"from the shop")
    send(host, "club-alice@host.test", b"from the club")
    host.wait_for_mail("bob", b"from the club")
    host.wait_for_mail("alice", b"from the club")
    assert refusal(host, "other-alice") == (550, b"5.1.1 other-alice@host.test: no such user")
    home_file("alice", ".alias", "other-alice: alice\n")  # without a restart
    send(host, "other-alice", b"another one")
    host.wait_for_mail("alice", b"another one")
    assert refusal(host, "shop-alice")[0] == 550


def test_a_list_that_others_could_have_written_is_not_believed(host):
    host.write_config(usermap=["*-~:~/.alias"])
    home_file("alice", ".alias", "x-alice: mallory\n", owner="mallory")
    host.start()
    assert refusal(host, "x-alice")[0] == 550
    os.unlink("/home/alice/.alias")
    secret = home_file("bob", "secret", "x-alice: alice\n")
    os.symlink(secret, "/home/alice/.alias")
    assert refusal(host, "x-alice")[0] == 550
    os.unlink("/home/alice/.alias")
    os.mkfifo("/home/alice/.alias")
    assert refusal(host, "x-alice")[0] == 550


def test_the_trace_tells_of_a_list_to_its_owner_alone(host):
    host.write_config(usermap=["*-~:~/.alias"])
    home_file("alice", ".alias", "# mine\nx-alice: bob\n")
    shown = host.run("sendmail", "-bt", "x-alice").stdout
    assert b"x-alice -> bob (/home/alice/.alias:2)" in shown


def test_debug_lists_the_maps(host):
    host.write_config(usermap=["*-~:~/.alias,bounce", "x*:bob"], debug="1")
    host.start()
    with host.smtp() as client:
        told = client.docmd("DEBUG")[1]
    assert b"usermap: *-~:~/.alias,bounce" in told and b"usermap: x*:bob" in told


def test_an_account_that_shall_have_no_home_lacks_nothing(host):
    host.start()
    send(host, "nobody@host.test")
    host.wait_for_mail("nobody", b"Subject: hello")
    assert "delivery-file-ignored" not in host.log_text()
    assert b"not believed" not in host.run("sendmail", "-bt", "nobody").stdout


@pytest.mark.parametrize("list_of,keeper", [
    ("mixed: bob, gone, \\Carol\nowner-mixed: alice\n", "alice"),
    ("mixed: bob, gone, \\Carol\npostmaster: alice\n", "alice"),
    ("mixed: :include:FOLDER/list\nowner-mixed: alice\n", "alice")])
def test_a_member_that_leads_nowhere_is_reported(host, list_of, keeper):
    """To the people who can mend the list, and not to the sender, who may be forged."""
    with open(os.path.join(host.folder, "list"), "w") as file:
        file.write("bob\ngone\nCarol\n")
    host.write_aliases(list_of.replace("FOLDER", host.folder))
    host.start()
    with host.smtp() as client:
        client.sendmail("mallory@host.test", "mixed@host.test", "Subject: hello\r\n\r\nall\r\n")
    report = host.wait_for_mail(keeper, b"multipart/report")
    assert b"Final-Recipient: rfc822; gone@host.test" in report and b"gone@host.test: no such user" in report
    for user in ("bob", "Carol"):
        host.wait_for_mail(user, b"hello")
    host.wait_for_empty_queue()
    assert b"report" not in host.mailbox("mallory") + host.mailbox("bob")


def test_a_private_member_that_leads_nowhere_is_told_to_its_user(host):
    home_file("alice", ".forward", "\\alice, secret-name\n")
    host.start()
    with host.smtp() as client:
        client.sendmail("mallory@host.test", "alice@host.test", "Subject: hello\r\n\r\nall\r\n")
    assert b"Final-Recipient: rfc822; secret-name@host.test" in host.wait_for_mail("alice", b"multipart/report")
    host.wait_for_empty_queue()
    assert host.mailbox("alice").count(b"multipart/report") == 1, "no report on a report"
    assert b"report" not in host.mailbox("mallory")


def test_a_stranger_hears_nothing_of_a_private_file(host):
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
