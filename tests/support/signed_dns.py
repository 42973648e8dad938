"""DNS with DNSSEC: zones signed by ldnsutils, served by nsd, and validated by unbound."""
import glob
import os
import shutil
import subprocess

import dns
from host import free_port, wait_for

UNBOUND = shutil.which("unbound") or shutil.which("unbound", path="/usr/sbin")
MISSING = [name for name, found in [("nsd", dns.NSD), ("unbound", UNBOUND), ("ldnsutils", shutil.which("ldns-signzone"))]
           if not found]


class SignedDns:
    """`zones` maps an origin to the records of its zone; those in `signed` are signed, and their keys are known to the
    resolver. `forge(origin, text)` may change a zone file after it was signed. endpoint: of the resolver."""

    def __init__(self, folder, zones, signed, forge=lambda origin, text: text):
        self.folder = folder
        self._process = None
        port = free_port()
        self._server = dns.NameServer(folder, zones, port=port)
        anchors = [self._sign(origin, forge) for origin in signed]
        self._port = free_port()
        self.endpoint = f"127.0.0.1:{self._port}"
        lines = ["server:", '  username: ""', '  chroot: ""', f'  directory: "{folder}"', "  do-daemonize: no",
                 "  use-syslog: no", f'  logfile: "{folder}/unbound.log"', f'  pidfile: "{folder}/unbound.pid"',
                 f"  interface: 127.0.0.1@{self._port}", "  do-not-query-localhost: no", "  num-threads: 1",
                 '  module-config: "validator iterator"', '  local-zone: "test." nodefault']
        lines += [f'  trust-anchor-file: "{anchor}"' for anchor in anchors]
        lines += [f'  domain-insecure: "{origin}."' for origin in zones if origin not in signed]
        lines += ["remote-control:", "  control-enable: no"]
        for origin in zones:
            lines += ["stub-zone:", f'  name: "{origin}."', f"  stub-addr: 127.0.0.1@{port}"]
        self._configuration = os.path.join(folder, "unbound.conf")
        with open(self._configuration, "w") as file:
            file.write("\n".join(lines) + "\n")

    def _sign(self, origin, forge):
        """The file with the trust anchor."""
        def key(*kind):
            done = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", *kind, origin], cwd=self.folder, check=True,
                                  capture_output=True)
            return done.stdout.decode().strip()
        keys = [key("-k"), key()]
        zone = f"zone-{origin}"
        subprocess.run(["ldns-signzone", "-f", f"{zone}.signed", zone, *keys], cwd=self.folder, check=True,
                       capture_output=True)
        with open(os.path.join(self.folder, f"{zone}.signed")) as file:
            text = forge(origin, file.read())
        with open(os.path.join(self.folder, zone), "w") as file:
            file.write(text)
        return glob.glob(os.path.join(self.folder, f"{keys[0]}.ds"))[0]

    def start(self):
        self._server.start()
        self._process = subprocess.Popen([UNBOUND, "-d", "-c", self._configuration], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._has_started, what="unbound")
        return self

    def _has_started(self):
        log = os.path.join(self.folder, "unbound.log")
        text = open(log).read() if os.path.exists(log) else ""
        assert self._process.poll() is None, f"unbound ended: {text}"
        return "start of service" in text

    def stop(self):
        self._process.terminate()
        self._process.wait(20)
        self._server.stop()
