"""No address form makes this host relay for a client without permission. The host that the forms name takes all mail,
and gets only what may be sent to it openly."""
import pytest

from conftest import needs_root
from host import wait_for
from strangers import all_strangers, strangers  # noqa: F401

pytestmark = needs_root

# To this host, with another one hidden in the local part: an unknown user, for every client.
HIDDEN = [
    "victim%elsewhere.test@host.test", "victim%elsewhere.test", "victim%elsewhere.test@[192.0.2.1]",
    "victim%elsewhere.test%host.test@host.test", "elsewhere.test!victim@host.test", "elsewhere.test!victim",
    "host.test!elsewhere.test!victim@host.test", "\"victim@elsewhere.test\"@host.test", "\"victim@elsewhere.test\"",
    "\"victim%elsewhere.test\"@host.test", "\"victim\\@elsewhere.test\"@host.test",
    "\"\\\"victim@elsewhere.test\\\"\"@host.test", "\"<victim@elsewhere.test>\"@host.test",
    "\"victim@elsewhere.test,x\"@host.test", "\"@elsewhere.test:victim@elsewhere.test\"@host.test",
    "\"|mail victim@elsewhere.test\"@host.test", "\"elsewhere.test!victim\"@host.test",
    "bob+victim@elsewhere.test%host.test@host.test", "\"bob@host.test\"@elsewhere.test@host.test",
    "victim%elsewhere.test@localhost", "\"victim@elsewhere.test \"@host.test",
    "\"victim@elsewhere.test\\\r\"@host.test", "postmaster%elsewhere.test@host.test",
]

# To another host, in any form: only for clients that may relay.
OPEN = [
    "victim@elsewhere.test", "victim@ELSEWHERE.test", "@host.test:victim@elsewhere.test",
    "@elsewhere.test,@host.test:victim@elsewhere.test", "@elsewhere.test:victim@elsewhere.test",
    "victim@[192.0.2.30]", "bob%host.test@elsewhere.test", "host.test!bob@elsewhere.test",
    "\"bob@host.test\"@elsewhere.test",
]

# No addresses: refused.
BROKEN = [
    "victim@elsewhere.test@host.test", "victim@elsewhere.test:host.test", "@host.test", "@elsewhere.test:",
    "victim@[elsewhere.test]", "victim@[192.0.2.30]@host.test", "victim@elsewhere.test>,<bob@host.test",
    "victim@elsewhere.test\0@host.test", "victim@[]", "victim@[IPv6:]", "victim(@host.test)@elsewhere.test",
    "victim@elsewhere.test(@host.test)", "victim@host.test@", "victim @elsewhere.test", "victim@elsewhere..test",
    "\"victim@elsewhere.test", "victim\"@\"elsewhere.test",
]

# "victim" at an address literal of another host, or one that resembles ours.
LITERALS = ["victim@[192.0.2.10]", "victim@[IPv6:2001:db8::14]", "victim@[::ffff:192.0.2.30]", "victim@3221225998"]


def outcomes(strangers, client, addresses):
    """The reply to RCPT for each address, in a session of its own, since errors end a session."""
    found = {}
    for address in addresses:
        with strangers.talk(client) as talk:
            talk.say(f"EHLO {client}.test")
            assert talk.say("MAIL FROM:<x@good.test>").startswith("250")
            found[address] = talk.say(f"RCPT TO:<{address}>")
    return found


def all_refused(outcomes_):
    taken = {address: reply for address, reply in outcomes_.items() if not reply.startswith("5")}
    assert taken == {}


@pytest.fixture
def sink(strangers):
    """The messages at the other host. A last message must arrive and be the only one, so that no other is still on
    its way."""
    before = len(strangers.sink.messages)
    yield strangers.sink
    with strangers.host.smtp() as own:
        own.sendmail("alice@host.test", ["witness@elsewhere.test"], "Subject: the last one\r\n\r\n")
    wait_for(lambda: any(b"the last one" in text for _, _, text in strangers.sink.messages[before:]),
             what="the witness")
    strangers.host.wait_for_empty_queue()
    reached = [recipients for _, recipients, _ in strangers.sink.messages[before:]]
    assert reached == [("witness@elsewhere.test",)]


def test_a_client_without_permission_reaches_only_local_users(strangers, sink):
    all_refused(outcomes(strangers, "good", HIDDEN + OPEN + LITERALS + BROKEN))


def test_a_message_without_accepted_recipients_goes_nowhere(strangers, sink):
    """Also if the client sends the next commands in the same packet."""
    commands = ["EHLO good.test", "MAIL FROM:<x@good.test>", *(f"RCPT TO:<{one}>" for one in HIDDEN[:6] + OPEN[:6])]
    with strangers.talk("good") as talk:
        talk.say("\r\n".join([*commands, "DATA", "Subject: trick", "", "RCPT TO:<victim@elsewhere.test>", "."]))
        while reply := talk.reply():
            assert not reply.startswith("354")
            if reply.startswith("554 5.5.1"):
                break
        assert talk.say("QUIT").startswith("221")


@pytest.mark.parametrize("client, options", [
    ("customer", {"localmx": 1}), ("good", {"trusted": "good.test"}), ("good", {"relay": 1})],
    ids=["localmx", "trusted", "relay"])
def test_a_client_that_may_relay_gains_nothing_by_an_address_form(strangers, sink, client, options):
    strangers.configure(**options)
    all_refused(outcomes(strangers, client, HIDDEN + BROKEN))
    for address, reply in outcomes(strangers, client, OPEN).items():
        assert reply.startswith("250"), (address, reply)


def test_sendmail_does_not_unpack_addresses(strangers, sink):
    all_refused(outcomes(strangers, "host", HIDDEN))


def test_a_client_whose_mx_record_names_another_host_has_no_permission(strangers, sink):
    strangers.configure(localmx=1)
    for client in ("neighbour", "wild", "liar", "nameless"):
        all_refused(outcomes(strangers, client, OPEN))
