"""A queue run of the user tries the messages that its options select, and shows their delivery with -v."""
import pytest

from host import local_user, wait_for
from processes import helpers
from sink import Sink


def queue_for(host, *recipients):
    for recipient in recipients:
        host.run("sendmail", "-f", "sender@host.test", recipient, input=b"Subject: hello\n\n", check=True)
    wait_for(lambda: host.log_text().count(" deferred to=") >= len(recipients), what=host.log_text)


@pytest.fixture
def late(make_host):
    """A sink that defers at first, and messages that wait for it."""
    with Sink() as sink:
        sink.verdict = lambda address: "451 4.3.0 not now"
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1h")
        host.start()
        queue_for(host, "one@a.test", "two@b.test")
        sink.verdict = lambda address: "250 ok"
        yield host, sink


def recipients_of(sink):
    return sorted(recipient for _, recipients, _ in sink.messages for recipient in recipients)


@pytest.mark.parametrize("filters, reached", [
    (["-qRb.test"], ["two@b.test"]), (["-q!Rb.test"], ["one@a.test"]), (["-qSsender@", "-qRONE@"], ["one@a.test"]),
    (["-qSother@"], []),
])
def test_filters_select_the_messages(late, filters, reached):
    host, sink = late
    shown = host.run("runq", "-v", *filters, check=True).stderr.decode()
    assert recipients_of(sink) == reached
    assert len(host.queue()) == 2 - len(reached)
    for recipient in ("one@a.test", "two@b.test"):
        assert (f"{recipient}: delivered: 250 2.0.0 kept" in shown) == (recipient in reached), shown
        assert (f"RCPT TO:<{recipient}>" in shown) == (recipient in reached), shown


def test_without_v_a_run_delivers_silently(late):
    host, sink = late
    done = host.run("runq", "-qRb.test", check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    wait_for(lambda: recipients_of(sink) == ["two@b.test"], what=host.log_text)


def test_the_server_works_beside_a_run(late):
    """Each message is delivered by one of the two."""
    host, sink = late
    host.run("runq", "-qf", "-v", check=True)
    assert recipients_of(sink) == ["one@a.test", "two@b.test"]
    host.run("sendmail", "three@c.test", input=b"Subject: hello\n\n", check=True)
    wait_for(lambda: recipients_of(sink) == ["one@a.test", "three@c.test", "two@b.test"], what=host.log_text)
    assert len(helpers(host, "queue runner")) == 1
    host.wait_for_empty_queue()


def test_a_failed_delivery_is_shown(make_host):
    host = make_host("host", retry="1h")
    host.start()
    queue_for(host, "one@a.test")  # there is no name server
    shown = host.run("runq", "-v", "-qRa.test").stderr
    assert b": one@a.test: deferred: 451 4.4.3 " in shown


def test_lines_of_each_connection_have_a_prefix(late):
    host, sink = late
    shown = host.run("runq", "-qf", "-v", check=True).stderr.decode()
    prefixes = {line.split("] ")[0] for line in shown.splitlines() if " >> " in line or " << " in line}
    assert prefixes and all(prefix[0] == "[" and prefix[1:].isdigit() for prefix in prefixes), shown
    for prefix in prefixes:
        said = [line.split(" >> ")[1].split()[0] for line in shown.splitlines()
                if line.startswith(prefix + "] ") and " >> " in line]
        assert said[0] == "EHLO" and said.count("EHLO") == 1, shown


def test_a_run_takes_in_submissions_and_shows_them(host):
    host.start()
    host.stop()
    host.run("sendmail", local_user(), input=b"Subject: hello\n\n", check=True)
    shown = host.run("runq", "-v", check=True).stderr.decode()
    assert f"{local_user()}@host.test: delivered: 250 2.0.0 " in shown
    assert b"Subject: hello" in host.mailbox(local_user())
