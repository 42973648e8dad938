"""A queued message follows what its address leads to now: a correction of an alias or delivery file takes effect, and
no destination gets the message twice."""
import os
import re

import pytest

from conftest import needs_root
from homes import clean_homes, content, home_file  # noqa: F401
from host import wait_for
from virtual import domains  # noqa: F401

pytestmark = needs_root


@pytest.fixture
def host(make_host, domains):
    """Retries each second; other hosts cannot be reached."""
    return make_host("host", retry="1s", relay_host="[127.0.0.1]:1", **domains.settings())


def send(host, *to, sender="carol@host.test", subject="hello"):
    host.run("sendmail", "-f", sender, *to, input=f"Subject: {subject}\n\nx\n".encode(), check=True)


def wait_until_deferred(host, count=1):
    wait_for(lambda: host.log_text().count(" deferred to=") >= count, what=host.log_text)


def start_and_defer(host, *to):
    """Starts the host; a message for these recipients is in its queue afterwards."""
    host.start()
    send(host, *to)
    wait_until_deferred(host)


def copies(host, user, subject="hello"):
    return host.mailbox(user).count(f"Subject: {subject}\n".encode())


def test_a_corrected_command_gets_the_message(host):
    home_file("alice", ".forward", "|exit 75\n")
    start_and_defer(host, "alice@host.test")
    home_file("alice", ".forward", "|cat >got\n")
    host.wait_for_empty_queue()
    assert b"Subject: hello\n" in content("/home/alice/got")
    assert copies(host, "alice") == 0


def test_an_address_that_replaces_a_command_gets_the_message(host):
    home_file("alice", ".forward", "|exit 75\n")
    start_and_defer(host, "alice@host.test")
    home_file("alice", ".forward", "bob, mallory\n")
    host.wait_for_empty_queue()
    assert (copies(host, "alice"), copies(host, "bob"), copies(host, "mallory")) == (0, 1, 1)
    assert re.search(r"rerouted to=<alice@host.test> target=.*exit.75.* new-target=.*bob, mallory", host.log_text())


def test_the_mailbox_gets_the_message_when_the_delivery_file_is_removed(host):
    path = home_file("alice", ".forward", "|exit 75\n")
    start_and_defer(host, "alice@host.test")
    os.unlink(path)
    host.wait_for_empty_queue()
    assert copies(host, "alice") == 1


def test_a_corrected_file_with_branches_is_followed(host):
    home_file("alice", ".forward", "?end true\n|exit 75\n:end\n")
    start_and_defer(host, "alice@host.test")
    home_file("alice", ".forward", "bob\n")
    host.wait_for_empty_queue()
    assert (copies(host, "alice"), copies(host, "bob")) == (0, 1)


def test_a_corrected_dot_qmail_is_followed(host):
    host.write_config(delivery_files=".qmail")
    home_file("alice", ".qmail-list", "|exit 111\n")
    start_and_defer(host, "alice+list@host.test")
    home_file("alice", ".qmail-list", "&bob@host.test\n./got\n")
    host.wait_for_empty_queue()
    assert copies(host, "bob") == 1 and b"Subject: hello\n" in content("/home/alice/got")


@pytest.mark.parametrize("wrong", ["|exit 75", "friend@elsewhere.test"])
def test_a_corrected_alias_is_followed(host, wrong):
    host.write_aliases(f"info: {wrong}\n")
    start_and_defer(host, "info@host.test")
    host.write_aliases("info: bob\n")
    host.wait_for_empty_queue()
    assert copies(host, "bob") == 1 and copies(host, "Carol") == 0


def test_the_sender_gets_a_report_when_the_alias_is_removed(host):
    host.write_aliases("info: |exit 75\n")
    start_and_defer(host, "info@host.test")
    host.write_aliases("")
    report = host.wait_for_mail("Carol", b"delivery-status")
    assert b"Status: 5.1.1" in report and b"info@host.test" in report
    host.wait_for_empty_queue()


def test_a_corrected_alias_of_a_virtual_domain_is_followed(host, domains):
    domains.add("own.test", "alice", ["vera"], "info: |exit 75\n")
    start_and_defer(host, "info@own.test")
    domains.write("own.test", "aliases", "info: vera\n")
    host.wait_for_empty_queue()
    assert domains.mailbox("vera", "own.test").count(b"Subject: hello\n") == 1


@pytest.mark.parametrize("what, status", [("user", b"5.1.1"), ("domain", b"5.2.1")])
def test_the_sender_gets_a_report_when_a_virtual_user_or_domain_is_removed(host, domains, what, status):
    domains.add("own.test", "alice", ["vera"])
    host.start()
    send(host, "vera@own.test", subject="first")
    wait_for(lambda: domains.mailbox("vera", "own.test"), what=host.log_text)
    path = domains.mailbox_path("vera", "own.test")
    os.rename(path, path + ".old")
    os.mkdir(path)  # not a mailbox, so the delivery is deferred
    send(host, "vera@own.test")
    wait_until_deferred(host)
    if what == "user":
        domains.write("own.test", "passwd", "")
    else:
        domains.set("own.test", "alice", active="0")
    assert b"Status: " + status in host.wait_for_mail("Carol", b"delivery-status")
    host.wait_for_empty_queue()


def test_a_corrected_usermap_is_followed(host):
    host.write_config(usermap="*-~:~/.addresses")
    home_file("alice", ".addresses", "shop-alice: alice+slow\n")
    home_file("alice", ".forward+slow", "|exit 75\n")
    start_and_defer(host, "shop-alice@host.test")
    home_file("alice", ".addresses", "shop-alice: bob\n")
    host.wait_for_empty_queue()
    assert copies(host, "bob") == 1


def test_a_domain_that_becomes_local_is_delivered_here(host):
    start_and_defer(host, "bob@new.test")
    host.write_config(local_domain="new.test")
    host.reload()
    host.wait_for_empty_queue()
    assert copies(host, "bob") == 1


def test_a_member_that_has_the_message_gets_no_copy_when_the_list_changes(host, folder):
    def members(text):
        with open(f"{folder}/members", "w") as file:
            file.write(text)
    members("bob\nfriend@elsewhere.test\n")
    host.write_aliases(f"team: :include:{folder}/members\n")
    host.start()
    send(host, "team@host.test")
    host.wait_for_mail("bob", b"Subject: hello")
    wait_until_deferred(host)
    members("bob\nmallory\n")
    host.wait_for_empty_queue()
    assert (copies(host, "bob"), copies(host, "mallory"), copies(host, "Carol")) == (1, 1, 0)


def test_a_new_member_of_a_list_gets_no_queued_mail(host):
    host.write_aliases("team: bob, friend@elsewhere.test\n")
    start_and_defer(host, "team@host.test")
    host.write_aliases("team: bob, friend@elsewhere.test, mallory\n")
    wait_until_deferred(host, 3)
    host.write_aliases("team: bob\n")
    host.wait_for_empty_queue()
    assert (copies(host, "bob"), copies(host, "mallory"), copies(host, "Carol")) == (1, 0, 0)


def test_a_recipient_delivered_before_queueing_is_not_delivered_again(host):
    """All recipients are mailboxes here; those that can take the message have it before the rest is queued."""
    os.mkdir(host.mailbox_path("mallory"))
    host.write_aliases("team: bob, mallory\nmore: bob, alice\n")
    host.start()
    with host.smtp() as client:
        client.sendmail("carol@host.test", ["team@host.test"], b"Subject: hello\r\n\r\nx\r\n")
    host.wait_for_mail("bob", b"Subject: hello")
    wait_until_deferred(host, 2)
    host.write_aliases("team: bob, alice\n")
    host.wait_for_empty_queue()
    assert (copies(host, "bob"), copies(host, "alice")) == (1, 1)


def test_a_destination_that_has_the_message_stays_done(host):
    home_file("alice", ".forward", "|cat >>one\n|exit 75\n")
    start_and_defer(host, "alice@host.test")
    wait_for(lambda: content("/home/alice/one"), what=host.log_text)
    home_file("alice", ".forward", "|cat >>one\n|cat >>two\n")
    host.wait_for_empty_queue()
    assert [content(f"/home/alice/{name}").count(b"Subject: hello\n") for name in ("one", "two")] == [1, 1]


def test_a_changed_list_with_an_owner_is_followed(host):
    """Two messages are queued, with a sender each; neither delivers for the other."""
    host.write_aliases("owner-team: carol\nteam: bob, friend@elsewhere.test\nall: team, other@elsewhere.test\n")
    host.start()
    send(host, "all@host.test", sender="alice@host.test")
    host.wait_for_mail("bob", b"Subject: hello")
    wait_until_deferred(host, 2)
    host.write_aliases("owner-team: carol\nteam: bob, mallory\nall: team, other@elsewhere.test\n")
    wait_for(lambda: copies(host, "mallory") == 1, what=host.log_text)
    host.write_aliases("owner-team: carol\nteam: bob, mallory\nall: team\n")
    host.wait_for_empty_queue()
    assert (copies(host, "bob"), copies(host, "mallory")) == (1, 1)
    assert b"Return-Path: <owner-team@host.test>" in host.mailbox("mallory")


@pytest.mark.parametrize("tried_before", [True, False])
def test_a_destination_in_a_journal_gives_no_rights(host, tried_before):
    home_file("alice", ".forward", "|exit 75\n")
    start_and_defer(host, "alice@host.test")
    host.stop()
    path, = host.paths_in_spool("cm")
    text = content(path).decode().replace("|exit\\x2075", "|touch\\x20forged")
    assert "|touch\\x20forged" in text
    if not tried_before:
        text = text[:text.index("end of message\n")] + "end of message\n"
    with open(path, "w") as file:
        file.write(text)
    os.utime(path, (0, 0))
    home_file("alice", ".forward", "|cat >got\n")
    host.start()
    host.wait_for_empty_queue()
    assert os.listdir("/home/alice").count("forged") == 0
    assert content("/home/alice/got").count(b"Subject: hello\n") == 1
