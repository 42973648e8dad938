"""Ways to write an address that once led through a mail host to another one. None does, whoever writes it, and nothing
leaves: where it would go, there is a host that takes everything, and it gets only what may be sent there openly."""
import pytest

from conftest import needs_root
from host import wait_for
from strangers import all_strangers, strangers  # noqa: F401

pytestmark = needs_root

# To this host, with another one hidden in the local part: no such user, for everybody.
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

# To another host, however it is written: for those alone who may relay.
OPEN = [
    "victim@elsewhere.test", "victim@ELSEWHERE.test", "@host.test:victim@elsewhere.test",
    "@elsewhere.test,@host.test:victim@elsewhere.test", "@elsewhere.test:victim@elsewhere.test",
    "victim@[192.0.2.30]", "bob%host.test@elsewhere.test", "host.test!bob@elsewhere.test",
    "\"bob@host.test\"@elsewhere.test",
]

# No addresses at all: nothing may be made of them.
BROKEN = [
    "victim@elsewhere.test@host.test", "victim@elsewhere.test:host.test", "@host.test", "@elsewhere.test:",
    "victim@[elsewhere.test]", "victim@[192.0.2.30]@host.test", "victim@elsewhere.test>,<bob@host.test",
    "victim@elsewhere.test\0@host.test", "victim@[]", "victim@[IPv6:]", "victim(@host.test)@elsewhere.test",
    "victim@elsewhere.test(@host.test)", "victim@host.test@", "victim @elsewhere.test", "victim@elsewhere..test",
    "\"victim@elsewhere.test", "victim\"@\"elsewhere.test",
]

# "victim" at a literal that is another host's, or written like ours and not ours.
LITERALS = ["victim@[192.0.2.10]", "victim@[IPv6:2001:db8::14]", "victim@[::ffff:192.0.2.30]", "victim@3221225998"]


def outcomes(strangers, client, addresses):
    """RCPT's answer to each address, in a session of its own: who makes mistakes is not heard for long."""
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
    """What reached the other host during the test: one message must have, so that nothing else can still be on its
    way, and it must be alone."""
    before = len(strangers.sink.messages)
    yield strangers.sink
    with strangers.host.smtp() as own:
        own.sendmail("alice@host.test", ["witness@elsewhere.test"], "Subject: the last one\r\n\r\n")
    wait_for(lambda: any(b"the last one" in text for _, _, text in strangers.sink.messages[before:]),
             what="the witness")
    strangers.host.wait_for_empty_queue()
    reached = [recipients for _, recipients, _ in strangers.sink.messages[before:]]
    assert reached == [("witness@elsewhere.test",)]


def test_a_stranger_reaches_nobody_but_users_here(strangers, sink):
    all_refused(outcomes(strangers, "good", HIDDEN + OPEN + LITERALS + BROKEN))


def test_a_stranger_who_goes_on_all_the_same(strangers, sink):
    """Refused recipients are no recipients, whatever comes after them in one packet."""
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
def test_nobody_gets_further_by_a_trick_than_openly(strangers, sink, client, options):
    strangers.configure(**options)
    all_refused(outcomes(strangers, client, HIDDEN + BROKEN))
    for address, reply in outcomes(strangers, client, OPEN).items():
        assert reply.startswith("250"), (address, reply)


def test_this_host_itself_does_not_unpack_addresses(strangers, sink):
    all_refused(outcomes(strangers, "host", HIDDEN))


def test_a_client_whose_mx_is_not_its_own_is_a_stranger(strangers, sink):
    strangers.configure(localmx=1)
    for client in ("neighbour", "wild", "liar", "nameless"):
        all_refused(outcomes(strangers, client, OPEN))
