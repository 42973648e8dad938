"""A sender gets the delivery status notifications that it requests (RFC 3461): of this host, through a next hop
without DSN, between hosts of ours, and with Debian's Postfix."""
import subprocess

import pytest

from conftest import needs_root
from dsn_report import Notice
from host import wait_for
from mail_network import debian_postfix, hosts, subject  # noqa: F401
from strict_sink import StrictSink

pytestmark = needs_root


def submit(host, recipient, notify, *, sender="alice@host.test", mail=(), orcpt=None, subject="sent", **smtp):
    options = ([f"NOTIFY={notify}"] if notify else []) + ([f"ORCPT={orcpt}"] if orcpt else [])
    text = f"From: <{sender}>\r\nSubject: {subject}\r\nMessage-ID: <{subject}@client.test>\r\n\r\nHello.\r\n"
    with host.smtp(**smtp) as client:
        assert client.sendmail(sender, recipient, text, list(mail), options) == {}


def notice_at(host, user="alice"):
    raw = host.wait_for_mail(user, b"multipart/report")
    assert raw.count(b"Content-Type: multipart/report") == 1
    return Notice(raw[raw.index(b"\n") + 1:])


def has_notice(host, user="alice"):
    return b"multipart/report" in host.mailbox(user)


def settled(host, *texts):
    """Waits until the queue is empty; the log has the texts."""
    host.wait_for_empty_queue()
    wait_for(lambda: all(text in host.log_text() for text in texts), what=lambda: f"{texts} in {host.log_text()}")


# -- one host

def test_a_success_is_reported_at_once(host):
    host.start()
    submit(host, "bob@host.test", "SUCCESS", mail=["ENVID=QQ+20314159", "RET=FULL"], orcpt="rfc822;Bob+2Bx@elsewhere")
    assert b"Hello." in host.mailbox("bob")
    notice = notice_at(host)
    assert notice.message["Return-Path"] == "<>"
    assert notice.message["Subject"] == "Your message was delivered"
    assert notice.message["In-Reply-To"] == "<sent@client.test>"
    assert notice.host["Original-Envelope-Id"] == "QQ 314159"
    only = notice.of("bob@host.test")
    assert (only["Action"], only["Status"]) == ("delivered", "2.0.0")
    assert only["Original-Recipient"] == "rfc822; Bob+x@elsewhere"
    assert notice.original.get_content_type() == "text/rfc822-headers"  # RET counts for failures only


@pytest.mark.parametrize("notify", [None, "NEVER", "FAILURE", "FAILURE,DELAY"])
def test_a_success_is_reported_only_if_requested(host, notify):
    host.start()
    submit(host, "bob@host.test", notify)
    settled(host, "delivered")
    assert not has_notice(host)


def test_the_null_sender_gets_no_report(host):
    host.start()
    submit(host, "bob@host.test", "SUCCESS", sender="")
    settled(host, "delivered")
    assert "report-on" not in host.log_text()


def test_an_alias_with_several_members_is_expanded_and_a_list_is_delivered(host):
    host.write_aliases("both: bob, Carol\nlist: bob, Carol\nowner-list: Carol\none: bob\n")
    host.start()
    text = "Subject: x\r\n\r\nHello.\r\n"
    with host.smtp() as client:
        recipients = [f"{name}@host.test" for name in ("both", "list", "one")]
        client.sendmail("alice@host.test", recipients, text, [], ["NOTIFY=SUCCESS"])
    assert notice_at(host).actions() == {"both@host.test": "expanded", "list@host.test": "delivered",
                                         "bob@host.test": "delivered"}


def test_the_owner_of_a_list_gets_the_report_about_an_unknown_member(host):
    """Not the sender, whose address may be forged. Success reports for the message of the list do not mention the
    member."""
    host.write_aliases("list: bob, gone\nowner-list: Carol\n")
    host.start()
    with host.smtp() as client:
        client.sendmail("alice@host.test", ["list@host.test"], "Subject: to all\r\n\r\nHello.\r\n")
    host.wait_for_mail("bob", b"Subject: to all")
    report = host.wait_for_mail("Carol", b"gone@host.test")
    assert b"Subject: A message could not be delivered" in report and b"Your message" not in report
    settled(host)
    assert host.mailbox("alice") == b""


def test_a_success_report_waits_for_the_delivery(host, monkeypatch):
    """One recipient is delivered at once, one through the queue: each is reported once."""
    host.write_config(retry="1s")
    host.start()
    mailbox = host.mailbox_path("Carol")
    subprocess.run(["mkdir", mailbox], check=True)  # a folder, so delivery to it is deferred
    text = "Subject: x\r\n\r\nHello.\r\n"
    with host.smtp() as client:
        client.sendmail("alice@host.test", ["bob@host.test", "Carol@host.test"], text, [], ["NOTIFY=SUCCESS"])
    host.wait_for_mail("alice", b"Final-Recipient: rfc822; bob@host.test")
    assert b"Carol@host.test\nAction" not in host.mailbox("alice")
    subprocess.run(["rmdir", mailbox], check=True)
    host.wait_for_mail("alice", b"Final-Recipient: rfc822; Carol@host.test\nAction: delivered")
    settled(host)
    assert host.mailbox("alice").count(b"Action: delivered") == 2


def test_sendmail_requests_reports(host):
    host.start()
    host.run("sendmail", "-f", "alice@host.test", "-N", "success,delay", "-V", "From+20PHP", "bob",
             input=b"Subject: x\n\nHello.\n", check=True)
    notice = notice_at(host)
    assert notice.actions() == {"bob@host.test": "delivered"}
    assert notice.host["Original-Envelope-Id"] == "From PHP"
    assert notice.of("bob@host.test")["Original-Recipient"] == "rfc822; bob@host.test"


def test_a_session_on_standard_input_requests_reports(host):
    host.write_aliases("both: bob, Carol\n")
    host.start()
    host.run("sendmail", "-bs", check=True,
             input=b"EHLO x\r\nMAIL FROM:<alice@host.test> ENVID=stdin\r\nRCPT TO:<both@host.test> NOTIFY=SUCCESS\r\n"
                   b"DATA\r\nSubject: x\r\n\r\nHello.\r\n.\r\nQUIT\r\n")
    notice = notice_at(host)
    assert notice.actions() == {"both@host.test": "expanded"}
    assert notice.host["Original-Envelope-Id"] == "stdin"


# -- a next hop without DSN

def refusing(host, sink):
    host.write_config(relay_host=f"127.0.0.1:{sink.port}", retry="1s")
    return host.start()


def test_mail_to_a_next_hop_without_dsn_is_reported_as_relayed(host):
    with StrictSink() as sink:
        refusing(host, sink)
        submit(host, "bob@far.test", "SUCCESS,FAILURE", mail=["RET=HDRS", "ENVID=x"], orcpt="rfc822;b@far.test")
        notice = notice_at(host)
        assert sink.violations == []
        assert not any("NOTIFY" in line or "RET=" in line or "ENVID" in line for line in sink.commands)
    only = notice.of("bob@far.test")
    assert only["Action"] == "relayed"
    assert only["Original-Recipient"] == "rfc822; b@far.test"
    assert only["Remote-MTA"] == "dns; [127.0.0.1]"
    assert "does not tell what becomes of it" in notice.text.get_payload()
    settled(host)


@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS", "DELAY"])
def test_failures_that_are_not_wanted_are_not_reported(host, notify):
    with StrictSink(replies={"RCPT": b"550 5.1.1 no such user"}) as sink:
        refusing(host, sink)
        submit(host, "nobody@far.test", notify)
        settled(host, "failed to=<nobody@far.test>", "finished")
    assert not has_notice(host)


@pytest.mark.parametrize("ret, kind", [("RET=HDRS", "text/rfc822-headers"), ("RET=FULL", "message/rfc822"),
                                       ("BODY=7BIT", "message/rfc822")])
def test_ret_decides_how_much_of_the_message_is_returned(host, ret, kind):
    with StrictSink(replies={"RCPT": b"550 5.1.1 no such user"}) as sink:
        refusing(host, sink)
        submit(host, "nobody@far.test", "FAILURE", mail=[ret])
        notice = notice_at(host)
    assert notice.actions() == {"nobody@far.test": "failed"}
    assert notice.original.get_content_type() == kind


def test_failures_of_a_message_without_sender_go_to_postmaster(host):
    host.write_aliases("postmaster: bob\n")
    with StrictSink(replies={"RCPT": b"550 5.1.1 no such user"}) as sink:
        refusing(host, sink)
        submit(host, "nobody@far.test", "NEVER", sender="")
        assert notice_at(host, "bob").actions() == {"nobody@far.test": "failed"}


def deferring(host, sink, **settings):
    host.write_config(**settings)
    return refusing(host, sink)


@pytest.mark.parametrize("notify", [None, "DELAY", "SUCCESS,FAILURE,DELAY"])
def test_a_delay_is_reported_once(host, notify):
    said = iter([b"451 4.3.0 later"] * 4 + [b"250 ok"] * 9)
    with StrictSink(replies={"RCPT": lambda: next(said)}) as sink:
        deferring(host, sink, delay_warning="1s")
        submit(host, "bob@far.test", notify)
        notice = Notice(host.wait_for_mail("alice", b"Your message is delayed").partition(b"\n")[2])
        only = notice.of("bob@far.test")
        assert (only["Action"], only["Status"]) == ("delayed", "4.3.0")
        assert only["Will-Retry-Until"] is not None
        settled(host, "finished")
    assert host.mailbox("alice").count(b"Subject: Your message is delayed") == 1


@pytest.mark.parametrize("notify, settings", [("FAILURE", {"delay_warning": "1s"}), ("NEVER", {"delay_warning": "1s"}),
                                              (None, {}), ("DELAY", {})])
def test_a_delay_is_not_reported_without_request(host, notify, settings):
    """Not if NOTIFY excludes it; and without delay-warning= not within four hours."""
    said = iter([b"451 4.3.0 later"] * 3 + [b"250 ok"] * 9)
    with StrictSink(replies={"RCPT": lambda: next(said)}) as sink:
        deferring(host, sink, **settings)
        submit(host, "bob@far.test", notify)
        settled(host, "finished")
    assert "delayed" not in host.mailbox("alice").decode()


def test_requested_reports_survive_a_restart(host):
    """The request is in the journal."""
    with StrictSink(replies={"MAIL": b"451 4.3.0 later"}) as sink:
        refusing(host, sink)
        submit(host, "bob@far.test", "SUCCESS", mail=["ENVID=again"])
        wait_for(lambda: "deferred" in host.log_text(), what="an attempt")
        assert host.stop() == 0
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        notice = notice_at(host)
    assert notice.actions() == {"bob@far.test": "relayed"}
    assert notice.host["Original-Envelope-Id"] == "again"


# -- between hosts

def wishes(subject):
    return {"mail": ["RET=HDRS", f"ENVID={subject}"], "orcpt": "rfc822;The+2BOne@original.test", "subject": subject}


def notices(host, user, subject):
    return [Notice(raw) for raw in host.messages(user) if subject.encode() in raw]


def only_notice(host, user, subject):
    wait_for(lambda: notices(host, user, subject), what=lambda: f"a notice; log: {host.log_text()[-3000:]}")
    only, = notices(host, user, subject)
    assert only.host["Original-Envelope-Id"] == subject
    return only


def test_a_host_without_dsn_for_strangers_leaves_the_success_report_to_us(hosts, subject):
    """It offers strangers no DSN, so our report says "relayed" (RFC 3461 section 5.2.2)."""
    submit(hosts.a, "bob@c.test", "SUCCESS", sender="alice@a.test", **wishes(subject))
    notice = only_notice(hosts.a, "alice", subject)
    assert notice.host["Reporting-MTA"] == "dns; a.test"
    assert notice.actions() == {"bob@c.test": "relayed"}


def test_the_last_host_reports_the_success(hosts, subject):
    submit(hosts.a, "bob@b.test", "SUCCESS", sender="alice@a.test", **wishes(subject))
    notice = only_notice(hosts.a, "alice", subject)
    assert notice.host["Reporting-MTA"] == "dns; b.test"
    assert notice.of("bob@b.test")["Action"] == "delivered"
    assert notice.of("bob@b.test")["Original-Recipient"] == "rfc822; The+One@original.test"


def test_a_host_that_refuses_the_recipient_leaves_the_report_to_us(hosts, subject):
    submit(hosts.a, "nobody-there@b.test", "SUCCESS,FAILURE", sender="alice@a.test", **wishes(subject))
    notice = only_notice(hosts.a, "alice", subject)
    assert notice.host["Reporting-MTA"] == "dns; a.test"
    assert notice.actions() == {"nobody-there@b.test": "failed"}
    assert notice.original.get_content_type() == "text/rfc822-headers"


# -- Debian's Postfix

@pytest.fixture(scope="module")
def postfix(hosts):
    yield from debian_postfix(hosts, aliases="elsewhere: nobody-there@b.test\n")


def test_postfix_reports_the_success(hosts, postfix, subject):
    submit(hosts.a, "debby@debian.test", "SUCCESS", sender="alice@a.test", **wishes(subject))
    notice = only_notice(hosts.a, "alice", subject)
    assert notice.host["Reporting-MTA"] == "dns; debian.test"
    assert notice.of("debby@debian.test")["Action"] == "delivered"
    assert notice.of("debby@debian.test")["Original-Recipient"].replace(" ", "") == "rfc822;The+One@original.test"


def test_postfix_sends_no_bounce_for_notify_never(hosts, postfix, subject):
    submit(hosts.a, "elsewhere@debian.test", "NEVER", sender="alice@a.test", **wishes(subject))
    wait_for(lambda: "nobody-there@b.test" in postfix.log_text() and "status=bounced" in postfix.log_text(),
             what=lambda: f"Postfix giving up; log: {postfix.log_text()[-3000:]}")
    wait_for(lambda: not hosts.a.has_queued(subject), what="an empty queue")
    assert notices(hosts.a, "alice", subject) == []


def test_postfix_gets_our_success_report(hosts, postfix, subject):
    command = postfix._command("sendmail", "-i", "-f", "debby@debian.test", "-N", "success", "-V", subject,
                               "alice@a.test")
    subprocess.run([*hosts.debian.prefix, *command], input=f"Subject: {subject}\n\nHello.\n".encode(), check=True,
                   timeout=60)
    raw = postfix.wait_for_message("debby", [b"multipart/report", subject.encode()])
    notice = Notice(raw)
    assert notice.host["Reporting-MTA"] == "dns; a.test"
    assert notice.host["Original-Envelope-Id"] == subject
    assert notice.of("alice@a.test")["Action"] == "delivered"
    assert notice.of("alice@a.test")["Original-Recipient"] == "rfc822; alice@a.test"
