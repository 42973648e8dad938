"""A real authoritative name server, nsd, with zones of the test."""
import os
import shutil
import subprocess

from host import wait_for

NSD = shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin")


class NameServer:
    """`zones` maps an origin to the records of its zone; None is a zone that the server should have, but cannot load:
    questions about it get SERVFAIL. With the root as a zone it knows every name there is."""

    def __init__(self, folder, zones, addresses=("127.0.0.1",), port=53, prefix=()):
        self.folder = folder
        self.prefix = list(prefix)
        self.process = None
        self._log = os.path.join(folder, "nsd.log")
        self._configuration = os.path.join(folder, "nsd.conf")
        lines = ["server:", f'  zonesdir: "{folder}"', f'  logfile: "{self._log}"', '  username: ""', '  database: ""',
                 "  server-count: 1", "  round-robin: yes",
                 # By default, nsd drops some questions of a client that asks more than 200 times a second.
                 "  rrl-ratelimit: 0", "  rrl-whitelist-ratelimit: 0"]
        lines += [f'  {name}: "{folder}/nsd.{name}"' for name in ("pidfile", "xfrdfile", "zonelistfile")]
        lines += [f"  ip-address: {address}@{port}" for address in addresses]
        lines += ["remote-control:", "  control-enable: no"]
        for origin, records in zones.items():
            lines += ["zone:", f"  name: {origin}", f"  zonefile: {self._zone_file(origin)}"]
            if records is not None:
                self.write_zone(origin, records)
        self._write("nsd.conf", "\n".join(lines) + "\n")

    @staticmethod
    def _zone_file(origin):
        return f"zone-{origin}"

    def write_zone(self, origin, records):
        """The zone has these records from the next start on."""
        self._write(self._zone_file(origin), f"$ORIGIN {origin.rstrip('.')}.\n$TTL 60\n{records}")

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def start(self):
        open(self._log, "w").close()
        self.process = subprocess.Popen([*self.prefix, NSD, "-d", "-c", self._configuration],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._has_started, what="the name server")
        return self

    def _has_started(self):
        with open(self._log) as file:
            text = file.read()
        assert self.process.poll() is None, f"nsd ended: {text}"
        return "nsd started" in text

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(20)
        self.process = None
