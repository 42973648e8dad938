"""A .qmail file does what dot-qmail(5) and qmail-command(8) promise: exit codes, environment, the account alias,
owners of lists."""
import os
import re

import pytest

from conftest import needs_root
from homes import clean_homes, home_file  # noqa: F401
from host import wait_for

pytestmark = needs_root


@pytest.fixture
def host(make_host):
    return make_host("host", delivery_files=".qmail", recipient_delimiter="-")


def send(host, to, sender="bob@host.test", subject="hello"):
    with host.smtp() as client:
        client.sendmail(sender, [to], f"Subject: {subject}\r\n\r\nFrom here\r\n".encode())


def output(host, user, name="out"):
    path = f"/home/{user}/{name}"
    return wait_for(lambda: os.path.exists(path) and open(path).read(), what=host.log_text)


@pytest.mark.parametrize("code", [64, 65, 70, 76, 77, 78, 100, 112])
def test_an_exit_code_for_a_hard_error_fails_the_delivery(host, code):
    home_file("alice", ".qmail", f"|echo this is why; exit {code}\n")
    host.start()
    send(host, "alice@host.test")
    assert b"this is why" in host.wait_for_mail("bob", b"Action: failed")
    host.wait_for_empty_queue()


@pytest.mark.parametrize("code", [1, 67, 68, 69, 73, 111, 127])
def test_any_other_exit_code_defers_the_delivery(host, code):
    home_file("alice", ".qmail", f"|exit {code}\n")
    host.start()
    send(host, "alice@host.test")
    wait_for(lambda: " deferred to=<alice@host.test> " in host.log_text(), what=host.log_text)
    assert host.mailbox("bob") == b""


def test_exit_code_99_stops_and_0_goes_on(host):
    home_file("alice", ".qmail", "|cat >one\n|cat >two; exit 99\n|touch three\n")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_empty_queue()
    assert sorted(os.listdir("/home/alice")) == [".qmail", "one", "two"]


def test_a_program_gets_the_message_and_its_first_lines_in_the_environment(host):
    home_file("alice", ".qmail-list-default", "|env -0 >env; cat >message; mv message out\n")
    host.start()
    send(host, "alice-List-One.Two-x-y@host.test", sender="some.one@a.b.example.org")
    message = output(host, "alice")
    assert message.startswith("Received: ") and "\nFrom here\n" in message and "Delivered-To:" not in message
    found = dict(entry.split("=", 1) for entry in output(host, "alice", "env").split("\0") if entry)
    line = found.pop("UFLINE")
    assert re.fullmatch(r"From some\.one@a\.b\.example\.org \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n", line), line
    expected = {
        "SENDER": "some.one@a.b.example.org", "NEWSENDER": "some.one@a.b.example.org",
        "RECIPIENT": "alice-List-One.Two-x-y@host.test", "LOCAL": "alice-List-One.Two-x-y", "HOST": "host.test",
        "HOST2": "host", "HOST3": "host", "HOST4": "host", "USER": "alice", "HOME": "/home/alice",
        "EXT": "List-One.Two-x-y", "EXT2": "One.Two-x-y", "EXT3": "x-y", "EXT4": "y", "DEFAULT": "One.Two-x-y",
        "RPLINE": "Return-Path: <some.one@a.b.example.org>\n",
        "DTLINE": "Delivered-To: alice-List-One.Two-x-y@host.test\n"}
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("file, extension, default", [(".qmail-default", "a-b", "a-b"), (".qmail-a-b", "a-b", None),
                                                      (".qmail-a-default", "a-default", "default")])
def test_default_is_the_part_that_the_file_name_leaves_open(host, file, extension, default):
    home_file("alice", file, "|echo \"${DEFAULT-unset}\" >out\n")
    host.start()
    send(host, f"alice-{extension}@host.test")
    assert output(host, "alice") == (default or "unset") + "\n"


def test_names_without_account_belong_to_the_account_alias(host):
    home_file("alias", ".qmail-info", "./info\n")
    home_file("alias", ".qmail-team-default", "|echo $LOCAL $EXT $DEFAULT >out\n")
    home_file("alias", ".forward", "bob\n")
    host.start()
    send(host, "info@host.test")
    assert "Subject: hello\n" in output(host, "alias", "info")
    send(host, "Team-One@host.test")
    assert output(host, "alias") == "Team-One Team-One One\n"
    replies = host.dialogue("HELO x", "MAIL FROM:<a@example.org>", "RCPT TO:<nobody-at-all@host.test>",
                            "RCPT TO:<alice-x@host.test>")
    assert [reply[:9] for reply in replies[3:]] == ["550 5.1.1", "550 5.1.1"]


def test_without_qmail_files_the_account_alias_owns_no_names(make_host):
    host = make_host("host", recipient_delimiter="-")
    home_file("alias", ".qmail-info", "./info\n")
    host.start()
    replies = host.dialogue("HELO x", "MAIL FROM:<a@example.org>", "RCPT TO:<info@host.test>")
    assert replies[3].startswith("550 5.1.1")


OWNERS = [([], "sender@example.org", ["sender@example.org"]),
          ([".qmail-team-owner"], "sender@example.org", ["LOCAL-owner@host.test"]),
          ([".qmail-team-owner", ".qmail-team-owner-default"], "sender@example.org",
           ["LOCAL-owner-alice=host.test@host.test", "LOCAL-owner-bob=host.test@host.test"]),
          ([".qmail-team-owner", ".qmail-team-owner-default"], "", [""])]


@pytest.mark.parametrize("with_program", [False, True])
@pytest.mark.parametrize("user, local", [("alias", "team"), ("bob", "bob-team")])
@pytest.mark.parametrize("files, sender, expected", OWNERS)
def test_a_list_with_an_owner_has_the_owner_as_sender(host, files, sender, expected, user, local, with_program):
    home_file(user, ".qmail-team", ("|true\n" if with_program else "") + "&alice@host.test\n&bob@host.test\n")
    for name in files:
        home_file(user, name, "./owner\n")
    host.start()
    host.permit_submission()
    send(host, f"{local}@host.test", sender=sender)
    if with_program:
        wait_for(lambda: " finished " in host.log_text(), what=host.log_text)
        host.run("runq")  # which that sendmail cannot trigger here
    boxes = [host.wait_for_mail(name, b"Subject: hello") for name in ("alice", "bob")]
    senders = [re.search(rb"^Return-Path: <(.*)>$", box, re.M)[1].decode() for box in boxes]
    assert sorted(set(senders)) == [one.replace("LOCAL", local) for one in expected]


def test_the_sender_of_forwarded_mail_is_in_the_environment(host):
    for name in (".qmail-team-owner", ".qmail-team-owner-default"):
        home_file("alice", name, "./owner\n")
    home_file("alice", ".qmail-team", "|echo $NEWSENDER >out\n")
    host.start()
    send(host, "alice-team@host.test")
    assert output(host, "alice") == "alice-team-owner-@host.test-@[]\n"


def test_an_account_with_a_hyphen_has_extensions(host):
    home_file("web-data", ".qmail-a-default", "|echo $EXT $DEFAULT >out\n")
    host.start()
    send(host, "web-data-a-b@host.test")
    assert output(host, "web-data") == "a-b b\n"


def test_the_extension_chooses_the_file(host):
    home_file("alice", ".qmail", "./Mailbox\n")
    home_file("alice", ".qmail-lists-default", "|cat > default\n")
    home_file("alice", ".qmail-one:two", "|cat > onetwo\n")
    host.start()
    send(host, "alice@host.test")
    assert "From here" in output(host, "alice", "Mailbox")
    send(host, "alice-lists-a-b@host.test", subject="lists")
    assert "Subject: lists" in output(host, "alice", "default")
    send(host, "alice-one.two@host.test", subject="dots")
    assert "Subject: dots" in output(host, "alice", "onetwo")
    assert host.dialogue("HELO x", "MAIL FROM:<>", "RCPT TO:<alice-unknown@host.test>")[3].startswith("550 5.1.1")


def test_99_stops_without_an_extension_delimiter(make_host):
    host = make_host("host", delivery_files=".qmail")
    home_file("alice", ".qmail", "|cat > one; exit 99\n|touch two\n")
    host.start()
    send(host, "alice@host.test")
    host.wait_for_empty_queue()
    assert "From here" in output(host, "alice", "one")
    assert not os.path.exists("/home/alice/two")
