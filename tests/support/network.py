"""Several machines in one: network namespaces with addresses of their own, on one Ethernet. Needs root.

Mounts in a folder of the test keep the namespaces, not `ip netns`: since the whole run has a mount namespace of its
own, the machine never sees them, and they end with the run even if it is killed.
"""
import contextlib
import ctypes
import mailbox
import os
import shutil
import smtplib
import subprocess
import tempfile

import pytest

import dns
from host import Host, wait_for

CLONE_NEWNET = 0x40000000
TOOLS = ("ip", "nsenter", "unshare", "mount", "umount")


class NoNetwork(Exception):
    """This machine permits no networks of our own, for the reason in the text."""


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Machine:
    """One namespace: its loopback interface, and `eth0` with the addresses."""

    def __init__(self, name, namespace, addresses):
        self.name = name
        self.namespace = namespace
        self.addresses = addresses
        self.prefix = ["nsenter", f"--net={namespace}", "--"]  # a command with this prefix runs there

    def address_for(self, client):
        """An address that the other machine can reach."""
        families = {":" in address for address in client.addresses}
        return next(address for address in self.addresses if (":" in address) in families)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that this thread creates meanwhile belong to the machine."""
        with open("/proc/thread-self/ns/net") as home, open(self.namespace) as there:
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())


def _set_namespace(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    """The switch, and the machines that are connected to it."""

    def __init__(self):
        missing = [tool for tool in TOOLS if not shutil.which(tool)]
        if missing:
            raise NoNetwork(f"not installed: {', '.join(missing)}")
        self._folder = tempfile.mkdtemp(prefix="postoffice-network-")
        self._namespaces = []
        try:
            self._switch = self._make_namespace("switch")
            self._ip(self._switch, "link", "add", "name", "switch", "up", "type", "bridge")
            self._check_ipv6()
        except RuntimeError as why:
            self.close()
            raise NoNetwork(str(why)) from why

    def _make_namespace(self, name):
        path = os.path.join(self._folder, name)
        open(path, "w").close()
        _run("unshare", f"--net={path}", "true")
        self._namespaces.append(path)
        return path

    def _check_ipv6(self):
        setting = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
        if _run("nsenter", f"--net={self._switch}", "--", "cat", setting) != "0\n":
            raise RuntimeError("IPv6 is disabled")

    def _ip(self, namespace, *arguments):
        _run("nsenter", f"--net={namespace}", "--", "ip", *arguments)

    def add_machine(self, name, *addresses):
        """Addresses are IPv4 or IPv6, without prefix length: /24 and /64 are used."""
        namespace = self._make_namespace(name)
        self._ip(namespace, "link", "set", "lo", "up")
        self._ip(self._switch, "link", "add", "name", name, "type", "veth", "peer", "name", "eth0",
                 "netns", namespace)
        self._ip(self._switch, "link", "set", "dev", name, "master", "switch", "up")
        for address in addresses:
            form = [f"{address}/64", "nodad"] if ":" in address else [f"{address}/24"]
            self._ip(namespace, "address", "add", *form, "dev", "eth0")
        self._ip(namespace, "link", "set", "eth0", "up")
        return Machine(name, namespace, addresses)

    def close(self):
        """All processes in the machines must have ended."""
        for path in self._namespaces:
            _run("umount", path)
        shutil.rmtree(self._folder)


class NetworkHost(Host):
    """A mail host on a machine of its own, at port 25 of all its addresses."""

    def __init__(self, machine, folder, **settings):
        self.machine = machine
        super().__init__(folder, prefix=machine.prefix, **{"listen": ":25", **settings})
        self.port = 25

    def start(self, *arguments):
        super().start(*arguments)
        self.wait_until_ready()
        return self

    def answers(self):
        with self.machine.inside():
            return super().answers()

    def smtp(self, client=None, **options):
        """A client on another machine, or on this one, which may relay."""
        address = self.machine.address_for(client) if client else "127.0.0.1"
        with (client or self.machine).inside():
            return smtplib.SMTP(address, 25, local_hostname="client.test", timeout=60, **options)

    @contextlib.contextmanager
    def stopped(self):
        assert self.stop() == 0
        try:
            yield
        finally:
            self.start()

    def run_queue(self):
        """Tries all messages now, whatever their retry times."""
        self.run("runq", "-qf", check=True)

    def reasons(self):
        """The reasons why messages in the queue wait."""
        return [recipient.get("delay_reason") for entry in self.queue() for recipient in entry["recipients"]]

    def has_queued(self, text):
        """Whether a message in the spool contains this text."""
        done = subprocess.run(["grep", "-rqF", "-e", text, self.spool], stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def messages(self, user):
        return messages_in(self.mailbox_path(user))

    def wait_for_message(self, user, matches, seconds=30):
        """The only message of the mailbox that contains all of these octets."""
        return wait_for_message(lambda: self.messages(user), matches, seconds,
                                lambda: f"mail for {user} on {self.machine.name}; log: {self.log_text()[-3000:]}")


class HostsOnNetwork:
    """Services on a network of their own. A subclass starts them in _build(): `started` ends with end(), in that order."""

    def __init__(self, folder):
        self.folder = folder
        self.network = Network()
        self.started = []
        try:
            self._build()
        except BaseException:
            self.end()
            raise

    def start(self, *services):
        for service in services:
            self.started.append(service)
            service.start()

    def subfolder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        return path

    def host(self, machine, nameserver, aliases, **settings):
        """Not started yet."""
        host = NetworkHost(machine, self.subfolder(machine.name),
                           **{"hostname": f"{machine.name}.test", "nameserver": nameserver, **settings})
        host.write_aliases(aliases)
        return host

    def end(self):
        for service in self.started:
            service.stop()
        self.network.close()


def messages_in(path):
    """Header and body of each message of a mailbox file, without the From_ line."""
    if not os.path.exists(path):
        return []
    box = mailbox.mbox(path, create=False)
    try:
        return [box.get_bytes(key) for key in box.keys()]
    finally:
        box.close()


def wait_for_message(messages, matches, seconds, what):
    wanted = [matches] if isinstance(matches, bytes) else matches

    def found():
        return [message for message in messages() if all(text in message for text in wanted)]

    wait_for(found, seconds, lambda: f"{wanted} in {what()}")
    assert len(found()) == 1, f"{wanted} came more than once"
    return found()[0]


def made_for_module(make, prefix):
    """For a fixture of a module: yields make(folder), which has an end(); skips its tests where this machine permits no
    networks of our own, or has no name server for them."""
    if dns.NSD is None:
        pytest.skip("NEEDS nsd")
    folder = tempfile.mkdtemp(prefix=prefix)
    os.chmod(folder, 0o755)
    made = None
    try:
        made = make(folder)
        yield made
    except NoNetwork as why:
        pytest.skip(f"NEEDS network namespaces: {why}")
    finally:
        if made:
            made.end()
        shutil.rmtree(folder)
