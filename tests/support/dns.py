"""A real name server of our own: nsd on a loopback port, with the zones of one test.

    with Nsd({"example.test": "@ MX 10 mx\\nmx A 127.0.0.2\\n"}) as dns:
        host = make_host("a", nameserver=dns.endpoint, remote_port=sink.port)
"""
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

PATH = next((p for p in ("/usr/sbin/nsd", "/usr/local/sbin/nsd") if os.access(p, os.X_OK)), None)

_CONFIG = """server:
  ip-address: {address}@{port}
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  xfrdir: "{folder}"
  zonelistfile: "{folder}/zonelist"
  logfile: "{folder}/log"
  username: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

_ZONE = """$ORIGIN {name}.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
{records}
"""


def is_installed():
    return PATH is not None


class Nsd:
    """`zones`: name (without a dot at the end) -> records in master file form; SOA and NS are added."""

    def __init__(self, zones, address="127.0.0.1", prefix=()):
        self.address = address
        self.prefix = list(prefix)  # a command in front, such as: ip netns exec NAME
        self.folder = tempfile.mkdtemp(prefix="postoffice-nsd-")
        self.zones = dict(zones)
        self.process = None
        for _ in range(5):  # the port is free only until somebody else takes it
            if self._start():
                return
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        raise RuntimeError("nsd does not start")

    @property
    def endpoint(self):
        """As the option nameserver= takes it."""
        return f"{self.address}:{self.port}"

    def _write_zones(self):
        for name, records in self.zones.items():
            with open(os.path.join(self.folder, name + ".zone"), "w") as file:
                file.write(_ZONE.format(name=name, records=records))

    def _start(self):
        self.port = _port_for_both(self.address)
        self._write_zones()
        with open(os.path.join(self.folder, "nsd.conf"), "w") as file:
            file.write(_CONFIG.format(address=self.address, port=self.port, folder=self.folder))
            for name in self.zones:
                file.write(f'zone:\n  name: "{name}"\n  zonefile: "{name}.zone"\n')
        self.process = subprocess.Popen([*self.prefix, PATH, "-d", "-c", os.path.join(self.folder, "nsd.conf")],
                                        stdin=subprocess.DEVNULL)
        if self.prefix:
            time.sleep(0.5)  # it is where we cannot ask it
            return self.process.poll() is None
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            if self._answers():
                return True
        return False

    def _answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            name = b"".join(bytes([len(part)]) + part for part in next(iter(self.zones)).encode().split(b"."))
            try:
                s.connect((self.address, self.port))
                s.send(struct.pack(">6H", 4711, 0, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", 6, 1))
                return s.recv(512)[:2] == struct.pack(">H", 4711)
            except OSError:
                time.sleep(0.02)
                return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _port_for_both(address):
    """A port that is free for UDP and TCP."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            try:
                udp.bind((address, tcp.getsockname()[1]))
                return tcp.getsockname()[1]
            except OSError:
                continue
    raise RuntimeError("no free port")
