"""A service manager learns of start, reload and stop, and its sockets are used."""
import os
import shutil
import socket
import subprocess

import pytest

from host import local_user, wait_for
from smtp_clients import message


@pytest.fixture
def manager(host):
    """The notify socket of a service manager; a call returns the next message as a dict."""
    path = os.path.join(host.folder, "notify")
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    receiver.settimeout(20)
    os.environ["NOTIFY_SOCKET"] = path

    def next_message():
        return dict(line.split("=", 1) for line in receiver.recv(4096).decode().splitlines())
    yield next_message
    os.environ.pop("NOTIFY_SOCKET", None)
    os.environ.pop("WATCHDOG_USEC", None)
    receiver.close()


def test_start_reload_and_stop_are_reported(host, manager):
    host.start()
    ready = manager()
    assert ready["READY"] == "1" and int(ready["MAINPID"]) == host.process.pid
    host.reload()
    reloading = manager()
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert manager()["READY"] == "1"
    assert host.stop() == 0
    assert manager()["STOPPING"] == "1"


def test_ready_is_reported_when_the_port_answers(host, manager):
    host.process = subprocess.Popen([host.command("smtpd"), "-C", host.config, "-bD"], stdin=subprocess.DEVNULL)
    assert manager()["READY"] == "1"
    assert host.answers()


def test_the_watchdog_gets_its_messages(host, manager):
    os.environ["WATCHDOG_USEC"] = "200000"
    host.start()
    messages = [manager() for _ in range(4)]
    assert sum("WATCHDOG" in one for one in messages) >= 3


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="NEEDS systemd: systemd-socket-activate")
def test_sockets_of_a_service_manager_are_used(host, make_host):
    """systemd's own tool binds the socket; no other socket could be bound to the port at the same time."""
    host.process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{host.port}", "-E", "LISTEN_PATH", host.command("smtpd"), "-C",
         host.config, "-bD"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(host.answers, what="the first client, which starts the server")
    with host.smtp() as client:
        client.sendmail("a@example.org", [local_user()], message(b"hello"))
    host.wait_for_mail(local_user(), b"Subject: hello")
    assert "socket-not-used" not in host.log_text()
    assert host.stop() == 0


def test_a_socket_without_an_option_is_logged(host):
    spare = socket.create_server(("127.0.0.1", 0))
    port = spare.getsockname()[1]
    start = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=spare exec "$@"', "sh", host.command("smtpd"), "-C",
             host.config, "-bD"]
    host.process = subprocess.Popen(start, stdin=subprocess.DEVNULL, pass_fds=[3],
                                    preexec_fn=lambda: os.dup2(spare.fileno(), 3))
    wait_for(host.answers, what="the daemon answering")
    spare.close()
    assert f"socket-not-used socket=spare listen=127.0.0.1:{port}" in host.log_text()
