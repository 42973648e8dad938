"""The daemon starts when it can serve, or says why not, and a stop interrupts no message."""
import os
import signal
import smtplib
import socket
import subprocess

import pytest

from conftest import needs_root
from host import local_user, wait_for
from network import Network, NetworkHost, NoNetwork
from processes import is_alive
from smtp_clients import in_a_transaction, refuses_connections, send


def test_the_daemon_starts_and_stops(host):
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


def test_a_second_daemon_for_the_spool_does_not_start(host, make_host):
    host.start()
    other = make_host("other", queue_dir=host.spool)
    done = other.run("smtpd", "-bD")
    assert done.returncode == 71
    assert done.stderr.decode().endswith(f"another daemon works on {host.spool} (see {host.spool}/pid)\n")
    send(host, b"the first still serves")
    host.wait_for_mail(local_user(), b"the first still serves")


def test_the_start_waits_for_a_port_that_another_program_closes(host):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", host.port))
        other.listen()
        with open(os.path.join(host.folder, "stderr"), "w") as stderr:
            host.process = subprocess.Popen([host.command("smtpd"), "-C", host.config, "-bD"], stderr=stderr)
        wait_for(lambda: "Address already in use" in host.stderr(), what="the message about the port")
    host.wait_until_ready()
    assert host.log_text().count("port-busy") == 1


@pytest.mark.parametrize("mode", ["-bD", "-bd"])
def test_a_port_in_use_is_an_error(host, make_host, mode):
    host.start()
    done = make_host("other", listen=f"127.0.0.1:{host.port}").run("smtpd", mode)
    assert done.returncode == 71
    assert f"127.0.0.1:{host.port}".encode() in done.stderr and b"Address already in use" in done.stderr


def test_smtpd_bd_returns_when_the_port_answers(host):
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


def test_a_stop_waits_for_a_message_that_is_being_received(host):
    host.start()
    client = in_a_transaction(host)
    assert client.docmd("DATA")[0] == 354
    client.send(b"Subject: half\r\n\r\nfirst half\r\n")
    host.process.terminate()
    wait_for(lambda: refuses_connections(host.port), what="the port to close")
    client.send(b"second half\r\n.\r\n")
    assert client.getreply()[0] == 250
    assert host.process.wait(30) == 0
    host.process = None
    assert b"second half" in host.mailbox(local_user())
    client.close()


def test_a_stop_ends_idle_sessions_with_421(host):
    host.start()
    with socket.create_connection(("127.0.0.1", host.port), timeout=30) as silent:
        stream = silent.makefile("rb")
        assert stream.readline().startswith(b"220 ")
        host.process.terminate()
        assert any(line.startswith(b"421 4.3.2") for line in stream)
        stream.close()
    assert host.process.wait(30) == 0
    host.process = None


def test_a_mistake_is_reported_with_line_and_suggestion(host):
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


@needs_root
def test_an_address_that_is_configured_after_the_start_is_served(folder):
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
