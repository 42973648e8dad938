"""sendmail -odi and -v end when the message is delivered, and report the outcome of each recipient; a delivery never
waits for them."""
import os
import re
import signal
import socket
import subprocess

import pytest

from awaited_delivery import TEXT, last_lines, relay_to, relaying, send, sink, trigger  # noqa: F401
from conftest import needs_root
from host import free_port, local_user, wait_for
from mail_network import hosts, subject  # noqa: F401
from processes import of_each
from sink import Sink
from strict_sink import StrictSink


def test_sendmail_odi_ends_when_the_message_is_in_the_mailbox(host):
    host.start()
    assert send(host, "-odi", local_user()) == (0, "")
    assert b"Subject: watched" in host.mailbox(local_user())
    assert host.spool_files() == []


def test_sendmail_v_names_the_message_and_its_outcome(host):
    host.start()
    user = local_user()
    status, said = send(host, "-v", user)
    assert status == 0
    assert re.search(r"^\w+: stored$", said, re.MULTILINE)
    assert last_lines(said)[0].startswith(f"{user}@host.test: delivered: 250 2.0.0 ")
    assert b"Subject: watched" in host.mailbox(user)


def test_sendmail_v_shows_the_dialogue_with_the_relay_host(relaying, sink):
    status, said = send(relaying, "-v", "-f", "me@host.test", "you@elsewhere.test")
    assert status == 0
    lines = said.splitlines()
    wanted = ["127.0.0.1 << 220 sink.test ESMTP", "127.0.0.1 >> EHLO host.test",
              "127.0.0.1 >> RCPT TO:<you@elsewhere.test>", "127.0.0.1 << 250 2.1.5 OK", "127.0.0.1 << 250 2.0.0 kept"]
    places = [lines.index(line) for line in wanted]
    assert places == sorted(places)
    assert lines[-1] == "you@elsewhere.test: delivered: 250 2.0.0 kept ([127.0.0.1])"
    assert len(sink.messages) == 1
    relaying.wait_for_empty_queue()


def test_sendmail_v_shows_the_dialogue_with_a_mail_host(make_host):
    with Sink(address="127.0.0.2") as other:
        host = make_host("host", remote_port=str(other.port)).start()
        status, said = send(host, "-v", "you@[127.0.0.2]")
        assert status == 0 and "127.0.0.2 >> RCPT TO:<you@[127.0.0.2]>" in said, host.log_text()
        assert last_lines(said) == ["you@[127.0.0.2]: delivered: 250 2.0.0 kept ([127.0.0.2])"]
        assert len(other.messages) == 1


def test_a_server_that_finds_the_message_in_drop_reports_it(host):
    """As when the server was just started, or a queue run reads the folder at this moment."""
    host.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(os.path.join(host.folder, "deaf"))
        waiting = subprocess.Popen([host.command("sendmail"), "-C", host.config, f"-ocontrol={host.folder}/deaf", "-v", "-i",
                                    local_user()], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        waiting.stdin.write(TEXT)
        waiting.stdin.close()
        assert deaf.recv(100).startswith(b"watch ")
        trigger(host, "run")
        assert b": delivered: 250 " in waiting.stderr.read()
        assert waiting.wait(60) == 0


def test_a_reused_connection_is_shown_without_earlier_messages(relaying, sink):
    assert send(relaying, "-odi", "first@elsewhere.test") == (0, "")
    _, said = send(relaying, "-v", "second@elsewhere.test")
    assert "RCPT TO:<second@elsewhere.test>" in said and "first@" not in said
    assert len(sink.messages) == 2


def test_a_deferred_recipient_is_reported_as_queued(relaying):
    assert send(relaying, "-odi", "later@elsewhere.test") == (0, "")
    assert relaying.queue()[0]["recipients"][0]["delay_reason"].endswith("451 4.3.0 later")
    status, said = send(relaying, "-v", "later-too@elsewhere.test")
    assert status == 0
    assert last_lines(said) == ["later-too@elsewhere.test: deferred, waits in the queue: 451 4.3.0 later ([127.0.0.1])"]


def test_an_unreachable_host_is_reported(make_host):
    host = relay_to(make_host, f"[127.0.0.1]:{free_port()}")
    for number in range(2):  # the second time, the host is known to be down
        status, said = send(host, "-v", f"you{number}@elsewhere.test")
        assert status == 0
        assert re.match(rf"you{number}@elsewhere.test: deferred, waits in the queue: 451 4\.4\.1 .*refused", last_lines(said)[0])


def test_a_refused_recipient_is_reported_at_once_and_by_mail(relaying):
    user = local_user()
    status, said = send(relaying, "-odi", "-f", f"{user}@host.test", "nobody@elsewhere.test")
    assert status == 67
    assert said == "sendmail: nobody@elsewhere.test: failed: 550 5.1.1 no such user ([127.0.0.1])\n"
    relaying.wait_for_mail(user, b"multipart/report")


@pytest.mark.parametrize("mode", ["-oem", "-oeq"])
def test_modes_m_and_q_report_by_the_exit_status_alone(relaying, mode):
    assert send(relaying, "-odi", mode, "-f", "<>", "nobody@elsewhere.test") == (67, "")


def test_each_recipient_has_its_own_outcome(relaying):
    user = local_user()
    words = [user, "good@elsewhere.test", "nobody@elsewhere.test", "later@elsewhere.test", "nobody-here"]
    status, said = send(relaying, "-v", *words)
    assert status == 67
    assert "nobody-here: unknown user" in said
    outcomes = dict(line.split(": ")[:2] for line in last_lines(said, 4))
    assert outcomes == {f"{user}@host.test": "delivered", "good@elsewhere.test": "delivered",
                        "nobody@elsewhere.test": "failed", "later@elsewhere.test": "deferred, waits in the queue"}


def test_an_alias_has_the_worst_outcome_of_its_members(relaying):
    relaying.write_aliases(f"good: {local_user()}, good@elsewhere.test\nmixed: good@elsewhere.test, later@elsewhere.test\n"
                           f"bad: {local_user()}, nobody@elsewhere.test, later@elsewhere.test\n")
    status, said = send(relaying, "-v", "-f", "<>", "good", "mixed", "bad")
    assert "alias good" in said, "the steps of the route"
    outcomes = [line.split(": ")[:2] for line in last_lines(said, 3)]
    assert outcomes == [["good@host.test", "delivered"], ["mixed@host.test", "deferred, waits in the queue"],
                        ["bad@host.test", "failed"]]
    assert status == 67


def test_a_list_goes_out_under_its_owner(relaying, sink):
    relaying.write_aliases(f"list: good@elsewhere.test\nowner-list: {local_user()}\n")
    status, said = send(relaying, "-v", local_user(), "list")
    assert status == 0
    assert last_lines(said, 2)[0].startswith(f"{local_user()}@host.test: delivered")
    assert last_lines(said)[0].startswith("list@host.test: ")
    wait_for(lambda: sink.messages, what="the list's message")


def test_sendmail_odi_delivers_at_once_despite_immediate_0(make_host, sink):
    host = relay_to(make_host, sink.endpoint, immediate="0")
    assert send(host, "-odi", "you@elsewhere.test") == (0, "")
    assert len(sink.messages) == 1
    assert send(host, "-odb", "two@elsewhere.test") == (0, "")
    wait_for(host.queue, what="the queue")
    assert len(sink.messages) == 1


def test_sendmail_odq_leaves_the_message_in_the_queue(host):
    host.start()
    status, said = send(host, "-odq", "-v", local_user())
    assert status == 0 and last_lines(said) == [f"{local_user()}@host.test: queued"]
    assert len(host.spool_files()) == 1


def test_without_a_server_the_message_is_queued(host):
    host.start()
    host.stop()
    status, said = send(host, "-v", local_user())
    assert status == 0
    assert last_lines(said, 2) == ["no server is running: the message waits for it", f"{local_user()}@host.test: queued"]
    assert send(host, "-odi", local_user()) == (0, "")
    drops = host.spool_files()
    assert len(drops) == 2 and not any("watch" in name for name in drops)
    host.start()
    wait_for(lambda: host.mailbox(local_user()).count(b"Subject: watched") == 2, what="both messages")


@needs_root
def test_a_recipient_whose_lookup_fails_is_reported_as_queued(host):
    host.start()
    path = "/home/bob/.forward"
    with open(path, "w") as file:
        file.write(":include:/etc/passwd\n")
    os.chown(path, 7902, 7902)
    try:
        status, said = send(host, "-v", "alice", "bob")
    finally:
        os.unlink(path)
    assert status == 0
    first, second = last_lines(said, 2)
    assert first.startswith("alice@host.test: delivered: 250 ")
    assert second.startswith("bob@host.test: deferred, waits in the queue: 451 4.3.5 ")
    assert b"Subject: watched" in host.mailbox("alice")
    # After the lookup succeeds, the recipient has a message of its own, for which no status is reported.
    assert host.run("runq", "-qf").returncode == 0
    host.wait_for_mail("bob", b"Subject: watched")


def test_sendmail_waits_no_longer_than_delivery_wait(make_host):
    with StrictSink(silent=True) as silent:
        host = relay_to(make_host, f"[127.0.0.1]:{silent.port}", delivery_wait="1s")
        assert send(host, "-odi", "you@elsewhere.test") == (0, "")
        status, said = send(host, "-v", "two@elsewhere.test")
        assert (status, last_lines(said)) == (0, ["two@elsewhere.test: still being delivered"])
        status, said = send(host, "-v", "-odelivery-wait=0", "three@elsewhere.test")
        assert (status, last_lines(said)) == (0, ["three@elsewhere.test: queued"])
        wait_for(lambda: len(host.queue()) == 3, what="three messages in the queue")


def test_sendmail_ends_when_the_server_is_killed(make_host):
    with StrictSink(silent=True) as silent:
        host = relay_to(make_host, f"[127.0.0.1]:{silent.port}", delivery_wait="1h")
        waiting = subprocess.Popen([host.command("sendmail"), "-C", host.config, "-v", "-i", "you@elsewhere.test"],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        waiting.stdin.close()
        wait_for(lambda: silent.connections, what="the connection")
        of_each(host, lambda pid: os.kill(pid, signal.SIGKILL))
        host.process.wait()
        host.process = None
        assert waiting.stderr.read().splitlines()[-1] == b"you@elsewhere.test: queued"
        assert waiting.wait(60) == 0


def test_a_submitter_that_is_killed_delays_no_mail(relaying, sink):
    for number in range(10):
        waiting = subprocess.Popen([relaying.command("sendmail"), "-C", relaying.config, "-v", "-i",
                                    f"you{number}@elsewhere.test"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        waiting.stdin.close()
        said = b"-"
        while said and b" >> MAIL" not in said:  # until the server has the message
            said = waiting.stderr.readline()
        assert said
        waiting.kill()
        waiting.wait()
        waiting.stderr.close()
    assert send(relaying, "-odi", "last@elsewhere.test") == (0, "")
    relaying.wait_for_empty_queue()


def test_a_closed_standard_error_loses_no_message(relaying, sink):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run([relaying.command("sendmail"), "-C", relaying.config, "-v", "-i", "you@elsewhere.test"],
                          input=TEXT, stderr=write_end, timeout=60)
    os.close(write_end)
    assert done.returncode == 0
    assert len(sink.messages) == 1


def test_many_submitters_wait_at_the_same_time(relaying, sink):
    """More than the server reports to: the others end as well, and each message is delivered once."""
    command = [relaying.command("sendmail"), "-C", relaying.config, "-odi", "-i"]
    waiting = [subprocess.Popen([*command, f"n{number}@elsewhere.test"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
               for number in range(120)]
    for one in waiting:
        assert one.communicate(TEXT, timeout=60) == (None, b"")
        assert one.returncode == 0
    relaying.wait_for_empty_queue()
    assert len(sink.messages) == 120


@needs_root
def test_outcomes_at_other_hosts_are_reported(hosts, subject):
    text = f"Subject: {subject}\n\nbody\n".encode()
    status, said = send(hosts.a, "-v", "-f", "<>", "bob@b.test", text=text)
    assert status == 0
    assert re.search(r"^(192\.0\.2\.2|2001:db8::2) >> RCPT TO:<bob@b\.test>", said, re.MULTILINE)
    assert re.match(r"bob@b\.test: delivered: 250 2\.0\.0 .*\(b\.test \[", last_lines(said)[0])
    assert subject.encode() in hosts.b.mailbox("bob")
    status, said = send(hosts.a, "-odi", "-f", "<>", "bob@no-such-domain.test", text=text)
    assert status == 68 and "bob@no-such-domain.test: failed: 550 5.1.2" in said
    status, said = send(hosts.a, "-odi", "-f", "<>", "bob@null.test", "nosuch@b.test", text=text)
    assert status == 67, said
    assert "bob@null.test: failed: 556 5.1.10" in said and "nosuch@b.test: failed: 550 5.1.1" in said
