"""Senders choose when a message is delivered: FUTURERELEASE (RFC 4865), DELIVERBY (RFC 2852) and MT-PRIORITY (RFC 6710),
in SMTP and with sendmail -O, on this host and through others."""
import os
import time

from conftest import needs_root
from dsn_report import Notice
from host import free_port, local_user, wait_for
from mail_network import hosts, subject  # noqa: F401
from strict_sink import StrictSink

KNOWS_ALL = b"250-sink.test\r\n250-8BITMIME\r\n250-DSN\r\n250-DELIVERBY\r\n250 MT-PRIORITY"


def sendmail(host, *words, subject="scheduled", recipient="you@elsewhere.test"):  # noqa: F811
    return host.run("sendmail", "-i", "-f", f"{local_user()}@host.test", *words, recipient, input=f"Subject: {subject}\n\nHello.\n".encode())


def report_at(host):
    raw = host.wait_for_mail(local_user(), b"multipart/report", seconds=40)
    return Notice(raw[raw.index(b"\n") + 1:])


def test_a_message_is_not_delivered_before_its_release(host):
    host.start()
    assert sendmail(host, "-O", "HoldFor=1h", recipient=local_user(), subject="later").returncode == 0
    wait_for(lambda: b"(held until " in host.run("mailq").stdout, what="the held message")
    assert host.run("runq", "-v").returncode == 0
    host.run("sendmail", "-qf")
    assert sendmail(host, recipient=local_user(), subject="at once").returncode == 0
    host.wait_for_mail(local_user(), b"Subject: at once")
    assert b"Subject: later" not in host.mailbox(local_user())
    [waiting] = host.queue()
    assert waiting["queue_name"] == "deferred"
    assert 3000 < waiting["release_time"] - waiting["arrival_time"] <= 3601


def test_a_message_is_delivered_after_its_release(host):
    host.start()
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    assert sendmail(host, "-O", f"HoldUntil={when}", recipient=local_user()).returncode == 0
    host.wait_for_mail(local_user(), b"Subject: scheduled")
    host.wait_for_empty_queue()


def test_sendmail_refuses_times_and_priorities_that_it_cannot_keep(host):
    host.write_config(future_release="1d")
    for words, reason in [(["-O", "HoldFor=2d"], b"no message is held for more than 1d here"),
                          (["-O", "HoldFor=soon"], b"must be a time"),
                          (["-O", "HoldUntil=2026-13-01T00:00:00Z"], b"RFC 3339"),
                          (["-O", "HoldFor=1h", "-O", "HoldUntil=2026-12-24T18:00:00Z"], b"exclude each other"),
                          (["-O", "HoldFor=1h", "-O", "DeliverBy=30m"], b"before the release"),
                          (["-O", "DeliverBy=1h;X"], b"as in 2h;R"),
                          (["-O", "Priority=12"], b"from -9 to 9")]:
        done = sendmail(host, *words)
        assert done.returncode == 64 and reason in done.stderr, words


def test_what_is_not_delivered_in_time_is_returned(host):
    host.write_config(relay_host=f"[127.0.0.1]:{free_port()}", retry="1s")
    host.start()
    assert sendmail(host, "-O", "DeliverBy=3s;R").returncode == 0
    notice = report_at(host)
    only = notice.of("you@elsewhere.test")
    assert (only["Action"], only["Status"]) == ("failed", "5.4.7")
    assert "Deliver-By-Date" in notice.host
    host.wait_for_empty_queue()


def test_a_message_with_an_end_goes_to_no_host_that_does_not_know_of_it(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        assert sendmail(host, "-O", "DeliverBy=1h;R").returncode == 0
        assert report_at(host).of("you@elsewhere.test")["Status"] == "5.3.3"
        assert not sink.transactions


def test_the_sender_hears_that_the_time_is_over_and_delivery_goes_on(host):
    port = free_port()
    host.write_config(relay_host=f"[127.0.0.1]:{port}", retry="1s")
    host.start()
    assert sendmail(host, "-O", "DeliverBy=2s").returncode == 0
    only = report_at(host).of("you@elsewhere.test")
    assert only["Action"] == "delayed"
    assert len(host.queue()) == 1


def test_the_next_host_is_told_of_time_and_priority(host):
    with StrictSink(replies={"EHLO": KNOWS_ALL}) as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        assert sendmail(host, "-O", "DeliverBy=1h;RT", "-O", "Priority=4").returncode == 0
        wait_for(lambda: sink.transactions, what="the message")
        [command] = [line for line in sink.commands if line.startswith("MAIL")]
        seconds = int(command.split(" BY=")[1].split(";RT")[0])
        assert 3500 < seconds <= 3600
        assert " MT-PRIORITY=4" in command
        only = report_at(host).of("you@elsewhere.test")  # since a trace was asked for
        assert only["Action"] == "relayed"


@needs_root
def test_hosts_of_ours_pass_the_request_on(hosts, subject):  # noqa: F811
    with hosts.a.smtp() as client:
        text = f"Subject: {subject}\r\nFrom: <alice@a.test>\r\n\r\nHello.\r\n"
        assert client.sendmail("alice@a.test", ["bob@b.test"], text, ["BY=600;R", "MT-PRIORITY=3"]) == {}
    hosts.b.wait_for_message("bob", subject.encode())


def test_priorities_order_the_mail_of_one_destination(host):
    """The relay host takes one message at a time, and is busy with the first while the others come."""
    def wait_at_end():
        wait_for(lambda: os.path.exists(os.path.join(host.folder, "go")), 60)
        return b"250 thanks"

    with StrictSink(replies={"END": wait_at_end}) as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", destination_agents="1")
        host.start()
        assert sendmail(host, subject="first").returncode == 0
        wait_for(lambda: "DATA" in sink.commands, what="the first message")
        for number, priority in enumerate(["-2", "0", "5"]):
            assert sendmail(host, "-O", f"Priority={priority}", subject=f"priority {priority}").returncode == 0
            wait_for(lambda: host.log_text().count(" queued ") == number + 2, what=host.log_text)
        # The first is under way; of a destination that was not quick yet the others wait unopened.
        wait_for(lambda: len(host.queue()) == 4, what=lambda: f"all in the queue: {host.queue()}")
        open(os.path.join(host.folder, "go"), "w").close()
        host.wait_for_empty_queue()
        subjects = [part.data.split(b"Subject: ")[1].split(b"\r\n")[0] for part in sink.transactions]
        assert subjects == [b"first", b"priority 5", b"priority 0", b"priority -2"]
