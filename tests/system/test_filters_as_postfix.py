"""A filter hears the same of a message from postoffice as from Debian's Postfix, in the same order and with the same macros,
and its changes make the same header."""
import contextlib
import os
import smtplib
import types

import pytest

from conftest import needs_root
from debian_mta import NoPeer, Postfix
from host import wait_for
from scripted_filter import ACCEPT, Filter, add_field, insert_field, packet, reply_code

pytestmark = needs_root

HOST = "host.test"
USER = "alice"
MESSAGE = (b"From: ann@far.test\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@far.test>\r\n"
           b"X-Rep: one\r\nX-Rep:  two\r\n three\r\nSubject: hello\r\nX-Rep:four\r\n\r\nbody\r\n..dot\r\n")


def change(index, name, value=""):
    return packet(b"m", index.to_bytes(4, "big") + name.encode() + b"\0" + value.encode() + b"\0")


CHANGES = (insert_field(0, "X-Top", "0") + insert_field(2, "X-Second", "2") + add_field("X-Last", "a\n b") +
           change(1, "Subject", "changed") + change(2, "X-Rep") + change(1, "X-New", "new") + packet(ACCEPT))
ANSWERS = {"E": CHANGES, "R": lambda data: reply_code("550 5.7.1 not %%her") if b"bad" in data else packet(b"c")}

# What differs by design: names and numbers of each program, and what postoffice says besides.
OF_EACH_PROGRAM = {"v", "i", "{mail_mailer}", "{mail_host}", "{rcpt_mailer}", "{rcpt_host}"}


def dialogue(port):
    """The replies to a message with a refused recipient."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30) as client:
        client.ehlo()
        client.mail("ann@far.test", ["BODY=8BITMIME"])
        refused = client.rcpt(f"bad@{HOST}")
        assert client.rcpt(f"{USER}@{HOST}")[0] == 250
        assert client.data(MESSAGE)[0] == 250
    return refused


def header_of(text):
    """Fields of a message in a mailbox, but for those that the programs add themselves."""
    fields = text.split("\n\n")[0].split("\n")
    whole = []
    for line in fields[1:]:
        if line[0] in " \t":
            whole[-1] += "\n" + line
        else:
            whole.append(line)
    own = ("Return-Path", "X-Original-To", "Delivered-To")
    return ["Received" if field.startswith("Received:") else field for field in whole if not field.startswith(own)]


@pytest.fixture(scope="module")
def of_postfix():
    """What Postfix makes of it: the filter, the refusal, the message."""
    asked = Filter(answers=ANSWERS)
    try:
        postfix = Postfix(types.SimpleNamespace(prefix=[], inside=contextlib.nullcontext), HOST, "127.0.0.1", inet_protocols="ipv4",
                          aliases=f"{USER}: debby\nbad: debby\n", smtpd_milters=f"inet:127.0.0.1:{asked.port}")
    except NoPeer as why:
        pytest.skip(f"NEEDS Postfix of Debian: {why}")
    try:
        postfix.start()
        refused = dialogue(25)
        path = os.path.join(postfix.root, "var/mail/debby")
        wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > 0, what=postfix.log_text)
        with open(path) as file:
            yield asked, refused, file.read()
    finally:
        postfix.close()
        asked.close()


@pytest.fixture
def of_postoffice(host):
    asked = Filter(answers=ANSWERS)
    host.write_config(hostname=HOST, filter=f"inet:127.0.0.1:{asked.port}")
    host.write_aliases(f"bad: {USER}\n")
    host.start()
    refused = dialogue(host.port)
    text = host.wait_for_mail(USER, b"X-Last").decode()
    asked.close()
    return asked, refused, text


def stages(asked):
    """Kinds and data of what the filter heard, without what each program says in its own way."""
    return [(kind, data) for session in asked.sessions for kind, data, _ in session
            if kind not in "OCAQ" and not (kind == "B" and not data)]


def test_filter_header_and_macros_are_as_with_postfix(of_postfix, of_postoffice):
    (theirs, their_refusal, their_text), (ours, our_refusal, our_text) = of_postfix, of_postoffice
    assert our_refusal == their_refusal
    assert header_of(our_text) == header_of(their_text)
    assert stages(ours) == stages(theirs)
    for their_packet, our_packet in zip(theirs.sessions[0], ours.sessions[0]):
        if their_packet[0] in "OLNBAQ":
            continue
        kind, _, macros = our_packet
        expected = {name: value for name, value in their_packet[2].items() if name not in OF_EACH_PROGRAM}
        assert their_packet[0] == kind
        assert {name: macros.get(name) for name in expected} == expected, kind
