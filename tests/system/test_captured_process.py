"""A captured process, or a local user who writes to the sockets of the server, delays no other process."""
import contextlib
import ctypes
import fcntl
import os
import pwd
import socket
import struct
import termios
import threading
import time

import pytest

from captured import LingeringSocket, packet_sockets, stopped
from conftest import needs_root
from host import wait_for
from outsiders import CROWD, outsiders  # noqa: F401
from processes import helpers, wait_for_title, with_title
from test_hostile_clients import SETTINGS, call, is_whole, serves, until_reply

pytestmark = needs_root


def octets_in(one):
    return struct.unpack("i", fcntl.ioctl(one, termios.FIONREAD, bytes(4)))[0]


def unread_by_peer(one):
    """Memory of packets that the other end has not read."""
    return struct.unpack("i", fcntl.ioctl(one, termios.TIOCOUTQ, bytes(4)))[0]


@contextlib.contextmanager
def captured_session(host, outsiders):
    """A session process that the listener regards as idle: its end of the channel, and the packet that says "ready"."""
    listener, = helpers(host, "listener")
    client, = call(outsiders, 1)
    until_reply(client, b"220")
    client.sendall(b"EHLO client.test\r\nMAIL FROM:<a@example.org>\r\n")
    until_reply(client, b"250")
    session, = wait_for_title(host, f"SMTP {CROWD[0]} MAIL")  # inside a transaction no client is parked
    with stopped(listener):
        client.sendall(b"QUIT\r\n")
        wait_for(lambda: session in with_title(host, "session idle"), what="the end of the dialogue")
        ends = packet_sockets(listener)
        said = [one.recv(65536, socket.MSG_PEEK) for one in ends if octets_in(one)]
        for one in ends:
            one.close()
    assert len(said) == 1
    with stopped(session):
        channel, = packet_sockets(session)
        with channel:
            yield channel, said[0]


def test_a_session_process_that_reports_ready_and_reads_nothing_is_given_up(outsiders):
    """When its channel is full, the listener closes it instead of waiting."""
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    with captured_session(host, outsiders) as (channel, ready):
        kept = 0
        with contextlib.suppress(AssertionError, OSError):
            for n in range(1000):
                # Until the listener has read that it is ready, a client would go to another process.
                wait_for(lambda: unread_by_peer(channel) == 0, what="the listener")
                before = octets_in(channel)
                call(outsiders, 1, first=n)
                wait_for(lambda: octets_in(channel) > before, seconds=2, what="one more client for it")
                kept += 1
                channel.send(ready, socket.MSG_DONTWAIT)
        assert 20 < kept < 1000, f"its channel was never full: {kept} clients"
        serves(outsiders, f"after {kept} went to a process that reads nothing")
    is_whole(host, listener)


@pytest.mark.parametrize("copies", [1, 5, 200])
def test_a_session_process_that_sends_lingering_sockets_delays_no_client(outsiders, copies):
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    with outsiders.server.inside():
        lingering = LingeringSocket()
    with captured_session(host, outsiders) as (channel, ready):
        with stopped(*listener):
            lingering.send_by(channel, ready, copies)
        wait_for(lambda: unread_by_peer(channel) == 0, what="the listener to read it")
        call(outsiders, 1)  # may have been given to the captured process
        time.sleep(1.5)  # the listener closes such descriptors once a second
        serves(outsiders, f"after {copies} copies of a socket that lingers")
    is_whole(host, listener)
    lingering.close()


# -- by the control socket

@contextlib.contextmanager
def control_of_user(host):
    """The control socket as a local user has it who captured the set-group-id sendmail."""
    user, group = pwd.getpwnam("mallory").pw_uid, os.stat(f"{host.spool}/control").st_gid
    os.setresgid(-1, group, -1)
    os.setresuid(-1, user, -1)
    try:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        control.connect(f"{host.spool}/control")
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)
    with control:
        yield control


def is_delivered(host, subject):
    host.run("sendmail", "alice", input=f"Subject: {subject}\n\n".encode(), check=True)
    host.wait_for_mail("alice", subject.encode(), seconds=10)


def test_a_user_that_sends_lingering_sockets_delays_no_mail(host):
    """Linux before 6.16 cannot refuse descriptors; the runner then receives them, and another process closes them."""
    host.start()
    runner, = helpers(host, "queue runner")
    with control_of_user(host) as control:
        for copies in (1, 200):
            lingering = LingeringSocket()
            with stopped(runner), contextlib.suppress(PermissionError):
                lingering.send_by(control, b"look", copies)
            is_delivered(host, f"beside {copies} copies of a socket that lingers")
            lingering.close()
    assert helpers(host, "queue runner") == [runner]


class OpenCount:
    """Counts how often a folder was opened (inotify(7))."""

    OPEN, ISDIR, NONBLOCK = 0x20, 0x40000000, os.O_NONBLOCK

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(self.NONBLOCK)
        assert libc.inotify_add_watch(self._watch, folder.encode(), self.OPEN) > 0, os.strerror(ctypes.get_errno())
        self._count = 0

    def count(self):
        with contextlib.suppress(BlockingIOError):
            while events := os.read(self._watch, 1 << 16):
                while events:
                    _, mask, _, length = struct.unpack("iIII", events[:16])
                    # Files opened inside the folder are reported as well, with a name.
                    self._count += 1 if mask & self.ISDIR and length == 0 else 0
                    events = events[16 + length:]
        return self._count

    def close(self):
        os.close(self._watch)


def test_a_user_that_requests_queue_runs_without_end_delays_no_mail(host):
    """All requests together scan the spool once a second."""
    host.start()
    runner = helpers(host, "queue runner")
    over = threading.Event()
    with control_of_user(host) as control, contextlib.closing(OpenCount(host.spool)) as looks:
        def ask():
            while not over.is_set():
                control.send(b"run now")
        asking = threading.Thread(target=ask)
        start = time.monotonic()
        asking.start()
        try:
            for n in range(3):
                is_delivered(host, f"beside a flood of commands, time {n}")
                time.sleep(1)
        finally:
            over.set()
            asking.join()
        most = 3 * (time.monotonic() - start) + 10
        assert looks.count() < most
    assert helpers(host, "queue runner") == runner
