"""The daemon serves clients after any of its processes was killed or stopped, and after processes or descriptors ran
out; all mail that was accepted arrives once."""
import contextlib
import os
import re
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

from accepted_mail import Sender
from conftest import needs_root
from host import local_user, wait_for
from processes import descriptors, helpers, is_alive, kill, wait_for_title, with_title
from smtp_clients import in_a_transaction, message, refuses_connections, send
from strict_sink import StrictSink


def test_all_processes_end_after_the_master(host):
    host.start()
    client = in_a_transaction(host)
    assert client.docmd("DATA")[0] == 354
    children = helpers(host, "listener") + helpers(host, "spawner") + helpers(host, "queue runner")
    assert len(children) == 3
    host.process.kill()
    host.process.wait()
    host.process = None
    wait_for(lambda: refuses_connections(host.port), what="the end of the port")
    client.send(b"Subject: at the end\r\n\r\n.\r\n")
    code, _ = client.getreply()
    assert code in (250, 451)
    client.close()
    wait_for(lambda: not any(is_alive(pid) for pid in children), what="the end of the helpers")
    host.start()
    send(host, b"by the next one")
    host.wait_for_mail(local_user(), b"by the next one")
    assert (b"Subject: at the end" in host.mailbox(local_user())) == (code == 250)


@pytest.mark.parametrize("helper", ["listener", "queue runner", "spawner"])
def test_a_killed_helper_is_replaced(host, helper):
    host.start()
    pid, = helpers(host, helper)
    kill(pid)
    wait_for(lambda: re.search(f'helper-ended process="?{helper}"? status="signal 9"', host.log_text()), what="the log line")
    wait_for(lambda: [p for p in helpers(host, helper) if p != pid], what="another helper")
    wait_for(host.answers, what="an answer")
    send(host, b"by SMTP")
    host.wait_for_mail(local_user(), b"by SMTP")
    host.run("sendmail", local_user(), input=b"Subject: by hand\n\n", check=True)
    host.wait_for_mail(local_user(), b"by hand")


def test_sigterm_for_the_process_group_is_a_stop(make_host):
    host = make_host("host")
    host.process = subprocess.Popen([host.command("smtpd"), "-C", host.config, "-bD"], start_new_session=True)
    wait_for(host.answers, what="the daemon answering")
    clients = [in_a_transaction(host) for _ in range(3)]
    os.killpg(host.process.pid, signal.SIGTERM)
    host.process.wait(30)
    host.process = None
    for client in clients:
        client.close()
    assert "crash" not in host.log_text() and "stopped" in host.log_text()


def test_a_crash_of_a_session_process_ends_one_session(host):
    host.start()
    one, other = in_a_transaction(host), in_a_transaction(host)
    port = one.sock.getsockname()[1]
    inside = [pid for pid in with_title(host, "SMTP 127.0.0.1") if holds_client(pid, port)]
    assert len(inside) == 1
    kill(inside[0], signal.SIGSEGV)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        one.data(message(b"lost"))
    assert other.data(message(b"not lost"))[0] == 250
    other.quit()
    wait_for(lambda: re.search(r'crash process="?session\b.*signal 11', host.log_text()), what="the log line")


def holds_client(pid, port):
    return any(name.startswith("tcp ") and name.endswith(f"-{port}") for name in descriptors(pid))


@needs_root
def test_a_killed_local_agent_is_replaced(host):
    host.start()
    send(host, b"first", "alice")
    pid, = wait_for_title(host, "deliver alice")
    kill(pid)
    wait_for(lambda: not is_alive(pid), what="its end")
    send(host, b"second", "alice")
    host.wait_for_mail("alice", b"Subject: second")


def test_no_client_is_lost_when_session_processes_are_replaced(host):
    """After a thousand clients a session process ends and another one takes its place."""
    host.write_config(clients="200")
    host.start()
    lost = []

    def come_and_go():
        for _ in range(2000):
            with socket.create_connection(("127.0.0.1", host.port), timeout=20) as client:
                if not client.recv(100).startswith(b"220"):
                    lost.append(client.getsockname())
                client.sendall(b"QUIT\r\n")
                while client.recv(1000):
                    pass
    clients = [threading.Thread(target=come_and_go) for _ in range(30)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert lost == []


@needs_root
@pytest.mark.parametrize("title", ["spawner", "queue runner", "listener"])
def test_mail_is_accepted_while_a_helper_is_killed_repeatedly(host, title):
    host.start()
    sender = Sender(host)
    for _ in range(3):
        pid = wait_for(lambda: helpers(host, title), what="the process")[0]
        assert kill(pid)
        wait_for(lambda: not is_alive(pid), what="its end")
        assert sender.sendmail() == 0
        wait_for(lambda: any(p != pid for p in helpers(host, title)), what="another process")
        wait_for(host.answers, what="the port")
        wait_for(lambda: sender.smtp() == 250, what="service as before")
    host.run("runq")
    sender.all_arrive()
    assert host.process.poll() is None


@needs_root
def test_a_delivery_waits_for_a_stopped_spawner(host):
    host.start()
    sender = Sender(host)
    spawner = wait_for(lambda: helpers(host, "spawner"), what="the process")[0]
    os.kill(spawner, signal.SIGSTOP)
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(sender.smtp()))
    waiting.start()
    with host.smtp() as other:
        assert other.noop()[0] == 250, "other clients are served meanwhile"
    os.kill(spawner, signal.SIGCONT)
    waiting.join(40)
    assert replies == [250]
    sender.all_arrive()


@needs_root
def test_mail_is_delivered_after_agents_are_killed(make_host):
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        os.chown(host.folder, 0, 0)
        host.start()
        sender = Sender(host)
        for title in ("delivering", "idle, last delivered", "pickup"):
            assert sender.sendmail("them@far.test") == 0
            # An agent that is killed between the reply and the journal costs one more copy.
            wait_for(lambda: host.log_text().count("delivered to=<them@far.test>") >= len(sender.accepted), what="the record")
            for pid in with_title(host, title):
                kill(pid)
        assert sender.smtp("them@far.test") == 250
        wait_for(lambda: len(sink.transactions) >= len(sender.accepted), what="the last message")
        host.run("runq")
        sender.all_arrive_at(sink)


@needs_root
def test_sessions_continue_after_the_listener_is_killed(host):
    host.start()
    sender = Sender(host)
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@example.org")
        client.rcpt("alice@host.test")
        assert client.docmd("DATA")[0] == 354
        kill(wait_for(lambda: helpers(host, "listener"), what="the process")[0])
        client.send(b"Subject: x\r\n\r\nhalf a message\r\n")
        assert client.docmd(".")[0] == 250, "the session continues"
    wait_for(host.answers, what="a new listener")
    assert sender.smtp() == 250
    host.wait_for_mail("alice", b"half a message")
    wait_for(lambda: sender.accepted == [t for t in sender._tokens("alice") if t])


def serves_again(host):
    """After the limit of the prefix was reached."""
    host.prefix = []
    sender = Sender(host)
    wait_for(host.answers, 30, "free places")
    wait_for(lambda: sender.smtp() == 250, 30, "service as before")
    sender.all_arrive()


@needs_root
def test_the_daemon_serves_after_descriptors_ran_out(make_host):
    host = make_host("host", prefix=[], client_connections="1000")
    host.prefix = ["prlimit", "--nofile=40"]
    host.start()
    wait_for(host.answers, what="the port")
    clients = []
    try:
        for _ in range(80):
            with contextlib.suppress(OSError):
                clients.append(socket.create_connection(("127.0.0.1", host.port), timeout=2))
    finally:
        for client in clients:
            client.close()
    serves_again(host)


@needs_root
def test_the_daemon_serves_after_processes_ran_out(make_host):
    # The limit counts all processes of the account on the machine: no other test uses this account.
    host = make_host("host", prefix=["prlimit", "--nproc=12"], client_connections="1000", user="limited")
    host.start()
    wait_for(host.answers, what="the port")
    clients, replies = [], []
    try:
        for _ in range(40):
            client = smtplib.SMTP(timeout=20)
            clients.append(client)
            replies.append(client.connect("127.0.0.1", host.port)[0])
            if replies[-1] == 220:
                client.ehlo("client.test")
                client.mail("a@example.org")  # a client in a transaction keeps its process
        assert 220 in replies and 421 in replies, replies
    finally:
        for client in clients:
            client.close()
    serves_again(host)
