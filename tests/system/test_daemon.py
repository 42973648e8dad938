"""The daemon as its administrator meets it: start, stop, reload, limits, and what it does by the clock."""
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from conftest import needs_root
from host import free_port, local_user, wait_for
from network import Network, NetworkHost, NoNetwork
from own_network import own_network
from processes import descriptors, helpers, is_alive, kill, wait_for_title, with_title
from sink import Sink
from strict_sink import StrictSink

MESSAGE = b"From: a@example.org\r\nTo: you\r\nSubject: %s\r\n\r\nbody\r\n"


def send(host, subject, *recipients, sender="a@example.org"):
    with host.smtp() as client:
        client.sendmail(sender, list(recipients) or [local_user()], MESSAGE % subject)


def in_a_transaction(host):
    """A client that has said everything up to RCPT."""
    client = host.smtp()
    client.ehlo()
    assert client.mail("a@example.org")[0] == 250
    assert client.rcpt(local_user())[0] == 250
    return client


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the port went while we waited to be let in
    return False


# ---- start and stop

def test_it_starts_and_stops(host):
    host.start()
    send(host, b"while it runs")
    pids = list(host.processes())
    assert len(pids) >= 4
    assert host.stop() == 0
    assert refuses_connections(host.port)
    wait_for(lambda: not any(is_alive(pid) for pid in pids), what="the end of every process")
    assert "started version=" in host.log_text() and "stopped" in host.log_text()
    host.start()
    send(host, b"after a start")
    host.wait_for_mail(local_user(), b"after a start")


def test_one_daemon_for_one_spool(host, make_host):
    host.start()
    other = make_host("other", queue_dir=host.spool)
    done = other.run("smtpd", "-bD")
    assert done.returncode == 71
    assert f"another daemon works on {host.spool}".encode() in done.stderr
    send(host, b"the first still serves")
    host.wait_for_mail(local_user(), b"the first still serves")


def test_a_port_that_another_program_is_about_to_leave_is_waited_for(host):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", host.port))
        other.listen()
        with open(os.path.join(host.folder, "stderr"), "w") as stderr:
            host.process = subprocess.Popen([host.command("smtpd"), "-C", host.config, "-bD"], stderr=stderr)
        wait_for(lambda: "Address already in use" in host.stderr(), what="a word about the port")
    host.wait_until_ready()
    assert host.log_text().count("port-busy") == 1


@pytest.mark.parametrize("mode", ["-bD", "-bd"])
def test_a_port_in_use_is_told(host, make_host, mode):
    host.start()
    done = make_host("other", listen=f"127.0.0.1:{host.port}").run("smtpd", mode)
    assert done.returncode == 71
    assert f"127.0.0.1:{host.port}".encode() in done.stderr and b"Address already in use" in done.stderr


def test_in_the_background_it_returns_when_the_port_answers(host):
    assert host.run("smtpd", "-bd").returncode == 0
    with open(os.path.join(host.spool, "pid")) as file:
        pid = int(file.read())
    try:
        send(host, b"at once")
        host.wait_for_mail(local_user(), b"at once")
        assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not is_alive(pid), what="the end of the daemon")


def test_sigterm_lets_a_message_on_its_way_arrive(host):
    host.start()
    client = in_a_transaction(host)
    assert client.docmd("DATA")[0] == 354
    client.send(b"Subject: half\r\n\r\nfirst half\r\n")
    host.process.terminate()
    wait_for(lambda: refuses_connections(host.port), what="the end of the port")
    client.send(b"second half\r\n.\r\n")
    assert client.getreply()[0] == 250
    assert host.process.wait(30) == 0
    host.process = None
    assert b"second half" in host.mailbox(local_user())
    client.close()


def test_sigterm_says_goodbye_to_who_is_silent(host):
    host.start()
    with socket.create_connection(("127.0.0.1", host.port), timeout=30) as silent:
        stream = silent.makefile("rb")
        assert stream.readline().startswith(b"220 ")
        host.process.terminate()
        assert any(line.startswith(b"421 4.3.2") for line in stream)
        stream.close()
    assert host.process.wait(30) == 0
    host.process = None


# ---- configuration

def test_mistakes_are_found_with_line_and_suggestion(host):
    with open(host.config, "a") as file:
        lines = sum(1 for _ in open(host.config))
        file.write("hostnmae=x.test\nsize=10 parsecs\n")
    done = host.run("sendmail", "-bC")
    assert done.returncode == 78
    errors = done.stderr.decode()
    assert f"{host.config}:{lines + 1}: " in errors and "hostname" in errors
    assert f"{host.config}:{lines + 2}: size" in errors
    started = host.run("smtpd", "-bD")
    assert started.returncode == 78 and b"hostnmae" in started.stderr


def test_reload_changes_options_and_drops_nobody(host):
    host.start()
    client = in_a_transaction(host)
    host.write_config(size="20k")
    host.reload()
    assert "reloaded config=" in host.log_text()
    assert "\n250-SIZE 20480" in "\n" + host.dialogue("EHLO new.test")[1]
    code, _ = client.data(MESSAGE % b"begun before" + b"x" * 30000)
    assert code == 250  # by the rules under which it came
    client.quit()
    host.wait_for_mail(local_user(), b"begun before")
    for helper in ("listener", "queue runner", "spawner"):
        wait_for(lambda: len(helpers(host, helper)) == 1, what=f"the end of the old {helper}")


def test_a_bad_file_changes_nothing(host):
    host.start()
    client = in_a_transaction(host)
    with open(host.config, "a") as file:
        file.write("szie=20k\n")
    host.reload()
    assert re.search(r"reload-refused reason=.*postoffice\.cf:\d+: .*size", host.log_text())
    assert client.data(MESSAGE % b"all is as it was")[0] == 250
    send(host, b"for others, too")
    client.quit()


def test_reload_adds_and_removes_ports(host):
    host.start()
    first, second = host.port, free_port()
    host.write_config(listen=[f"127.0.0.1:{first}", f"127.0.0.1:{second}"])
    host.reload()
    for port in (first, second):
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            assert client.noop()[0] == 250
    host.write_config(listen=f"127.0.0.1:{second}")
    host.reload()
    wait_for(lambda: refuses_connections(first), what="the end of the first port")
    host.port = second
    send(host, b"by the second port")


def test_a_reload_changes_the_addresses_of_a_port(host):
    """Wider and narrower: the sockets that the server has are not in its way, but in that of others."""
    host.start()
    for n, listen in enumerate((f":{host.port}", f"127.0.0.1:{host.port}", f"0.0.0.0:{host.port}", f"127.0.0.1:{host.port}")):
        host.write_config(listen=listen)
        host.reload()
        assert "reload-refused" not in host.log_text()
        send(host, b"by address %d" % n)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", host.port))
            other.listen()


def test_what_only_a_start_can_change_is_refused(host):
    host.start()
    host.write_config(queue_dir=os.path.join(host.folder, "elsewhere"))
    host.reload()
    assert "reload-refused" in host.log_text() and "queue-dir" in host.log_text()
    send(host, b"as before")


def test_mail_of_a_session_from_before_a_reload_goes_out_at_once(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        client = host.smtp()
        client.ehlo()
        client.mail("a@example.org")
        client.rcpt("you@elsewhere.test")
        host.reload()
        wait_for(lambda: len(helpers(host, "queue runner")) == 1, what="one runner")
        assert client.data(MESSAGE % b"queued late")[0] == 250
        client.quit()
        wait_for(lambda: sink.transactions, what="delivery to the sink")
        host.wait_for_empty_queue()


@pytest.mark.parametrize("forward_all", ["0", "1"])
def test_a_relay_host_takes_what_no_name_server_knows(host, forward_all):
    with Sink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", forward_all=forward_all)
        host.start()
        host.run("sendmail", "you@unknown.invalid", input=b"Subject: hello\n\n", check=True)
        wait_for(lambda: sink.messages, what="delivery to the sink")
        assert sink.messages[0][1] == ("you@unknown.invalid",)


# ---- limits

def test_a_crowd_is_told_to_come_later(host):
    host.write_config(clients="3")
    host.start()
    seated = [in_a_transaction(host) for _ in range(3)]
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        host.smtp()
    assert refused.value.smtp_code == 421 and refused.value.smtp_error.startswith(b"4.3.2")
    seated.pop().quit()
    wait_for(lambda: host.answers(), what="a free seat")
    for client in seated:
        client.quit()


@needs_root
def test_one_address_does_not_take_all_seats(host):
    with own_network("192.0.2.1", "192.0.2.2"):
        host.write_config(listen=f":{host.port}", client_connections="2")
        host.start()

        def greeting(source):
            connection = socket.create_connection(("192.0.2.1", host.port), 30, source_address=(source, 0))
            return connection, connection.recv(100)

        seated = [greeting("192.0.2.2") for _ in range(2)]
        assert all(text.startswith(b"220") for _, text in seated)
        late, text = greeting("192.0.2.2")
        assert text.startswith(b"421 4.7.0")
        other, text = greeting("192.0.2.1")
        assert text.startswith(b"220")
        for connection in [late, other, *(one for one, _ in seated)]:
            connection.close()
        host.stop()


def test_hops_are_counted(host):
    host.write_config(hops="5")
    host.start()
    traces = b"Received: from a by b; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
    with host.smtp() as client:
        client.sendmail("a@example.org", [local_user()], traces * 5 + b"Subject: near\r\n\r\n")
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", [local_user()], traces * 6 + b"Subject: far\r\n\r\n")
    assert refused.value.smtp_code == 554 and refused.value.smtp_error.startswith(b"5.4.6")
    assert b"Subject: far" not in host.mailbox(local_user())


# ---- helpers that fall

def test_without_its_master_the_rest_leaves_and_makes_room(host):
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
def test_a_fallen_helper_is_replaced(host, helper):
    host.start()
    pid, = helpers(host, helper)
    kill(pid)
    wait_for(lambda: re.search(f'helper-ended helper="?{helper}"? how="signal 9"', host.log_text()), what="its end")
    wait_for(lambda: [p for p in helpers(host, helper) if p != pid], what="another one")
    wait_for(host.answers, what="an answer")
    send(host, b"by SMTP")
    host.wait_for_mail(local_user(), b"by SMTP")
    host.run("sendmail", local_user(), input=b"Subject: by hand\n\n", check=True)
    host.wait_for_mail(local_user(), b"by hand")


def test_a_signal_for_all_processes_is_no_crash(make_host):
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


def test_a_fallen_session_is_one_client_s_loss(host):
    host.start()
    one, other = in_a_transaction(host), in_a_transaction(host)
    port = one.sock.getsockname()[1]
    inside = [pid for pid in with_title(host, "SMTP 127.0.0.1") if holds_client(pid, port)]
    assert len(inside) == 1
    kill(inside[0], signal.SIGSEGV)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        one.data(MESSAGE % b"lost")
    assert other.data(MESSAGE % b"not lost")[0] == 250
    other.quit()
    wait_for(lambda: re.search(r'crash process="?SMTP.*signal 11', host.log_text()), what="a word in the log")


def holds_client(pid, port):
    return any(name.startswith("tcp ") and name.endswith(f"-{port}") for name in descriptors(pid))


@needs_root
def test_a_fallen_local_agent_is_replaced(host):
    host.start()
    send(host, b"first", "alice")
    pid, = wait_for_title(host, "deliver alice")
    kill(pid)
    wait_for(lambda: not is_alive(pid), what="its end")
    send(host, b"second", "alice")
    host.wait_for_mail("alice", b"Subject: second")


# ---- by the clock

def test_without_immediate_mail_waits_for_a_queue_run(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.start()
        send(host, b"waits", "you@elsewhere.test")
        # What comes later and is done now shows that the first would have been, too.
        host.run("sendmail", local_user(), input=b"Subject: local\n\n", check=True)
        host.wait_for_mail(local_user(), b"Subject: local")
        assert len(host.queue()) == 1 and not sink.transactions
        host.run("runq", check=True)
        wait_for(lambda: sink.transactions, what="delivery by the queue run")
        host.wait_for_empty_queue()


def test_without_immediate_local_recipients_of_the_same_message_do_not_wait(host):
    with StrictSink() as sink:
        path = os.path.join(host.folder, "open", "kept")
        os.mkdir(os.path.dirname(path))
        os.chmod(os.path.dirname(path), 0o1777)
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.write_aliases(f'tool: "|cat >{path}"\n')
        host.start()
        host.run("sendmail", local_user(), "tool", "you@elsewhere.test", input=b"Subject: for all\n\n", check=True)
        host.wait_for_mail(local_user(), b"Subject: for all")
        wait_for(lambda: os.path.exists(path), what=host.log_text)
        wait_for(lambda: [entry["queue_name"] for entry in host.queue()] == ["incoming"], what="the rest in the queue")
        assert not sink.transactions
        assert b"next with the next queue run" in host.run("mailq", "-v").stdout
        host.run("runq", check=True)
        wait_for(lambda: sink.transactions, what="delivery by the queue run")
        host.wait_for_empty_queue()
        assert host.mailbox(local_user()).count(b"Subject: for all") == 1


def test_without_immediate_one_message_can_be_sent_by_its_id(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.start()
        for number in range(2):
            send(host, b"waits", f"you{number}@elsewhere.test")
        chosen = host.queue()[1]["queue_id"]
        host.run("sendmail", "-M", chosen, check=True)
        wait_for(lambda: len(host.queue()) == 1, what=host.log_text)
        assert host.queue()[0]["queue_id"] != chosen and len(sink.transactions) == 1


def test_the_daemon_runs_the_queue_as_often_as_asked(host):
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", immediate="0")
        host.start("-q1s")
        send(host, b"waits", "you@elsewhere.test")
        wait_for(lambda: sink.transactions, what="delivery by the queue run")
        host.wait_for_empty_queue()


def test_attempts_go_on_until_qreturn_and_the_sender_hears_the_last_reason(host):
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


# ---- other people's clients

@pytest.mark.skipif(shutil.which("swaks") is None, reason="NEEDS swaks")
def test_swaks_is_served(host):
    host.start()
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(host.port), "--helo", "swaks.test", "--pipeline",
         "--from", "a@example.org", "--to", local_user(), "--header", "Subject: by swaks", "--body", ".\n..\nFrom here\n"],
        capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    box = host.wait_for_mail(local_user(), b"Subject: by swaks")
    assert b"\n.\n..\n>From here\n" in box


def test_a_process_that_has_served_many_takes_nobody_with_it(host):
    """After a thousand clients a session process makes room for a new one, and others are waiting for it just then."""
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
def test_an_address_that_comes_later_is_served_from_then_on(folder):
    try:
        network = Network()
    except NoNetwork as why:
        pytest.skip(f"NEEDS network namespaces: {why}")
    machine = network.add_machine("late")
    host = NetworkHost(machine, folder, listen=["127.0.0.1:25", "192.0.2.7:25", "[2001:db8::7]:25"])
    try:
        host.start()
        assert "listening-early listen=192.0.2.7:25" in host.log_text()
        subprocess.run([*machine.prefix, "ip", "address", "add", "192.0.2.7/32", "dev", "lo"], check=True)
        subprocess.run([*machine.prefix, "ip", "address", "add", "2001:db8::7/128", "dev", "lo"], check=True)
        for address in ("192.0.2.7", "2001:db8::7"):
            with machine.inside(), smtplib.SMTP(address, 25, timeout=30) as client:
                assert client.noop()[0] == 250
    finally:
        host.end()
        network.close()
