"""Thousands of silent, slow or malformed clients take bounded memory, and a well-behaved client is served meanwhile.

The figures that are printed (pytest -s) are measurements; what must hold is asserted with generous limits.
"""
import contextlib
import errno
import os
import random
import resource
import select
import smtplib
import socket
import ssl
import struct
import threading
import time

from certificates import Authority
from conftest import needs_root, needs_tls
from host import wait_for
from processes import helpers, with_title
from outsiders import CROWD, SERVER, outsiders  # noqa: F401
from udp_name_server import UdpNameServer, question, reply

pytestmark = needs_root

SETTINGS = {"clients": "3000", "client_connections": "1000", "rate_connections": "0"}
SILENT = 2000
LIMIT_OF_ONE = 8  # KiB of a silent client


def kibibytes(host):
    """Memory of the process tree: its share of memory, page tables, kernel stacks."""
    total = 0
    for pid in host.processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("VmPTE:")) + 16
    return total


class Monitor:
    """Measures the host while the context is open: the most memory and the most processes it had."""

    def __init__(self, host):
        self.host = host
        self.kibibytes = self.processes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._over.wait(0.2):
            self.kibibytes = max(self.kibibytes, kibibytes(self.host))
            self.processes = max(self.processes, len(self.host.processes()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def call(outsiders, count, first=0):
    """Opens this number of connections from many addresses."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 8192),
                                                resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    found = []
    with outsiders.outside.inside():
        for n in range(first, first + count):
            found.append(socket.create_connection((SERVER, 25), timeout=30, source_address=(CROWD[n % 100], 0)))
    outsiders._open += found
    return found


def until_reply(connection, code, seconds=30):
    """Reads until the last line of a reply with this code; returns all that was read."""
    text, end = b"", time.monotonic() + seconds
    while code + b" " not in b"".join(line[:4] for line in text.split(b"\r\n")):
        connection.settimeout(max(0.1, end - time.monotonic()))
        piece = connection.recv(4096)
        if not piece:
            raise AssertionError(f"closed after {text!r}")
        text += piece
    return text


def serves(outsiders, what, tls=None):
    """A well-behaved client, with TLS if a context is given, gets a message into a mailbox, and waits at most ten
    seconds for each answer. Prints how long it took."""
    start = time.monotonic()
    with outsiders.outside.inside():
        connection = socket.create_connection((SERVER, 25), timeout=10, source_address=(CROWD[-1], 0))
    with contextlib.ExitStack() as stack:
        stack.enter_context(connection)
        until_reply(connection, b"220", 10)
        greeted = time.monotonic()
        if tls:
            connection.sendall(b"STARTTLS\r\n")
            until_reply(connection, b"220", 10)
            connection = stack.enter_context(tls.wrap_socket(connection, server_hostname="host.test"))
        for command, code in ((b"EHLO good.test", b"250"), (b"MAIL FROM:<good@far.test>", b"250"),
                              (b"RCPT TO:<alice@host.test>", b"250"), (b"DATA", b"354"),
                              (f"Subject: {what}\r\n\r\nhello\r\n.".encode(), b"250"), (b"QUIT", b"221")):
            connection.sendall(command + b"\r\n")
            until_reply(connection, code, 10)
    print(f"\n    {what}: greeted in {1000 * (greeted - start):.0f} ms, served in "
          f"{1000 * (time.monotonic() - start):.0f} ms", end="")
    outsiders.host.wait_for_mail("alice", what.encode())


def is_whole(host, listener):
    assert helpers(host, "listener") == listener, host.log_text()[-2000:]
    assert "crash" not in host.log_text()


def test_silent_clients_take_little_memory(outsiders):
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    wait_for(lambda: with_title(host, "session idle") == [] or kibibytes(host), what="calm")
    before = kibibytes(host)
    with Monitor(host) as watch:
        silent = call(outsiders, SILENT)
        serves(outsiders, "while 2000 are greeted")
        for one in silent:
            until_reply(one, b"220")
        serves(outsiders, "beside 2000 silent ones")

        def is_small():
            return (kibibytes(host) - before) / SILENT < LIMIT_OF_ONE
        wait_for(is_small, seconds=60, what=lambda: f"memory: {kibibytes(host)} KiB, {before} before")
    time.sleep(3)
    print(f"\n    {SILENT} silent: {(kibibytes(host) - before) / SILENT:.1f} KiB each, at most {watch.processes} "
          f"processes and {watch.kibibytes / 1024:.0f} MiB meanwhile", end="")
    assert watch.processes < 300
    assert silent[0].send(b"NOOP\r\n") and until_reply(silent[0], b"250")
    is_whole(host, listener)


def send_slowly(connections, texts, over):
    """One octet a second to each connection."""
    position = 0
    while not over.wait(1):
        for connection, text in zip(connections, texts):
            with contextlib.suppress(OSError):
                connection.send(text[position % len(text):][:1])
        position += 1


def serves_among_slow(outsiders, connections, texts, before, times, tls=None):
    """A well-behaved client is served this many times while octets are sent slowly on the connections; `before` is the
    memory without these. Their processes end with the connections."""
    over = threading.Event()
    slow = threading.Thread(target=send_slowly, args=(connections, texts, over))
    slow.start()
    try:
        with Monitor(outsiders.host) as monitor:
            for n in range(times):
                serves(outsiders, f"among {len(connections)} slow ones, time {n}", tls)
                time.sleep(1.5)
    finally:
        over.set()
        slow.join()
    each = (monitor.kibibytes - before) / len(connections)
    print(f"\n    {len(connections)} slow ones: {each:.0f} KiB each at most", end="")
    assert monitor.processes < len(connections) + 40
    outsiders.hang_up()
    wait_for(lambda: len(with_title(outsiders.host, "SMTP")) < 20, seconds=60, what="their processes to go")


def test_slow_clients_do_not_delay_others(outsiders):
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    before = kibibytes(host)
    connections = call(outsiders, 200)
    for one in connections:
        until_reply(one, b"220")
    for one in connections[100:]:
        one.sendall(b"MAIL FROM:<a@far.test>\r\nRCPT TO:<postmaster@host.test>\r\nDATA\r\n")
        until_reply(one, b"354")
    texts = [b"EHLO " + b"a" * 500] * 100 + [b"Subject: drop by drop\r\n"] * 100
    serves_among_slow(outsiders, connections, texts, before, times=4)
    is_whole(host, listener)


def client_hello(name="host.test"):
    outgoing = ssl.MemoryBIO()
    stream = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        stream.do_handshake()
    return outgoing.read()


@needs_tls
def test_slow_handshakes_do_not_delay_others(outsiders, tmp_path):
    authority = Authority(str(tmp_path))
    host = outsiders.start(**SETTINGS, tls_certificate=authority.issue("host.test", "host.pem"))
    tls = ssl.create_default_context(cafile=authority.certificate)
    listener = helpers(host, "listener")
    before = kibibytes(host)
    connections = call(outsiders, 200)
    for one in connections:
        until_reply(one, b"220")
        one.sendall(b"STARTTLS\r\n")
        until_reply(one, b"220")
    serves_among_slow(outsiders, connections, [client_hello()] * 200, before, times=2, tls=tls)
    is_whole(host, listener)


class SilentAboutSlow(UdpNameServer):
    """Does not answer for domains that begin with slow, and knows no other domain."""

    def answer(self, query):
        return None if question(query)[0].startswith("slow") else reply(query, 3)


def queue_for_slow_destinations(outsiders, count):
    with outsiders.server.inside(), smtplib.SMTP("127.0.0.1", 25, timeout=60) as client:
        for n in range(count):
            client.sendmail("a@many.test", [f"a@slow{n}.test"], b"Subject: slow\r\n\r\n")


@needs_tls
def test_all_kinds_of_load_at_once(outsiders, tmp_path, is_long):
    """Silent and slow clients, stalled handshakes, and a queue for destinations with slow DNS: a well-behaved client,
    with TLS as well, and a local user are served."""
    authority = Authority(str(tmp_path))
    with outsiders.server.inside():
        server = SilentAboutSlow()
    with server:
        host = outsiders.start(**SETTINGS, tls_certificate=authority.issue("host.test", "host.pem"),
                               nameserver=server.address, trusted="127.0.0.1", lookup_timeout="5m")
        tls = ssl.create_default_context(cafile=authority.certificate)
        listener = helpers(host, "listener")
        queue_for_slow_destinations(outsiders, 5000 if is_long else 700)
        silent, stalled, dripping = call(outsiders, SILENT), call(outsiders, 100), call(outsiders, 200)
        for one in [*silent, *stalled, *dripping]:
            until_reply(one, b"220")
        for one in stalled:
            one.sendall(b"STARTTLS\r\n")
            until_reply(one, b"220")
            one.sendall(client_hello()[:40])
        over = threading.Event()
        drips = threading.Thread(target=send_slowly, args=(dripping, [b"EHLO " + b"a" * 500] * 200, over))
        drips.start()
        try:
            for n in range(3):
                serves(outsiders, f"among all of them, time {n}")
                serves(outsiders, f"among all of them, under TLS, time {n}", tls)
                host.run("sendmail", "alice", input=f"Subject: from a local user, {n}\n\n".encode(), check=True)
                host.wait_for_mail("alice", f"from a local user, {n}".encode())
        finally:
            over.set()
            drips.join()
        assert len(host.queue()) == (5000 if is_long else 700), "no slow destination had finished by then"
        is_whole(host, listener)


def test_clients_that_disconnect_inside_a_message_leave_nothing_behind(outsiders):
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    for n, one in enumerate(call(outsiders, 200)):
        until_reply(one, b"220")
        one.sendall(b"MAIL FROM:<a@far.test>\r\nRCPT TO:<alice@host.test>\r\nDATA\r\n")
        until_reply(one, b"354")
        one.sendall(b"Subject: never to be seen\r\n" * 200)
        if n % 2:  # the close sends a reset
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    serves(outsiders, "after 200 that vanished")
    wait_for(lambda: len(with_title(host, "SMTP")) < 20, seconds=60, what="their processes to go")
    assert b"never to be seen" not in host.mailbox("alice")
    assert host.spool_files() == []
    is_whole(host, listener)


def test_endless_lines_take_little_memory(outsiders):
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    before = kibibytes(host)
    connections, over = call(outsiders, 50), threading.Event()
    for one in connections:
        until_reply(one, b"220")
    for one in connections[25:]:
        one.sendall(b"EHLO " + b"x" * 100_000 + b"\r\n")
        assert b"500" in until_reply(one, b"500")
        one.sendall(b"MAIL FROM:<a@far.test>\r\nRCPT TO:<postmaster@host.test>\r\nDATA\r\n")
        until_reply(one, b"354")

    def pour():
        piece = b"y" * 65536
        for one in connections:
            one.setblocking(False)
        while not over.is_set():
            for one in select.select([], connections, [], 0.2)[1]:
                with contextlib.suppress(OSError):
                    one.send(piece)
    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        with Monitor(host) as watch:
            for n in range(3):
                serves(outsiders, f"among 50 endless lines, time {n}")
                time.sleep(1)
    finally:
        over.set()
        pouring.join()
    print(f"\n    50 endless lines: {(watch.kibibytes - before) / 50:.0f} KiB each at most", end="")
    assert (watch.kibibytes - before) / 50 < 4096
    outsiders.hang_up()
    wait_for(lambda: len(with_title(host, "SMTP")) < 20, seconds=60, what="their processes to go")
    is_whole(host, listener)


def test_many_connects_and_resets_leave_nothing_behind(outsiders, is_long):
    count = 10_000 if is_long else 2000
    host = outsiders.start(**SETTINGS)
    listener = helpers(host, "listener")
    serves(outsiders, "before the resets")
    rng = random.Random(1)
    reset = struct.pack("ii", 1, 0)
    with Monitor(host) as watch:
        for n in range(count):
            with outsiders.outside.inside():
                one = socket.socket()
            try:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                one.bind((CROWD[n % 100], 0))
                one.connect((SERVER, 25))
                if rng.random() < 0.2:
                    one.recv(1)
            except OSError as error:
                assert error.errno in (errno.ECONNRESET, errno.EADDRNOTAVAIL, errno.EADDRINUSE), error
            finally:
                one.close()
            if n % (count // 4) == count // 8:
                serves(outsiders, f"after {n} resets")
        serves(outsiders, "after all resets")
    print(f"\n    {count} resets: at most {watch.processes} processes and {watch.kibibytes / 1024:.0f} MiB", end="")
    wait_for(lambda: len(with_title(host, "SMTP")) < 20, seconds=60, what="their processes to go")
    descriptors = len(os.listdir(f"/proc/{listener[0]}/fd"))
    assert descriptors < 60, "the listener leaks descriptors"
    is_whole(host, listener)
