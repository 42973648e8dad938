"""Mail between hosts goes to the right mail host, waits while it is down, and is reported if it cannot be delivered;
a client without permission relays none. The hosts have a network and DNS of their own."""
import email
import re
import smtplib

import pytest

from conftest import needs_root
from mail_network import LED_TO_B, SHARED, Report, hosts, report_at, send, subject, waits  # noqa: F401

pytestmark = needs_root


# -- the way to another host

def test_the_mx_host_with_the_lowest_preference_takes_the_mail(hosts, subject):
    send(hosts.a, "bob@first.test", subject)
    hosts.b.wait_for_message("bob", subject.encode())
    hosts.a.wait_for_empty_queue()
    assert subject.encode() not in hosts.c.mailbox("bob")


def test_the_next_mx_host_takes_the_mail_when_the_first_is_down(hosts, subject):
    with hosts.b.stopped():
        send(hosts.a, "bob@first.test", subject)
        hosts.c.wait_for_message("bob", subject.encode())
        hosts.a.wait_for_empty_queue()


def test_equal_mx_hosts_share_the_mail(hosts, subject):
    """Each domain is a destination of its own; that one host gets all mail happens once in eight million runs."""
    send(hosts.a, [f"bob@{domain}" for domain in SHARED], subject)
    hosts.a.wait_for_empty_queue()
    for host in (hosts.b, hosts.c):
        host.wait_for_mail("bob", subject.encode())
        host.wait_for_empty_queue()
    mail = hosts.b.messages("bob") + hosts.c.messages("bob")
    delivered_to = [email.message_from_bytes(one)["Delivered-To"] for one in mail if subject.encode() in one]
    assert sorted(delivered_to) == sorted(f"bob@{domain}" for domain in SHARED)


def test_a_backup_mx_keeps_mail_until_the_better_one_is_back(hosts, subject):
    with hosts.b.stopped():
        send(hosts.a, "bob@backed.test", subject)
        hosts.a.wait_for_empty_queue()
        waits(hosts.c, "b.test")
        hosts.c.run_queue()  # not delivered, and above all not sent to itself
        assert len(hosts.c.queue()) == 1
    hosts.c.run_queue()
    message = email.message_from_bytes(hosts.b.wait_for_message("bob", subject.encode()))
    received_by = [re.search(r"\bby (\S+)", field)[1] for field in message.get_all("Received")]
    assert received_by == ["b.test", "c.test", "a.test"]


def test_mail_waits_while_the_host_is_down(hosts, subject):
    with hosts.b.stopped():
        send(hosts.a, "bob@b.test", subject)
        waits(hosts.a, "b.test", "refused")
        shown = hosts.a.run("mailq", check=True).stdout.decode()
        assert "bob@b.test" in shown and "refused" in shown
        hosts.a.run_queue()
        assert [entry["recipients"][0]["address"] for entry in hosts.a.queue()] == ["bob@b.test"]
    hosts.a.run_queue()
    hosts.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in hosts.a.mailbox("alice")


@pytest.mark.parametrize("domain", LED_TO_B)
def test_each_form_of_dns_records_leads_to_the_host(hosts, subject, domain):
    send(hosts.a, f"bob@{domain}", subject)
    message = email.message_from_bytes(hosts.b.wait_for_message("bob", subject.encode()))
    assert message["Delivered-To"] == f"bob@{domain}"
    client = message.get_all("Received")[0]
    assert ("2001:db8::1" in client) == (domain not in ("only4.test", "twoaddresses.test"))


@pytest.mark.parametrize("domain", ["[192.0.2.2]", "[IPv6:2001:db8::2]"])
def test_mail_to_an_address_literal_arrives(hosts, subject, domain):
    send(hosts.a, f"bob@{domain}", subject)
    hosts.b.wait_for_message("bob", subject.encode())


def test_a_host_without_ipv4_sends_and_receives(hosts, subject):
    send(hosts.a, "alice@six.test", subject)
    hosts.six.wait_for_message("alice", subject.encode())
    send(hosts.six, "bob@b.test", subject, sender="alice@six.test")
    hosts.b.wait_for_message("bob", subject.encode())


# -- what cannot be delivered

def test_an_unknown_user_is_reported_to_the_sender(hosts, subject):
    send(hosts.a, "nobody-there@b.test", subject)
    report = report_at(hosts.a, "alice", subject)
    only = report.check("nobody-there@b.test", "5.1.1", "smtp; 550 5.1.1")
    assert only["Remote-MTA"] == "dns; b.test"
    assert report.host["Reporting-MTA"] == "dns; a.test"
    assert report.message["To"] == "alice@a.test"
    assert report.message["In-Reply-To"] == f"<{subject}@client.test>"
    assert report.original[0]["Subject"] == subject
    assert "RCPT" in hosts.b.log_text() and "nobody-there@b.test" in hosts.b.log_text()


def test_only_the_unknown_recipient_is_reported(hosts, subject):
    send(hosts.a, ["bob@b.test", "nobody-there@b.test", "alice@b.test", "alice@c.test"], subject)
    for host, user in ((hosts.b, "bob"), (hosts.b, "alice"), (hosts.c, "alice")):
        host.wait_for_message(user, subject.encode())
    report_at(hosts.a, "alice", subject).check("nobody-there@b.test", "5.1.1")


def test_a_sender_at_another_host_gets_the_report(hosts, subject):
    send(hosts.a, "nobody-there@b.test", subject, sender="alice@c.test")
    report_at(hosts.c, "alice", subject).check("nobody-there@b.test", "5.1.1")


def test_the_sender_of_sendmail_f_gets_the_report(hosts, subject):
    done = hosts.a.run("sendmail", "-i", "-f", "bob@a.test", "nobody-there@b.test",
                       input=f"Subject: {subject}\n\nHello.\n".encode(), check=True)
    assert done.stdout == done.stderr == b""
    report_at(hosts.a, "bob", subject).check("nobody-there@b.test", "5.1.1")


def test_a_report_that_cannot_be_delivered_goes_to_postmaster(hosts, subject):
    send(hosts.a, "nobody-there@b.test", subject, sender="nobody-here@c.test")
    report = report_at(hosts.a, "Carol", subject)
    report.check("nobody-here@c.test", "5.1.1")
    assert Report(report.original[0].as_bytes().replace(b"MIME-Version", b"Return-Path: <>\nMIME-Version", 1))


def test_a_report_that_postmaster_cannot_get_is_logged(hosts, subject):
    hosts.a.write_aliases("root: nobody-at-all@b.test\n")
    try:
        send(hosts.a, "nobody-there@b.test", subject, sender="nobody-here@c.test")
        hosts.a.wait_for_empty_queue()
    finally:
        hosts.a.write_aliases("root: Carol\n")
    assert "unreportable" in hosts.a.log_text()
    for host in (hosts.a, hosts.b, hosts.c):
        assert all(subject.encode() not in host.mailbox(user) for user in ("alice", "bob", "Carol"))


@pytest.mark.parametrize("domain, status, words", [
    ("null.test", "5.1.10", "takes no mail"),
    ("missing.test", "5.1.2", "no such domain"),
    ("noaddress.test", "5.1.2", "neither MX nor address"),
    ("nohost.test", "5.1.2", "no MX host"),
    ("back.test", "5.4.6", "leads back to this host"),
    ("worse.test", "5.4.6", "leads back to this host"),
])
def test_a_domain_that_takes_no_mail_is_reported_at_once(hosts, subject, domain, status, words):
    send(hosts.a, f"bob@{domain}", subject)
    report = report_at(hosts.a, "alice", subject)
    report.check(f"bob@{domain}", status)
    assert words in " ".join(report.text.split())


def test_mail_waits_for_a_domain_whose_name_server_fails(hosts, subject):
    send(hosts.a, "bob@broken.test", subject)
    waits(hosts.a, "broken.test", "SERVFAIL")
    hosts.a.run_queue()
    assert len(hosts.a.queue()) == 1
    hosts.dns.write_zone("broken.test.", "@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60\n"
                                         "@ NS dns.test.\n@ MX 10 b.test.\n")
    hosts.dns.stop()
    hosts.dns.start()
    hosts.a.run_queue()
    hosts.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in hosts.a.mailbox("alice")


def test_mail_waits_while_dns_is_down(hosts, subject):
    hosts.dns.stop()
    try:
        send(hosts.a, "bob@unasked.test", subject)  # b.test itself is reachable
        waits(hosts.a, "unasked.test", "refused")
    finally:
        hosts.dns.start()
    hosts.a.run_queue()
    hosts.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in hosts.a.mailbox("alice")


# -- clients without permission

@pytest.mark.parametrize("recipient", [
    "bob@b.test", "@a.test:bob@b.test", "@a.test,@six.test:bob@b.test", "bob%b.test@a.test", "bob%b.test",
    "bob%b.test%six.test@a.test", "b.test!bob", "b.test!bob@a.test", "a.test!b.test!bob", '"bob@b.test"@a.test',
    '"bob@b.test"', '"bob%b.test"@a.test', '"b.test!bob"@a.test', "bob@b.test@a.test", "bob@[192.0.2.2]",
    "bob%[192.0.2.2]@a.test", "bob@[IPv6:2001:db8::2]", "bob%b.test@[192.0.2.1]", '"bob@b.test"@[192.0.2.1]', "bob@B.TEST.", "postmaster@b.test",
    '"bob@b.test"@localhost', "a.test!bob@b.test", "bob@a.test@b.test",
])
def test_a_client_without_permission_cannot_relay(hosts, recipient):
    queued = hosts.a.spool_files()
    with hosts.a.smtp(hosts.c.machine) as client:
        client.ehlo()
        assert client.docmd("MAIL", "FROM:<alice@c.test>")[0] == 250
        code, text = client.docmd("RCPT", f"TO:<{recipient}>")
        assert 500 <= code <= 599, text
        assert client.docmd("DATA")[0] >= 500
    assert hosts.a.spool_files() == queued


def test_a_source_route_to_a_local_user_is_ignored(hosts, subject):
    with hosts.a.smtp(hosts.c.machine) as client:
        client.ehlo()
        client.mail("alice@c.test")
        assert client.docmd("RCPT", "TO:<@six.test,@b.test:alice@a.test>")[0] == 250
        client.data(f"Subject: {subject}\r\n\r\n".encode())
    message = hosts.a.wait_for_message("alice", subject.encode())
    assert email.message_from_bytes(message)["Delivered-To"] == "alice@a.test"


def test_a_trusted_host_may_relay(hosts, subject):
    send(hosts.a, "bob@b.test", subject, client=hosts.six.machine)
    hosts.b.wait_for_message("bob", subject.encode())


def test_a_refusal_to_relay_has_a_reason(hosts):
    with hosts.a.smtp(hosts.c.machine) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("alice@c.test", ["bob@b.test"], b"")
    code, text = refused.value.recipients["bob@b.test"]
    assert code == 550 and text.startswith(b"5.7.1") and b"192.0.2.3" in text
