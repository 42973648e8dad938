"""Addresses and headers beyond ASCII (RFC 6531 to 6533) arrive where hosts support them, and are reported where not:
tried with Python's client, our program, and Debian's Postfix."""
import email.message
import email.policy

import pytest

from conftest import needs_root
from dsn_report import Notice
from host import BINARY, wait_for
from mail_network import debian_postfix, hosts, subject  # noqa: F401
from strict_sink import StrictSink

pytestmark = [needs_root, pytest.mark.skipif(b"libidn2.so" not in open(BINARY, "rb").read(),
                                             reason="NEEDS a build with IDN: this one is --without-idn")]

BUCHER = "bücher.test"
A_LABEL = "xn--bcher-kva.test"


def message(sender, recipient, subject):
    made = email.message.EmailMessage(email.policy.SMTPUTF8)
    made["From"], made["To"], made["Subject"] = sender, recipient, subject
    made.set_content("Grüße.\n")
    return made


def send_announced(host, sender, recipient, text):
    """Sends with SMTPUTF8, whether it is needed or not."""
    with host.smtp() as client:
        assert client.sendmail(sender, [recipient], text.encode(), ["SMTPUTF8", "BODY=8BITMIME"]) == {}


def send(host, sender, recipients, text="Grüße", **smtp):
    with host.smtp(**smtp) as client:
        client.ehlo()
        assert client.has_extn("smtputf8") and client.has_extn("8bitmime")
        assert client.send_message(message(sender, recipients[0], text), sender, recipients) == {}


def test_mail_to_a_name_beyond_ascii_arrives(host):
    host.write_aliases("jörg: bob\n")
    host.start()
    send(host, "émile@far.test", ["jörg@host.test"])
    mail = host.wait_for_mail("bob", "Subject: Grüße".encode()).decode()
    assert "Return-Path: <émile@far.test>" in mail
    assert "with UTF8SMTP id" in mail
    assert "for <" not in mail  # a trace field stays ASCII


@pytest.mark.parametrize("domain", [BUCHER, "BÜCHER.test", A_LABEL])
def test_each_form_of_a_local_domain_is_local(host, domain):
    host.write_config(local_domain=[BUCHER])
    host.start()
    send(host, "alice@host.test", [f"bob@{domain}"])
    host.wait_for_mail("bob", "Grüße".encode())


def test_sendmail_accepts_such_addresses(host):
    host.write_config(local_domain=[BUCHER])
    host.write_aliases("jörg: bob\n")
    host.start()
    host.run("sendmail", "-t", check=True, input=f"To: Jörg <jörg@{BUCHER}>\nSubject: Grüße\n\nHello.\n".encode())
    host.wait_for_mail("bob", "Subject: Grüße".encode())


@pytest.mark.parametrize("sender, recipient, code", [
    ("alice@host.test", "jörg@far.test", "553"), ("émile@host.test", "bob@far.test", "553"),
    ("alice@host.test", "bob@far.test", "550")])
def test_mail_to_a_host_without_smtputf8_is_returned(host, sender, recipient, code):
    """It is not sent without SMTPUTF8."""
    host.write_aliases("émile: alice\n")
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        send_announced(host, sender, recipient, "Subject: Grüße\r\n\r\nHello.\r\n")
        notice = Notice(host.wait_for_mail("alice", b"multipart/report").partition(b"\n")[2])
        assert sink.transactions == []
    only, = notice.recipients
    assert (only["Action"], only["Status"]) == ("failed", "5.6.7")
    assert f"{code} 5.6.7" in notice.text.get_payload(decode=True).decode()
    assert notice.original.get_content_type() == "message/global"


def test_a_domain_beyond_ascii_alone_needs_no_smtputf8(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        send_announced(host, "alice@host.test", f"bob@{BUCHER}", "Subject: x\r\n\r\nGrüße.\r\n")
        wait_for(lambda: sink.transactions, what="the message at the next host")
        assert sink.transactions[0].recipients == [f"bob@{A_LABEL}"]
        assert sink.violations == []


def test_an_eight_bit_header_needs_no_smtputf8(host):
    """The client did not announce it, as is common."""
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        with host.smtp() as client:
            client.sendmail("alice@host.test", ["bob@far.test"], b"Subject: Gr\xfc\xdfe\r\n\r\nHello.\r\n")
        wait_for(lambda: sink.transactions, what="the message at the next host")
        assert b"Subject: Gr\xfc\xdfe\r\n" in sink.transactions[0].data


# -- other hosts

def test_mail_between_hosts_arrives(hosts, subject):
    hosts.b.write_aliases("root: Carol\njörg: bob\n")
    send(hosts.a, "alice@a.test", ["jörg@b.test"], text=f"Grüße {subject}")
    mail = hosts.b.wait_for_message("bob", subject.encode()).decode()
    assert mail.count("with UTF8SMTP id") == 2


@pytest.fixture(scope="module")
def postfix(hosts):
    yield from debian_postfix(hosts, aliases="jörg: debby\n", smtputf8_enable="yes")


def test_mail_to_postfix_arrives(hosts, postfix, subject):
    send(hosts.a, "alice@a.test", ["jörg@debian.test"], text=f"Grüße {subject}")
    mail = postfix.wait_for_message("debby", subject.encode()).decode()
    assert f"Subject: Grüße {subject}" in mail
    assert "with UTF8SMTP id" in mail


def test_mail_from_postfix_arrives(hosts, postfix, subject):
    hosts.a.write_aliases("root: Carol\njörg: bob\n")
    text = f"From: debby@debian.test\nTo: jörg@a.test\nSubject: Grüße {subject}\n\nHello.\n"
    postfix.send("debby@debian.test", ["jörg@a.test"], text.encode())
    mail = hosts.a.wait_for_message("bob", subject.encode()).decode()
    assert f"Subject: Grüße {subject}" in mail
    assert "by a.test (postoffice) with UTF8SMTP id" in mail


def test_a_report_to_postfix_is_in_utf8(hosts, postfix, subject):
    """The address of the sender needs SMTPUTF8."""
    send(hosts.a, "jörg@debian.test", ["nobody-there@b.test"], text=f"Grüße {subject}")
    notice = Notice(postfix.wait_for_message("debby", [b"multipart/report", subject.encode()]))
    assert notice.status.get_content_type() == "message/global-delivery-status"
    assert notice.actions() == {"nobody-there@b.test": "failed"}
