"""Policy daemons that were written for Postfix decide about mail here; one that fails delays mail, or does not."""
import importlib.util
import os
import re

import pytest

from conftest import needs_root
from host import wait_for
from policy_daemon import POLICYD_WEIGHT, POSTGREY, PolicyDaemon, policyd_spf, policyd_weight, postgrey
from strangers import CLIENTS, DNS, all_strangers, strangers  # noqa: F401
from talk import Talk

pytestmark = needs_root
BOB = "bob@host.test"


@pytest.fixture
def asking(make_host):
    """A function that gives a host which asks these daemons, also about the clients of this machine."""
    def host_with(*daemons, options="clients=all", **settings):
        host = make_host("host", policy_service=[f"{one.place},{options}" for one in daemons], **settings)
        return host.start()
    return host_with


def talk_to(host):
    return Talk("127.0.0.1", host.port)


def send(host, *recipients):
    with talk_to(host) as talk:
        assert talk.say("EHLO client.test").startswith("250")
        return talk.send_mail("alice@host.test", *(recipients or [BOB]))


def test_a_daemon_is_asked_at_the_stages_that_it_wants(asking):
    with PolicyDaemon() as daemon:
        host = asking(daemon, options="clients=all,stages=rcpt+data+end-of-message,context=inbound")
        assert send(host, BOB, "alice@host.test").startswith("250")
        host.wait_for_empty_queue()
    assert daemon.states() == ["RCPT", "RCPT", "DATA", "END-OF-MESSAGE"]
    assert [one["recipient_count"] for one in daemon.requests] == ["0", "0", "2", "2"]
    assert [one["recipient"] for one in daemon.requests] == [BOB, "alice@host.test", "", ""]
    assert len({one["instance"] for one in daemon.requests}) == 1
    assert {one["policy_context"] for one in daemon.requests} == {"inbound"}
    assert daemon.connections == 1
    assert daemon.requests[0]["queue_id"] in host.log_text()


def test_a_stranger_is_asked_about_and_a_trusted_client_is_not(strangers):
    with strangers.machines["host"].inside():
        daemon = PolicyDaemon("REJECT 5.7.23 not from there")
    with daemon:
        strangers.configure(policy_service=daemon.place, trusted=CLIENTS["customer"])
        assert strangers.mail("good") == "554 5.7.23 not from there"
        assert strangers.mail("customer").startswith("250")
        assert strangers.mail("liar").startswith("554")
    asked = [(one["client_address"], one["client_name"], one["reverse_client_name"]) for one in daemon.requests]
    assert asked == [(CLIENTS["good"], "good.test", "good.test"), (CLIENTS["liar"], "unknown", "liar.test")]


def test_what_a_daemon_says_is_done(asking):
    """For each recipient another action; the second daemon hears of it if the first one leaves it open."""
    actions = {"reject": "REJECT no \x1b[1mthanks", "code": "451 4.7.0 later", "grey": "DEFER_IF_PERMIT wait",
               "ok": "OK", "bob": "DUNNO", "nonsense": "restriction_class", "field": "PREPEND X-Checked: by the daemon"}
    with PolicyDaemon(lambda asked: actions[asked["recipient"].split("@")[0]]) as first, PolicyDaemon() as second:
        host = asking(first, second)
        host.write_aliases("".join(f"{name}: \\bob\n" for name in actions))
        with talk_to(host) as talk:
            talk.say("EHLO client.test")
            talk.say("MAIL FROM:<alice@host.test>")
            said = {name: talk.say(f"RCPT TO:<{name}@host.test>") for name in actions}
            talk.say("DATA")
            assert talk.say(b"Subject: hello\r\n\r\n.\r\n").startswith("250")
        assert said["reject"] == "554 5.7.1 no ?[1mthanks"
        assert said["code"] == "451 4.7.0 later"
        assert said["grey"] == "450 4.7.1 wait"
        assert all(said[name].startswith("250") for name in ("ok", "bob", "nonsense", "field"))
        asked = [one["recipient"].split("@")[0] for one in second.requests]
        assert asked == ["grey", "bob", "nonsense", "field"]
        text = host.wait_for_mail("bob", b"hello")
    assert text.index(b"X-Checked: by the daemon\n") < text.index(b"Received: ")
    assert "policy-not-followed" in host.log_text() and "action=restriction_class" in host.log_text()
    assert 'policy-verdict' in host.log_text() and 'stage=rcpt action="DEFER_IF_PERMIT wait"' in host.log_text()


def test_a_message_is_discarded_and_the_client_does_not_notice(asking):
    with PolicyDaemon("DISCARD not wanted") as daemon:
        host = asking(daemon, options="clients=all,stages=end-of-message")
        assert send(host).startswith("250")
        wait_for(lambda: "discarded" in host.log_text(), what="the line of the log")
        daemon.answer = "DUNNO"
        assert send(host).startswith("250")
        assert host.wait_for_mail("bob", b"hello").count(b"Subject: hello") == 1
    assert 'action="DISCARD not wanted"' in host.log_text()


def test_a_message_is_held_in_the_queue(asking):
    with PolicyDaemon("HOLD look at it") as daemon:
        host = asking(daemon)
        assert send(host).startswith("250")
        assert [one["queue_name"] for one in host.queue()] == ["hold"] and not host.mailbox("bob")
        path, = host.paths_in_spool("cm")
        with open(path) as file:
            assert re.search(r"\nverdict: service \S+: HOLD look at it, \d+ ms\nhold: look at it\n", file.read())


def test_what_a_daemon_calls_spam_is_treated_as_spam_says(asking):
    with PolicyDaemon("REJECT looks bad") as daemon:
        host = asking(daemon, options="clients=all,refusal=spam", spam="folder:junk")
        assert send(host).startswith("250")
        assert b"\nX-Spam: looks bad\n" in host.wait_for_mail("bob:junk", b"hello")
        assert not host.mailbox("bob")
        host.write_config(spam="bounce")
        host.reload()
        assert send(host) == "554 5.7.1 looks bad"
    assert 'mark=SPAM' in host.log_text() and 'reason="looks bad" action=folder' in host.log_text()


def test_521_ends_the_session(asking):
    with PolicyDaemon("521 5.7.1 go away") as daemon:
        with talk_to(asking(daemon)) as talk:
            talk.say("EHLO client.test")
            talk.say("MAIL FROM:<alice@host.test>")
            assert talk.say(f"RCPT TO:<{BOB}>") == "521 5.7.1 go away"
            assert talk.reply() == ""


def test_a_daemon_that_has_hung_up_or_was_started_again_is_asked_again(asking):
    with PolicyDaemon() as daemon:
        port = int(daemon.place.rsplit(":")[1])
        host = asking(daemon)
        with talk_to(host) as talk:
            talk.say("EHLO client.test")
            assert talk.send_mail("alice@host.test", BOB).startswith("250")
            daemon.hang_up()
            assert talk.send_mail("alice@host.test", BOB).startswith("250")
            assert daemon.connections == 2
            daemon.close()
            talk.say("MAIL FROM:<alice@host.test>")
            assert talk.say(f"RCPT TO:<{BOB}>").startswith("451 4.3.5")
            with PolicyDaemon("OK", port=port):
                assert talk.say(f"RCPT TO:<{BOB}>").startswith("250")
    assert "policy-failed" in host.log_text()


@pytest.mark.parametrize("answer", [None, b"garbage\n\n", b"action=" + b"x" * 1_000_000 + b"\n\n", b"action=OK\0\n\n",
                                    b"\n\n"], ids=["end", "garbage", "long", "nul", "empty"])
def test_an_answer_that_is_none_accepts_or_delays_mail_as_the_option_says(asking, answer):
    with PolicyDaemon(answer) as daemon:
        host = asking(daemon)
        assert send(host).startswith("451 4.3.5")
        host.write_config(policy_service=f"{daemon.place},clients=all,on-failure=accept")
        host.reload()
        assert send(host).startswith("250")


def test_a_silent_daemon_delays_one_client_and_mail_goes_on_without_it(asking, folder):
    path = os.path.join(folder, "policy")
    with PolicyDaemon(b"action=", path=path) as daemon:
        host = asking(daemon, options="clients=all,on-failure=accept,timeout=1s")
        assert send(host, BOB, "alice@host.test").startswith("250")
        assert len(daemon.requests) == 1
    assert "is not asked for half a minute" in host.log_text()


def test_relaxed_order_does_not_lead_around_a_daemon(asking):
    with PolicyDaemon("REJECT") as daemon:
        with talk_to(asking(daemon, relaxed_order=1)) as talk:
            talk.say("EHLO client.test")
            assert talk.say(f"RCPT TO:<{BOB}>").startswith("503")


def test_debug_shows_the_last_answer(asking):
    with PolicyDaemon("WARN strange") as daemon:
        with talk_to(asking(daemon, debug=1)) as talk:
            talk.say("EHLO client.test")
            assert talk.send_mail("alice@host.test", BOB).startswith("250")
            assert f"policy-service: {daemon.place} connected, WARN after " in talk.say("DEBUG")


@pytest.mark.skipif(POSTGREY is None, reason="NEEDS postgrey")
def test_postgrey_delays_a_sender_that_it_does_not_know(make_host, folder):
    with postgrey(folder, "--delay=1") as place:
        host = make_host("host", policy_service=f"{place},clients=all")
        host.start()
        assert send(host).startswith("450 4.2.0")
        wait_for(lambda: send(host).startswith("250"), what="the end of the delay")
        assert b"X-Greylist: delayed" in host.wait_for_mail("bob", b"hello")


@pytest.mark.skipif(importlib.util.find_spec("spf_engine") is None, reason="NEEDS python3-spf-engine")
def test_policyd_spf_refuses_forged_senders_and_adds_its_field(strangers, folder):
    with policyd_spf(folder, strangers.machines["host"], DNS) as place:
        strangers.configure(policy_service=place)
        assert strangers.mail("good", "ann@farm.test").startswith("250")
        assert strangers.mail("customer", "ann@farm.test").startswith("550 5.7.23")
        text = strangers.host.wait_for_mail("bob", b"Received-SPF: Pass").split(b"\nReturn-Path:")[-1]
    assert text.index(b"Received-SPF: Pass") < text.index(b"Received: ")


@pytest.mark.skipif(POLICYD_WEIGHT is None, reason="NEEDS policyd-weight")
def test_policyd_weight_refuses_a_listed_client_and_marks_mail_of_another(strangers, folder):
    with policyd_weight(folder, strangers.machines["host"], DNS, "bad.test") as place:
        strangers.configure(policy_service=place)
        refused = strangers.mail("listed")
        assert refused.startswith("550") and "listed in too many DNSBLs" in refused, refused
        assert strangers.mail("good").startswith("250")
        assert b"\nX-policyd-weight: " in strangers.host.wait_for_mail("bob", b"X-policyd-weight")
