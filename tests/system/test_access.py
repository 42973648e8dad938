"""A host accepts mail from a client only if the tables, lists and options that are about the client permit it;
clients have addresses and names of their own, and a real name server answers."""
import os
import pwd
import re

import pytest

from conftest import needs_libwrap, needs_root
from host import wait_for
from strangers import CLIENTS, all_strangers, strangers  # noqa: F401

pytestmark = needs_root


def ok(reply):
    return reply.startswith("250")


# -- hosts.allow and hosts.deny

@needs_libwrap
def test_a_denied_client_gets_the_reason_and_may_only_quit(strangers):
    strangers.tables.write(deny="smtp: good.test: setenv WHY we had too much from you\n")
    with strangers.talk("good") as talk:
        assert talk.greeting == ("554 5.7.1 host.test does not accept mail from good.test[192.0.2.10]"
                                 " because we had too much from you.")
        assert talk.say("EHLO good.test").startswith("503 5.5.1")
        assert talk.say("QUIT").startswith("221")
    assert ok(strangers.mail("listed"))
    log = strangers.host.log_text()
    assert "REJECT" in log and '"we had too much from you"' in log


@needs_libwrap
def test_a_denied_client_that_goes_on_is_disconnected(strangers):
    strangers.tables.write(deny="smtp: 192.0.2.10\n")
    with strangers.talk("good") as talk:
        assert talk.greeting == "554 5.7.1 host.test does not accept mail from good.test[192.0.2.10]."
        for _ in range(4):
            assert talk.say("MAIL FROM:<x@good.test>").startswith("503")
        assert talk.say("MAIL FROM:<x@good.test>").startswith("503")
        assert talk.reply().startswith("421")
        assert talk.reply() == ""


@needs_libwrap
def test_an_outlaw_is_refused_and_disconnected_at_once(strangers):
    strangers.configure(forbidden="accept")
    strangers.tables.write(deny="smtp: .test: setenv DENY we know you\n")
    with strangers.talk("good") as talk:
        assert talk.greeting.startswith("521 5.7.1")
        assert talk.greeting.endswith("because we know you.")
        assert talk.reply() == ""


@needs_libwrap
def test_the_tables_decide_as_tcpd_decides(strangers):
    strangers.tables.write(deny="ALL: ALL\n", allow="smtp: .test EXCEPT listed.test\n")
    assert ok(strangers.mail("good"))
    assert ok(strangers.mail("six"))
    assert strangers.mail("listed").startswith("554")
    assert strangers.mail("nameless").startswith("554")
    strangers.tables.write(deny="smtp: PARANOID, [2001:db8::]/32\n")
    assert strangers.mail("liar").startswith("554")
    assert strangers.mail("six").startswith("554")
    assert ok(strangers.mail("nameless"))


@needs_libwrap
def test_the_rule_for_one_client_does_not_affect_the_next(strangers):
    """A session process serves one client after the other."""
    strangers.tables.write(deny="smtp: liar.test, 192.0.2.12: setenv WHY of the liar: umask 0: nice 19\n"
                                "smtp: 192.0.2.11\n")
    for _ in range(3):
        for client, greeting in (("liar", "554"), ("nameless", "554"), ("good", "220")):
            with strangers.talk(client) as talk:
                assert talk.greeting.startswith(greeting)
                assert ("of the liar" in talk.greeting) == (client == "liar")
                talk.say("QUIT")
    # The umask of the rule would make this file writable by all.
    assert ok(strangers.mail("good", "x@good.test", "bob@host.test"))
    assert os.stat(strangers.host.mailbox_path("bob")).st_mode & 0o007 == 0


@needs_libwrap
def test_a_changed_table_counts_for_the_next_client(strangers):
    """Also in session processes that were started before the change."""
    for _ in range(2):
        strangers.tables.write()
        for _ in range(2):
            assert ok(strangers.mail("good"))
        strangers.tables.write(deny="smtp: good.test\n")
        for _ in range(2):
            assert strangers.mail("good").startswith("554")


@needs_libwrap
def test_rules_about_names_wait_for_dns(strangers):
    strangers.tables.write(deny="smtp: UNKNOWN\n")
    assert strangers.mail("nameless").startswith("554")
    with strangers.talk("unheard") as talk:
        assert talk.greeting.startswith("421 4.3.0")
        assert talk.reply() == ""


# -- forbidden

def messages(strangers, path, text):
    """The messages in the file that contain the text."""
    try:
        with open(path) as file:
            box = file.read()
    except FileNotFoundError:
        return []
    return [one for one in ("\n" + box).split("\nFrom ") if text in one]


@needs_libwrap
def test_mail_of_forbidden_hosts_can_be_accepted(strangers):
    strangers.tables.write(deny="smtp: good.test: setenv WHY no\n")
    strangers.configure(blacklist="accept")
    before = strangers.host.log_text().count("REJECT")
    assert ok(strangers.mail("good", "x@good.test", text="Subject: taken-all-the-same\n\n"))
    mine = messages(strangers, strangers.host.mailbox_path("bob"), "taken-all-the-same")
    assert len(mine) == 1 and "X-Spam" not in mine[0]
    log = strangers.host.log_text()
    assert log.count("REJECT") == before + 1
    # The line has the queue id, so one grep finds all lines about the message.
    name = re.search(r"\b(\w+): forbidden mark=REJECT client=good\.test.* from=<x@good\.test> .*action=accept", log)[1]
    assert re.search(rf"\b{name}: received .*client=good\.test", log)
    assert re.search(rf"\b{name}: delivered to=<bob@host\.test> .*client=good\.test\[192\.0\.2\.10\] .*user=bob", log)


@needs_libwrap
def test_mail_of_forbidden_hosts_can_go_to_a_folder_in_the_spool(strangers):
    strangers.tables.write(deny="smtp: good.test: setenv WHY you sell things.\n")
    strangers.configure(forbidden="folder:unwanted")
    assert ok(strangers.mail("good", "x@good.test", "bob@host.test", "alice@host.test",
                             text="Subject: to-the-folder\n\n"))
    for user in ("alice", "bob"):
        path = strangers.host.mailbox_path(user)
        assert messages(strangers, path, "to-the-folder") == []
        (mine,) = messages(strangers, f"{path}:unwanted", "to-the-folder")
        assert "\nX-Spam: host.test does not want mail from good.test[192.0.2.10] because you sell things\n" in mine
        assert os.stat(f"{path}:unwanted").st_uid == pwd.getpwnam(user).pw_uid
    assert ok(strangers.mail("listed", "x@listed.test", text="Subject: to-the-mailbox\n\n"))
    (mine,) = messages(strangers, strangers.host.mailbox_path("bob"), "to-the-mailbox")
    assert "X-Spam" not in mine


@needs_libwrap
def test_mail_of_forbidden_hosts_can_go_to_a_folder_in_the_home(strangers):
    strangers.tables.write(deny="smtp: good.test\n")
    strangers.configure(forbidden="file:~/unwanted")
    assert ok(strangers.mail("good", "x@good.test", text="Subject: to-the-home\n\n"))
    path = "/home/bob/unwanted"
    (mine,) = messages(strangers, path, "to-the-home")
    assert "\nX-Spam: host.test does not want mail from good.test[192.0.2.10]\n" in mine
    assert os.stat(path).st_uid == pwd.getpwnam("bob").pw_uid
    os.remove(path)


@needs_libwrap
def test_no_program_of_a_user_gets_mail_of_forbidden_hosts(strangers):
    """All of it goes to the folder."""
    proof, forward = "/home/bob/program-ran", "/home/bob/.forward"
    with open(forward, "w") as file:
        file.write(f"bob, \"|cat > {proof}\"\n")
    os.chmod(forward, 0o644)
    os.chmod("/home/bob", 0o755)
    try:
        strangers.tables.write(deny="smtp: good.test\n")
        strangers.configure(forbidden="folder:unwanted")
        assert ok(strangers.mail("good", "x@good.test", text="Subject: for-no-program\n\n"))
        assert len(messages(strangers, strangers.host.mailbox_path("bob") + ":unwanted", "for-no-program")) == 1
        assert not os.path.exists(proof)
        assert ok(strangers.mail("listed", "x@listed.test", text="Subject: for-the-program\n\n"))
        wait_for(lambda: os.path.exists(proof), what="the program")
        strangers.host.wait_for_empty_queue()
    finally:
        os.chmod("/home/bob", 0o750)
        for path in (forward, proof):
            if os.path.exists(path):
                os.remove(path)


@needs_libwrap
def test_the_queue_keeps_the_folder_and_only_mailboxes_have_one(strangers):
    strangers.host.write_aliases("both: bob, far@elsewhere.test\n")
    strangers.tables.write(deny="smtp: good.test: setenv WHY no\n")
    strangers.configure(forbidden="folder:queued")
    assert ok(strangers.mail("good", "x@good.test", "both@host.test", text="Subject: through-the-queue\n\n"))
    path = strangers.host.mailbox_path("bob")
    wait_for(lambda: messages(strangers, f"{path}:queued", "through-the-queue"), what="the folder")
    wait_for(lambda: [m for m in strangers.sink.messages if b"through-the-queue" in m[2]], what="the other host")
    (away,) = [m for m in strangers.sink.messages if b"through-the-queue" in m[2]]
    assert away[2].count(b"X-Spam: host.test does not want mail from") == 1
    assert messages(strangers, path, "through-the-queue") == []


# -- spam

def test_spam_is_refused_with_a_configured_reason(strangers):
    strangers.configure(dnsbl="bad.test", spam="bounce:see host.test/spam")
    assert strangers.mail("listed") == "554 5.7.1 host.test takes no mail from you: see host.test/spam"
    assert ok(strangers.mail("good"))


def test_accepted_spam_has_a_field_with_the_reason(strangers):
    strangers.host.write_aliases("both: bob, far@elsewhere.test\n")
    strangers.configure(dnsbl="bad.test", spam="accept")
    assert ok(strangers.mail("listed", "x@listed.test", "both@host.test", text="Subject: marked\n\n"))
    assert ok(strangers.mail("listed", "x@listed.test", text="X-Spam: another host\nSubject: marked-before\n\n"))
    assert ok(strangers.mail("good", "x@good.test", text="Subject: not-marked\n\n"))
    path = strangers.host.mailbox_path("bob")
    (marked,) = wait_for(lambda: messages(strangers, path, "Subject: marked\n"), what="the mail")
    assert "\nX-Spam: 192.0.2.13 is on bad.test" in marked
    (before,) = messages(strangers, path, "marked-before")
    assert "\nX-Spam-Original: another host\n" in before and "\nX-Spam: 192.0.2.13 is on bad.test" in before
    (good,) = messages(strangers, path, "not-marked")
    assert "X-Spam" not in good
    wait_for(lambda: [m for m in strangers.sink.messages if b"Subject: marked" in m[2]], what="the other host")
    (away,) = [m for m in strangers.sink.messages if b"Subject: marked" in m[2]]
    assert b"X-Spam: 192.0.2.13 is on bad.test" in away[2]
    log = strangers.host.log_text()
    assert re.search(r"\b(\w+): spam mark=SPAM client=listed\.test.* from=<x@listed\.test> .*action=accept", log), log


@pytest.mark.parametrize("option", [{"spam": "folder:~/junk"}, {"junkfolder": "~/junk"}], ids=["today", "old spelling"])
def test_spam_can_go_to_a_folder(strangers, option):
    strangers.configure(dnsbl="bad.test", **option)
    assert ok(strangers.mail("listed", "x@listed.test", text="Subject: to-the-junk\n\n"))
    try:
        (mine,) = messages(strangers, "/home/bob/junk", "to-the-junk")
        assert "\nX-Spam: 192.0.2.13 is on bad.test" in mine
        assert messages(strangers, strangers.host.mailbox_path("bob"), "to-the-junk") == []
    finally:
        if os.path.exists("/home/bob/junk"):
            os.remove("/home/bob/junk")


# -- names

def test_paranoid_requires_a_name(strangers):
    strangers.configure(paranoid=1)
    assert ok(strangers.mail("good"))
    assert ok(strangers.mail("liar"))
    assert strangers.mail("nameless").startswith("550 5.7.25")
    assert strangers.mail("unheard").startswith("450 4.7.25")


def test_dnscheck_requires_a_name_that_leads_back(strangers):
    strangers.configure(dnscheck=1)
    assert ok(strangers.mail("good"))
    assert ok(strangers.mail("six"))
    assert strangers.mail("liar").startswith("550 5.7.25")
    assert strangers.mail("nameless").startswith("550 5.7.25")
    assert strangers.mail("unheard").startswith("450 4.7.25")


def test_trusted_hosts_need_no_name(strangers):
    trusted = [f"[{CLIENTS['nameless']}]", f"[{CLIENTS['unheard']}]", "listed.test"]
    strangers.configure(dnscheck=1, trusted=trusted, dnsbl="bad.test")
    for client in ("nameless", "unheard", "listed"):
        assert ok(strangers.mail(client, "anybody@nowhere.test", "x@elsewhere.test")), client
    assert strangers.mail("good", "x@good.test", "x@elsewhere.test").startswith("550 5.7.1")


def test_a_trusted_name_must_be_true(strangers):
    strangers.configure(trusted=["liar.test", "good.test"])
    assert strangers.mail("liar", "x@good.test", "x@elsewhere.test").startswith("550 5.7.1")
    assert strangers.mail("unheard", "x@good.test", "x@elsewhere.test").startswith("451 4.4.3")
    assert ok(strangers.mail("unheard"))


def test_no_client_may_use_the_name_of_this_host_in_helo(strangers):
    strangers.configure(checkhelo=1)
    for name in ("host.test", "HOST.TEST", "[192.0.2.1]", "192.0.2.1", "[IPv6:2001:db8::1]"):
        with strangers.talk("good") as talk:
            assert talk.say(f"EHLO {name}").startswith("521 5.7.1"), name
            assert talk.say("EHLO good.test").startswith("503")
    assert ok(strangers.mail("good"))
    with strangers.host.smtp() as own:
        assert own.ehlo("host.test")[0] == 250


# -- DNS lists

def test_listed_hosts_are_refused_with_what_the_list_says(strangers):
    strangers.configure(dnsbl=["broken.test", "bad.test"])
    assert strangers.mail("listed") == ("554 5.7.1 host.test takes no mail from you: 192.0.2.13 is on bad.test:"
                                        " see bad.test about it")
    assert strangers.mail("six").startswith("554 5.7.1")
    assert ok(strangers.mail("good"))


def test_only_configured_answers_of_a_list_count(strangers):
    strangers.configure(dnsbl="bad.test=127.0.0.3,127.0.0.4")
    assert ok(strangers.mail("listed"))
    assert strangers.mail("six").startswith("554")


def test_a_whitelist_comes_before_a_blacklist(strangers):
    strangers.configure(dnsbl="bad.test", dnswl="fine.test")
    assert ok(strangers.mail("both"))
    assert strangers.mail("listed").startswith("554")
    strangers.configure(dnsbl="bad.test", dnswl="broken.test")
    assert strangers.mail("both").startswith("450 4.7.1")


# -- senders

@pytest.mark.parametrize("sender, reply", [
    ("x@good.test", "250"), ("x@elsewhere.test", "250"), ("", "250"), ("x@[192.0.2.10]", "250"),
    ("x@nowhere.test", "553 5.1.8"), ("x@bare.test", "553 5.1.8"), ("x@null.test", "550 5.7.27"),
    ("x@broken.test", "451 4.4.3"), ("bob@host.test", "550 5.7.1"), ("bob@localhost", "550 5.7.1"),
    ("bob@[192.0.2.1]", "550 5.7.1")])
def test_senders_are_verified(strangers, sender, reply):
    assert strangers.mail("good", sender).startswith(reply)


def test_verification_of_senders_can_be_switched_off(strangers):
    strangers.configure(verify_from=0)
    for sender in ("x@nowhere.test", "x@null.test", "x@broken.test", "bob@host.test"):
        assert ok(strangers.mail("good", sender)), sender


def test_local_clients_may_use_any_sender(strangers):
    with strangers.host.smtp() as own:
        assert own.sendmail("x@broken.test", ["bob@host.test"], "Subject: x\r\n\r\n") == {}


def test_mail_from_daemons_can_be_refused_but_not_sender_callbacks(strangers):
    strangers.configure(nodaemon=1)
    with strangers.talk("good") as talk:
        talk.say("EHLO good.test")
        assert ok(talk.say("MAIL FROM:<>"))
        assert ok(talk.say("RCPT TO:<bob@host.test>"))
        assert talk.say("DATA").startswith("550 5.7.1")
    assert ok(strangers.mail("good"))


def test_mail_that_is_marked_as_advertising(strangers):
    strangers.configure(no_soliciting="org.example:ADV")
    with strangers.talk("good") as talk:
        assert " NO-SOLICITING org.example:ADV " in talk.say("EHLO good.test")
    declared = strangers.mail("good", parameters=" SOLICIT=org.example:ADV")
    in_header = strangers.mail("good", text="Subject: x\nSolicitation: org.example:ADV\n\n")
    assert declared.startswith("550 5.7.1") and in_header.startswith("550 5.7.1")
    assert ok(strangers.mail("good", parameters=" SOLICIT=org.example:OTHER"))


# -- localmx

def test_hosts_with_an_mx_record_for_us_may_relay(strangers):
    strangers.configure(localmx=1)
    assert ok(strangers.mail("customer", "x@customer.test", "x@elsewhere.test"))
    for client in ("good", "neighbour", "wild", "nameless", "liar"):
        assert strangers.mail(client, "x@good.test", "x@elsewhere.test").startswith("550 5.7.1"), client
    assert strangers.mail("unheard", "x@good.test", "x@elsewhere.test").startswith("451 4.4.3")


def test_hosts_with_an_mx_record_for_us_may_not_relay_without_localmx(strangers):
    assert strangers.mail("customer", "x@customer.test", "x@elsewhere.test").startswith("550 5.7.1")
