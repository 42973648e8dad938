"""A message that cannot be delivered now is tried again at the times that retry= names, until qreturn= is over."""
import datetime
import os
import time

import pytest

from accepted_mail import Sender
from conftest import needs_root
from host import free_port, local_user, wait_for
from sick_nameserver import SickNameServer
from sink import Sink
from smtp_clients import send
from strict_sink import StrictSink


def retry_times(host):
    """The attempts in the only journal: (when it was tried, when it is tried again). Empty without a journal."""
    journals = host.paths_in_spool("cm")
    if not journals:
        return []
    with open(journals[0]) as file:
        lines = [line.split() for line in file]
    return [(words[0], words[3]) for words in lines if words[1:3] == ["retry", "at"]]


def seconds_between(earlier, later):
    times = [datetime.datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ") for t in (earlier, later)]
    return (times[1] - times[0]).total_seconds()


def test_the_first_interval_of_retry_is_the_first_wait(host):
    host.write_config(retry="1h,1d")
    host.start()
    host.run("sendmail", "-i", "friend@unreachable.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and retry_times(host), what="a first attempt")
    host.stop()  # a message that was due is tried before the end
    times = retry_times(host)
    assert len(times) == 1
    assert 3600 <= seconds_between(*times[0]) <= 3960  # plus a random tenth at most


def test_a_journal_from_the_future_is_due_now(host):
    """The times of journals say when they are due; the clock may have been years ahead when they were written."""
    port = free_port()
    host.write_config(retry="1h", relay_host=f"[127.0.0.1]:{port}")
    host.start()
    host.run("sendmail", "-i", "friend@elsewhere.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and retry_times(host), what="a first attempt")
    host.stop()
    [journal] = host.paths_in_spool("cm")
    os.utime(journal, (time.time(), time.time() + 10 * 365 * 86400))
    with Sink("127.0.0.1", port) as sink:
        host.start()
        wait_for(lambda: sink.messages, what=lambda: f"the message; log: {host.log_text()}")
        host.wait_for_empty_queue()


def test_sendmail_M_tries_a_message_now(host):
    """The server has its old time in memory, and regards its destination as down."""
    port = free_port()
    host.write_config(retry="1h", relay_host=f"[127.0.0.1]:{port}")
    host.start()
    host.run("sendmail", "-i", "friend@elsewhere.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and retry_times(host), what="a first attempt")
    [journal] = host.paths_in_spool("cm")
    with Sink("127.0.0.1", port) as sink:
        host.run("sendmail", "-M", os.path.basename(journal).removeprefix("cm"), check=True)
        wait_for(lambda: sink.messages, what=lambda: f"the message; log: {host.log_text()}")
        host.wait_for_empty_queue()


def test_mail_for_a_host_that_is_down_is_not_counted_as_an_attempt(host):
    host.write_config(retry="1h", relay_host=f"[127.0.0.1]:{free_port()}")
    host.start()
    for number in range(2):
        host.run("sendmail", "-i", f"friend{number}@elsewhere.test", input=b"Subject: waits\n\n", check=True)
        wait_for(lambda: host.log_text().count(" deferred to=") > number, what=host.log_text)
    wait_for(lambda: sorted(line.split(b" attempt")[0].split()[-1] for line in host.run("mailq", "-v").stdout.splitlines()
                            if b" attempt" in line) == [b"0", b"1"], what="one attempt in all")
    assert host.run("mailq").stdout.count(b"(451 4.4.1 ") == 2


def test_the_sender_gets_the_last_reason_after_qreturn(host):
    said = iter(f"451 4.7.1 not now, for the {n}. time".encode() for n in range(1, 100))
    with StrictSink(replies={"RCPT": lambda: next(said)}) as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", retry="1s,2s", qreturn="5s")
        host.start()
        send(host, b"in vain", "you@elsewhere.test", sender=f"{local_user()}@host.test")
        report = host.wait_for_mail(local_user(), b"multipart/report", seconds=40).decode()
        attempts = sum(line.startswith("RCPT") for line in sink.commands)
    assert attempts >= 3
    assert "Final-Recipient: rfc822; you@elsewhere.test" in report.replace("rfc822;you", "rfc822; you")
    assert "Status: 5.4.7" in report
    assert f"not now, for the {attempts}. time" in " ".join(report.split())
    assert "Subject: in vain" in report
    host.wait_for_empty_queue()


@needs_root
@pytest.mark.parametrize("mode", ["silent", "servfail"])
def test_mail_waits_while_the_name_server_fails(make_host, mode):
    with StrictSink() as sink, SickNameServer(mode) as names:
        host = make_host("host", nameserver=names.address, remote_port=str(sink.port), retry="1s")
        host.start()
        sender = Sender(host)
        assert sender.sendmail("them@far.test") == 0
        wait_for(lambda: names.asked > 0, what="a question")
        if mode == "servfail":
            wait_for(lambda: "deferred" in host.log_text(), what="a deferral")
        assert "failed" not in host.log_text()
        names.mode = {"far.test": "127.0.0.1"}
        assert sender.sendmail("them@far.test") == 0
        wait_for(lambda: host.run("runq").returncode == 0 and len(sink.transactions) >= 2, 40, "both messages")
        sender.all_arrive_at(sink)


@needs_root
def test_mail_waits_for_the_relay_host(make_host):
    port = free_port()
    host = make_host("host", relay_host=f"[127.0.0.1]:{port}", retry="1s")
    host.start()
    sender = Sender(host)
    for _ in range(3):
        assert sender.smtp("them@far.test") == 250
    wait_for(lambda: host.log_text().count("deferred") >= 3, what="the first attempts")
    with StrictSink() as sink:
        host.write_config(relay_host=f"[127.0.0.1]:{sink.port}")
        host.reload()
        sender.all_arrive_at(sink)
