"""No process that reads the network has privileges, and no privileged process holds a descriptor that a client could
use. The test starts each kind of process, and asks the kernel for its ids and descriptors."""
import collections
import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys

import pytest

from conftest import needs_call_filters, needs_root
from host import BINARY, Host, wait_for
from processes import descriptors, of_each, status, wait_for_title, with_title
from strict_sink import StrictSink

PACKETS = "unix packet"


def ids(name):
    return pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid


def identity(pid):
    """The ids of a process, each as the set of its forms (real, effective, saved, file system)."""
    said = status(pid)
    return {"uid": {int(n) for n in said["Uid"].split()}, "gid": {int(n) for n in said["Gid"].split()},
            "groups": {int(n) for n in said["Groups"].split()}, "no_new_privs": int(said["NoNewPrivs"]),
            "capabilities": int(said["CapEff"], 16) | int(said["CapPrm"], 16) | int(said["CapAmb"], 16)}


def held(pid, host):
    """descriptors() without those of every process: the standard streams and the log."""
    return collections.Counter({name: n for name, n in descriptors(pid).items()
                                if name not in ("/dev/null", host.log, os.path.join(host.folder, "stderr"))})


def client_of(pid):
    ports = [int(name.split("-")[1]) for name in descriptors(pid) if re.fullmatch(r"tcp \d+-\d+", name)]
    assert len(ports) <= 1, descriptors(pid)
    return ports[0] if ports else None


class Busy:
    """A host with each kind of process at work."""

    def __init__(self, host, sink, user):
        self.host, self.sink = host, sink
        host.write_config(relay_host=f"127.0.0.1:{sink.port}")
        host.start()
        with host.smtp() as client:  # a local agent waits for the next message
            client.sendmail("a@example.org", [user], b"Subject: one\r\n\r\n")
            client.sendmail("a@example.org", ["you@elsewhere.test"], b"Subject: queued\r\n\r\n")
        wait_for(lambda: sink.connections, what="a queue agent at the silent sink")
        host.run("sendmail", user, input=b"Subject: two\n\n", check=True)
        host.wait_for_mail(user, b"Subject: two")
        self.clients = [self._inside_a_message(user) for _ in range(2)]
        self.parked = host.smtp()
        self.master = host.process.pid
        self.listener, = wait_for_title(host, "postoffice: listener")
        self.runner, = wait_for_title(host, "postoffice: queue runner")
        self.spawner, = wait_for_title(host, "postoffice: spawner")
        self.authenticator, = wait_for_title(host, "postoffice: authenticator")
        self.sts_fetcher = with_title(host, "postoffice: STS fetcher")  # unless built without libcurl
        self.agents = wait_for_title(host, "to elsewhere.test") if not host.settings.get("relay-host") else \
            wait_for_title(host, "delivering ")
        self.pickup = wait_for_title(host, "picking up local mail")
        self.locals = wait_for_title(host, f"deliver {user}")
        self.sessions = wait_for_title(host, "SMTP 127.0.0.1", 2)

    def _inside_a_message(self, user):
        client = self.host.smtp()
        client.ehlo()
        client.mail("a@example.org")
        client.rcpt(user)
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: big\r\n\r\n" + b"x" * 78 * 1000 + b"\r\n")
        return client

    def unprivileged(self):
        """The processes that read the network or the queue."""
        return [self.listener, self.runner, *self.sessions, *self.agents, *self.pickup]

    def end(self):
        for client in [*self.clients, self.parked]:
            client.close()


@pytest.fixture
def busy(host):
    with StrictSink(silent=True) as sink:
        made = Busy(host, sink, "alice")
        yield made
        made.end()
    host.end()  # the queue agent waits for the silent server no longer


@needs_root
def test_ids_of_each_kind_of_process(busy):
    service = ids("postoffice")
    for pid in busy.unprivileged():
        title = busy.host.processes()[pid]
        assert identity(pid) == {"uid": {service[0]}, "gid": {service[1]}, "groups": {service[1]}, "no_new_privs": 1,
                                 "capabilities": 0}, title
    for pid in (busy.master, busy.spawner, busy.authenticator):
        assert identity(pid)["uid"] == {0}
    alice = ids("alice")
    for pid in busy.locals:
        agent = identity(pid)
        # The mailbox group stays as the saved id, so that a mailbox can be created below mail-dir.
        real, effective, saved, fs = (int(n) for n in status(pid)["Gid"].split())
        assert agent["uid"] == {alice[0]} and agent["capabilities"] == 0
        assert (real, effective, fs) == (alice[1],) * 3 and saved in (alice[1], grp.getgrnam("mail").gr_gid)
        assert 0 not in agent["groups"] and alice[1] in agent["groups"]
    for pid in busy.sts_fetcher:
        assert identity(pid) == {"uid": {65534}, "gid": {65534}, "groups": {65534}, "no_new_privs": 1, "capabilities": 0}
    known = {busy.master, busy.spawner, busy.authenticator, *busy.sts_fetcher, *busy.locals, *busy.unprivileged()}
    for title, (pid, found) in of_each(busy.host, lambda pid: (pid, identity(pid))):
        assert pid in known or found["uid"] == {service[0]}, title


def filters(pid):
    """The number of system call filters of the process."""
    return int(status(pid)["Seccomp_filters"])


@needs_root
@needs_call_filters
def test_each_role_has_its_system_call_filter(busy):
    """tests/unit/system_calls_test.cc tries what each filter permits."""
    reaper = wait_for_title(busy.host, "postoffice: reaper")
    assert filters(busy.listener) == 1 and filters(busy.runner) == 1
    for pid in [*busy.sessions, *busy.agents, *busy.pickup, *reaper]:
        assert filters(pid) == 2, busy.host.processes()[pid]
    for pid in [*busy.locals, *busy.sts_fetcher]:
        assert filters(pid) == 1
    for pid in (busy.master, busy.spawner, busy.authenticator):
        assert filters(pid) == 0, "programs of users and modules of PAM need all calls"


@needs_root
def test_a_local_agent_needs_no_group_where_its_user_may_write(host):
    os.chown(host.mail, *ids("alice"))
    os.chmod(host.mail, 0o755)
    host.start()
    with host.smtp() as client:
        client.sendmail("a@example.org", ["alice"], b"Subject: one\r\n\r\n")
    agent, = wait_for_title(host, "deliver alice")
    assert identity(agent)["gid"] == {ids("alice")[1]}


@needs_root
def test_master_and_spawner_hold_no_client(busy):
    host = busy.host
    master = held(busy.master, host)
    assert master == {f"tcp listen {host.port}": 1, "signalfd": 1, f"{host.spool}/pid": 1,
                      f"unix datagram {host.spool}/control": 1, "requests": 2 + len(busy.sts_fetcher),
                      "handle": 2 + len(busy.sts_fetcher), "pipe": 2,
                      PACKETS: 2}  # passes idle clients to the next listener
    spawner = held(busy.spawner, host)
    assert spawner == {"signalfd": 1, "requests": 1, PACKETS: len(busy.locals)}
    for pid in (busy.authenticator, *busy.sts_fetcher):
        assert held(pid, host) == {"signalfd": 1, "requests": 1}, "only requests"


@needs_root
def test_the_listener_holds_ports_and_idle_clients(busy):
    listener = held(busy.listener, busy.host)
    port = busy.parked.sock.getsockname()[1]
    # The listener gets it after a while without commands.
    wait_for(lambda: f"tcp {busy.host.port}-{port}" in descriptors(busy.listener), what="the idle client")
    wait_for(lambda: client_ports(busy.listener) == {port}, what="the listener without other clients")
    listener = held(busy.listener, busy.host)
    assert listener.pop(f"tcp listen {busy.host.port}") == 1
    assert listener.pop(f"tcp {busy.host.port}-{port}") == 1
    assert listener.pop("signalfd") == 1 and listener.pop("eventpoll") == 1
    assert set(listener) == {PACKETS, "handle", "pipe"}


def client_ports(pid):
    return {int(name.split("-")[1]) for name in descriptors(pid) if re.fullmatch(r"tcp \d+-\d+", name)}


@needs_root
def test_a_session_holds_its_client_and_its_message(busy):
    host = busy.host
    ports = {client.sock.getsockname()[1] for client in busy.clients}
    serving = {client_of(pid): pid for pid in busy.sessions if client_of(pid) in ports}
    assert set(serving) == ports
    messages = set()
    for port, pid in serving.items():
        session = held(pid, host)
        assert session.pop(f"tcp {host.port}-{port}") == 1
        files = [name for name in session if name.startswith("/")]
        message, *folder = sorted(files, reverse=True)
        assert message.startswith(f"{host.spool}/tm")
        assert set(folder) <= {os.path.dirname(path) for path in host.paths_in_spool("cm")}  # of its last message
        messages.add(message)
        for name in files:
            del session[name]
        assert session.pop("pipe") == 1  # to the runner
        assert session.pop("handle") == 2  # of spawner and authenticator
        assert set(session) == {PACKETS}  # listener, and its own local agents
        assert 1 <= session[PACKETS] <= 2
    assert len(messages) == 2


@needs_root
def test_the_runner_reads_no_network(busy):
    runner = held(busy.runner, busy.host)
    assert not [name for name in runner if name.startswith(("tcp", "udp"))]
    files = [name for name in runner if name.startswith("/")]
    assert files == busy.host.paths_in_spool("cm")
    assert runner[f"unix datagram {busy.host.spool}/control"] == 1
    assert runner.pop("pipe") == 3  # arrivals, both ends; to the reaper
    assert set(runner) == {PACKETS, "handle", "signalfd", files[0], f"unix datagram {busy.host.spool}/control"}


@needs_root
def test_a_queue_agent_holds_one_message_and_one_server(busy):
    agent, = [pid for pid in busy.agents if held(pid, busy.host)]
    mine = held(agent, busy.host)
    assert [name for name in mine if name.startswith("tcp")][0].endswith(f"-{busy.sink.port}")
    assert sorted(name for name in mine if name.startswith("/")) == busy.host.paths_in_spool("[cd]m")
    assert mine[PACKETS] == 1  # the runner
    assert mine["handle"] == len(busy.sts_fetcher)
    assert sum(mine.values()) == 4 + len(busy.sts_fetcher), mine


@needs_root
def test_a_local_agent_holds_one_mailbox(busy):
    for pid in busy.locals:
        mine = held(pid, busy.host)
        assert set(mine) == {PACKETS, "signalfd", busy.host.mailbox_path("alice")}, mine


@needs_root
def test_an_idle_pickup_worker_holds_no_message(busy):
    for pid in busy.pickup:
        mine = held(pid, busy.host)
        assert mine.pop("pipe") == 1  # to the runner
        assert mine.pop("handle") == 1  # of the spawner
        assert set(mine) == {PACKETS} and 1 <= mine[PACKETS] <= 2


@needs_root
def test_nothing_is_set_uid(busy):
    assert os.stat(BINARY).st_mode & (stat.S_ISUID | stat.S_ISGID) == 0
    for folder, _, files in os.walk(busy.host.folder):
        for name in files:
            path = os.path.join(folder, name)
            assert os.lstat(path).st_mode & stat.S_ISUID == 0, path
    drop = os.stat(os.path.join(busy.host.spool, "drop"))
    assert stat.S_IMODE(drop.st_mode) == 0o3730 and drop.st_gid == ids("postoffice")[1]
    assert stat.S_IMODE(os.stat(busy.host.spool).st_mode) & stat.S_IRWXO == 0


@needs_root
def test_spawned_agents_of_two_users_share_nothing(host):
    host.start()
    with host.smtp() as client:
        client.sendmail("a@example.org", ["alice", "bob"], b"Subject: both\r\n\r\n")
    for user, other in (("alice", "bob"), ("bob", "alice")):
        agent, = wait_for_title(host, f"deliver {user}")
        assert identity(agent)["uid"] == {ids(user)[0]}
        assert host.mailbox_path(other) not in descriptors(agent)
        assert host.mailbox_path(user) in descriptors(agent)


#: Starts a host as an ordinary user, and prints the ids of its processes.
PRIVATE = """
import sys
sys.path[:0] = [{support!r}, {tests!r}]
import os, pwd
from host import Host
from processes import of_each, status, wait_for_title
me = os.getuid()
host = Host({folder!r})
host.start()
try:
    with host.smtp() as client:
        client.sendmail("a@example.org", [pwd.getpwuid(me).pw_name], b"Subject: mine\\r\\n\\r\\n")
        client.ehlo()
        client.mail("a@example.org")
        assert client.rcpt("root")[0] == 550
    client = host.smtp()  # as long as it is there, so is its session
    for title in ("listener", "queue runner", "spawner", "authenticator", "SMTP", "deliver "):
        wait_for_title(host, title)
    for title, said in of_each(host, status):
        assert set(said["Uid"].split()) == {{str(me)}}, title
        assert set(said["Gid"].split()) == {{str(os.getgid())}}, title
        assert int(said["CapEff"], 16) == 0, title
    assert b"Subject: mine" in host.mailbox(pwd.getpwuid(me).pw_name)
finally:
    host.end()
"""


@needs_root
def test_a_private_host_has_only_the_rights_of_its_user(folder):
    os.chmod(folder, 0o755)
    mine = os.path.join(folder, "mine")
    os.mkdir(mine)
    os.chown(mine, *ids("alice"))
    program = os.path.join(folder, "postoffice")  # where alice has access
    with open(BINARY, "rb") as source, open(program, "wb") as copy:
        copy.write(source.read())
    os.chmod(program, 0o755)
    support = os.path.join(folder, "tests", "support")
    here = os.path.dirname(os.path.abspath(sys.modules[Host.__module__].__file__))
    for name in ("tests/support/host.py", "tests/support/processes.py", "tests/support/log_reference.py", "man/postoffice-log.5"):
        copy = os.path.join(folder, name)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copyfile(os.path.join(here, "..", "..", name), copy)
    done = subprocess.run([sys.executable, "-c", PRIVATE.format(support=support, tests=support, folder=mine)],
                          user=ids("alice")[0], group=ids("alice")[1], extra_groups=[], cwd="/", capture_output=True,
                          env={**os.environ, "POSTOFFICE_BINARY": program, "HOME": "/home/alice"}, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


#: An attack by a captured process: shuts down all that it can, and changes flags.
CAPTURED = """
import fcntl, os, socket
for name in os.listdir("/proc/self/fd"):
    number = int(name)
    if number <= 2:
        continue
    try:
        fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) ^ os.O_NONBLOCK)
    except OSError:
        pass
    try:
        duplicate = os.dup(number)
        socket.socket(fileno=duplicate).shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
"""


def capture(pid):
    """Attacks through the open files of this process."""
    done = subprocess.run([sys.executable, "-c", BORROW + CAPTURED, str(pid)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


#: pidfd_getfd(2): copies of another process's descriptors.
BORROW = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
target = os.pidfd_open(int(sys.argv[1]))
for name in sorted(os.listdir(f"/proc/{sys.argv[1]}/fd"), key=int):
    if int(name) > 2:
        copy = libc.syscall(438, target, int(name), 0)
        assert copy > 2, os.strerror(ctypes.get_errno())
        os.set_inheritable(copy, True)
os.close(target)
"""


@needs_root
@pytest.mark.parametrize("again", [False, True], ids=["", "after a new spawner"])
def test_a_captured_session_process_stops_no_other(host, again):
    host.start()
    captured = host.smtp()
    captured.ehlo()
    captured.mail("a@example.org")
    captured.rcpt("alice")  # in a transaction, so that the process keeps this client
    other = host.smtp()
    other.ehlo()
    other.mail("a@example.org")
    mine, = [pid for pid in with_title(host, "SMTP 127.0.0.1") if client_of(pid) == captured.sock.getsockname()[1]]
    capture(mine)
    if again:
        spawner, = with_title(host, "postoffice: spawner")
        os.kill(spawner, 9)
        wait_for(lambda: set(with_title(host, "postoffice: spawner")) - {spawner}, what="another spawner")
    assert other.rcpt("bob")[0] == 250
    assert other.data(b"Subject: not disturbed\r\n\r\n")[0] == 250
    other.quit()
    host.wait_for_mail("bob", b"Subject: not disturbed")
    with host.smtp() as new:
        new.sendmail("a@example.org", ["alice"], b"Subject: new\r\n\r\n")
    host.wait_for_mail("alice", b"Subject: new")
    captured.close()
