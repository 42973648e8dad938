"""Tables say where mail for other domains goes: to a relay, an LMTP server, nowhere, or back; and what the tables say
now counts, for mail that waits, too."""
import os
import re

import pytest

from conftest import needs_root
from dovecot import dovecot, needs_dovecot  # noqa: F401
from host import wait_for
from sink import Sink
from strangers import all_strangers, strangers  # noqa: F401

pytestmark = needs_root


def table(host, name, text):
    path = os.path.join(host.folder, name)
    with open(path + ".new", "w") as file:
        file.write(text)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)
    return path


@pytest.fixture
def sinks():
    with Sink() as one, Sink() as two, Sink() as three:
        yield one, two, three


def send(host, *recipients, sender="alice@host.test"):
    with host.smtp() as client:
        client.sendmail(sender, recipients, "Subject: hello\n\nsome words\n")


def reply_to_rcpt(host, recipient):
    with host.smtp() as client:
        client.mail("alice@host.test")
        code, text = client.rcpt(recipient)
        return f"{code} {text.decode()}".replace("\n", " ")


def recipients_of(sink):
    return sorted(to for _, all_of_them, _ in sink.messages for to in all_of_them)


def test_each_kind_of_route(host, sinks):
    one, two, three = sinks
    host.write_config(relay_host=three.endpoint, routes=table(host, "transport", f"""
# A table as Postfix has it.
one.test        smtp:{one.endpoint}
.one.test       relay:{two.endpoint}
bob@one.test    smtp:{two.endpoint}
twice.test      smtp:[127.0.0.1]:1,
                {one.endpoint}
hole.test       discard:
gone.test       error:5.1.6 gone.test has moved
later.test      retry:not before next week
"""))
    host.start()
    send(host, "carol@one.test", "bob@one.test", "carol@below.one.test", "carol@else.test", "carol@twice.test",
         "carol@hole.test")
    host.wait_for_empty_queue()
    assert recipients_of(one) == ["carol@one.test", "carol@twice.test"]
    assert recipients_of(two) == ["bob@one.test", "carol@below.one.test"]
    assert recipients_of(three) == ["carol@else.test"]
    assert "Discarded" in host.log_text()
    assert reply_to_rcpt(host, "bob@gone.test") == "550 5.1.6 bob@gone.test: gone.test has moved"
    assert reply_to_rcpt(host, "bob@later.test") == "450 4.4.4 bob@later.test: not before next week"


def test_the_trace_and_bv_ask_the_same_tables(host, sinks):
    routes = table(host, "routes", f"one.test smtp:{sinks[0].endpoint}\ngone.test error:no\n")
    senders = table(host, "senders", f"@club.test {sinks[1].endpoint}\n")
    host.write_config(relay_host=sinks[2].endpoint, routes=routes, sender_relay=senders)
    host.start()

    def shown(*arguments):
        return host.run("sendmail", *arguments).stdout.decode()
    assert f"route one.test smtp:{sinks[0].endpoint} ({routes}:1)" in shown("-bt", "bob@one.test")
    assert f"by 127.0.0.1:{sinks[0].port}" in shown("-bt", "bob@one.test").replace("[127.0.0.1]", "127.0.0.1")
    assert "550 5.4.4 bob@gone.test: no" in shown("-bt", "bob@gone.test")
    for arguments, sink in ([], sinks[2]), (["-f", "x@club.test"], sinks[1]):
        assert f":{sink.port}" in shown("-bv", *arguments, "bob@else.test")


def test_a_corrected_table_counts_for_mail_that_waits(host, sinks):
    routes = table(host, "routes", "a.test smtp:[127.0.0.1]:1\nb.test pigeon:\n")
    host.write_config(relay_host="[127.0.0.1]:1", routes=routes, retry="1s")
    host.start()
    send(host, "bob@a.test", "bob@b.test")
    wait_for(lambda: f"routes: {routes}:2: " in host.log_text(), what=host.log_text)
    wait_for(lambda: re.search(r"deferred to=<bob@a\.test>", host.log_text()), what=host.log_text)
    table(host, "routes", f"a.test smtp:{sinks[0].endpoint}\nb.test smtp:{sinks[1].endpoint}\n")
    host.run("runq", "-qf", check=True)
    host.wait_for_empty_queue()
    assert (recipients_of(sinks[0]), recipients_of(sinks[1])) == (["bob@a.test"], ["bob@b.test"])


def test_a_table_that_cannot_be_used_bounces_nothing(host, sinks):
    routes = os.path.join(host.folder, "routes")
    host.write_config(relay_host=sinks[0].endpoint, routes=routes, retry="1s")
    host.start()
    send(host, "bob@a.test")
    wait_for(lambda: "deferred to=<bob@a.test>" in host.log_text(), what=host.log_text)
    assert "table-unusable file=" in host.log_text()
    table(host, "routes", "")
    host.run("runq", "-qf", check=True)
    host.wait_for_empty_queue()
    assert recipients_of(sinks[0]) == ["bob@a.test"]


def test_the_check_tells_all_errors_with_their_lines(host):
    routes = table(host, "routes", "a.test pigeon:\na.test smtp:\n\nb.test smtp:[x\n")
    host.write_config(routes=routes, relay_domains=[os.path.join(host.folder, "nothing"), "b.test"])
    checked = host.run("sendmail", "-bC")
    text = checked.stderr.decode()
    for line in (1, 2, 4):
        assert f"{routes}:{line}: " in text
    assert f"relay-domains: {host.folder}/nothing: No such file" in text
    assert checked.returncode == 0  # the server would start


def test_mail_for_relay_domains_is_taken_from_strangers(strangers):
    listed = table(strangers.host, "domains", "tabled.test OK\n")
    strangers.configure(relay_domains=["elsewhere.test", listed], relay_host=strangers.sink.endpoint)
    with strangers.talk("good") as talk:
        talk.say("EHLO good.test")
        talk.say("MAIL FROM:<x@good.test>")
        for domain, code in {"elsewhere.test": "250", "below.elsewhere.test": "250", "tabled.test": "250",
                             "other.test": "550"}.items():
            assert talk.say(f"RCPT TO:<bob@{domain}>").startswith(code), domain
    before = len(strangers.sink.messages)
    assert strangers.mail("good", "x@good.test", "bob@tabled.test").startswith("250")
    wait_for(lambda: len(strangers.sink.messages) > before, what=strangers.host.log_text)
    shown = strangers.host.run("sendmail", "-bt", "bob@tabled.test", "bob@other.test").stdout.decode()
    answers = [line.split(":", 1)[1].split()[0] for line in shown.splitlines() if "from a stranger" in line]
    assert answers == ["250", "550"]


def test_senders_have_relay_hosts_of_their_own(host, sinks):
    club, alice, others = sinks
    host.write_config(relay_host=others.endpoint, sender_relay=table(host, "senders", f"""
@club.test          {club.endpoint}
alice@club.test     {alice.endpoint}
"""))
    host.start()
    for sender in "bob@club.test", "alice@club.test", "carol@host.test":
        send(host, "x@a.test", "y@b.test", sender=sender)
    host.wait_for_empty_queue()
    for sink, sender in (club, "bob@club.test"), (alice, "alice@club.test"), (others, "carol@host.test"):
        assert [message[:2] for message in sink.messages] == [(sender, ("x@a.test", "y@b.test"))]


@pytest.mark.skipif(needs_dovecot[1].args[0], reason="NEEDS dovecot-lmtpd")
@pytest.mark.parametrize("value", ["lmtp:unix:{}", "lmtp:{}"])
def test_dovecot_is_a_route(host, dovecot, value):
    store = dovecot("bob@lists.test")
    host.write_config(routes=table(host, "routes", f"lists.test {value.format(store.socket)}\n"))
    host.start()
    send(host, "bob@lists.test", "nosuch@lists.test")
    wait_for(lambda: store.messages("bob@lists.test"), what=lambda: store.log() + host.log_text())
    wait_for(lambda: "failed to=<nosuch@lists.test>" in host.log_text(), what=host.log_text)
    assert len(store.messages("bob@lists.test")) == 1
