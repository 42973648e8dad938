"""A message with octets above 127 reaches a Postfix that does not offer 8BITMIME in seven bits and says the same, or is
reported at once (RFC 6152 section 3)."""
import email
import email.policy

import pytest

from conftest import needs_root
from mail_network import debian_postfix, hosts, report_at, subject  # noqa: F401

pytestmark = needs_root

TEXT = "Grüße aus Österreich, mit = und mehr.\nFrom here on \n.\nEnde\n"
INNER = "Subject: inner\n\nOne ü in a text without MIME.\n"

MIXED = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="=_b"
Content-Transfer-Encoding: 8bit

--=_b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

{text}
--=_b
Content-Type: text/plain; charset=utf-8

Привет, мир. Это письмо.
--=_b
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

{inner}
--=_b--
""".format(text=TEXT, inner=INNER)

SIGNED = """\
MIME-Version: 1.0
Content-Type: multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256; boundary=s

--s
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Unterschrieben für immer.
--s
Content-Type: application/pgp-signature

-----BEGIN PGP SIGNATURE-----
--s--
"""


@pytest.fixture(scope="module")
def postfix(hosts):  # noqa: F811
    yield from debian_postfix(hosts, smtpd_discard_ehlo_keywords="8bitmime,smtputf8")


def send(host, recipients, subject, text):  # noqa: F811
    """`text`: the rest of the header, and the body."""
    header = (f"From: <alice@a.test>\r\nTo: <all@example.org>\r\nSubject: {subject}\r\n"
              f"Message-ID: <{subject}@client.test>\r\n")
    with host.smtp() as client:
        whole = header.encode() + text.replace("\n", "\r\n").encode()
        assert client.sendmail("alice@a.test", recipients, whole, ["BODY=8BITMIME"]) == {}


def parsed(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def test_each_part_says_the_same_in_seven_bits(hosts, postfix, subject):  # noqa: F811
    send(hosts.a, ["debby@debian.test", "alice@a.test"], subject, MIXED)
    raw = postfix.wait_for_message("debby", subject.encode())
    assert raw.isascii()
    text, russian, inner = parsed(raw).iter_parts()
    assert text["Content-Transfer-Encoding"] == "quoted-printable"
    assert text.get_content() == TEXT
    assert russian["Content-Transfer-Encoding"] == "base64"
    assert russian.get_content().strip() == "Привет, мир. Это письмо."
    assert inner["Content-Transfer-Encoding"] == "7bit"
    assert inner.get_content().get_content().strip() == "One ü in a text without MIME."
    stored = hosts.a.wait_for_message("alice", subject.encode())
    assert TEXT.splitlines()[0].encode() in stored  # the message of this host did not change


def test_a_text_without_mime_from_a_program_is_converted(hosts, postfix, subject):  # noqa: F811
    send(hosts.a, ["debby@debian.test"], subject, "\nEin Gruß von cron.\n")
    raw = postfix.wait_for_message("debby", subject.encode())
    assert raw.isascii()
    assert parsed(raw).get_content() == "Ein Gruß von cron.\n"


def test_what_must_not_change_is_reported_at_once(hosts, postfix, subject):  # noqa: F811
    send(hosts.a, ["debby@debian.test"], subject, SIGNED)
    report = report_at(hosts.a, "alice", subject)
    report.check("debby@debian.test", "5.6.3")
    assert "does not offer 8BITMIME" in report.text.replace("\n    ", " ")
