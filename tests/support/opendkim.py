"""OpenDKIM and OpenDMARC as Debian ships them, as filters of a host."""
import os
import re
import shutil
import subprocess

import pytest

from host import wait_for


def _program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        pytest.skip(f"NEEDS {name} (./configure.sh --get-deps=check installs it)")
    return path


class Daemon:
    """One filter in the foreground, with a socket in `folder`."""

    def __init__(self, name, folder, settings):
        program = _program(name)
        self.socket = os.path.join(folder, f"{name}.sock")
        config = os.path.join(folder, f"{name}.conf")
        self._errors = os.path.join(folder, f"{name}.err")
        with open(config, "w") as file:
            for option, value in {"Socket": f"local:{self.socket}", "Syslog": "no", "UMask": "000",
                                  "Background": "no",
                                  **settings}.items():
                file.write(f"{option} {value}\n")
        self._process = subprocess.Popen([program, "-f", "-c" if name == "opendmarc" else "-x", config],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=open(self._errors, "w"))
        wait_for(self._is_ready, what=lambda: f"{name}: {open(self._errors).read()}")

    def _is_ready(self):
        assert self._process.poll() is None, open(self._errors).read()
        return os.path.exists(self.socket)

    def close(self):
        self._process.kill()  # asked to end, libmilter takes its time
        self._process.wait(20)


class SigningKey:
    """A key of `domain` for the selector s."""

    def __init__(self, folder, domain, bits=1024):
        subprocess.run([_program("opendkim-genkey"), "-D", folder, "-s", "s", "-d", domain, "-b", str(bits)], check=True)
        self.domain = domain
        self.file = os.path.join(folder, "s.private")
        with open(os.path.join(folder, "s.txt")) as file:
            record = "".join(re.findall(r'"([^"]*)"', file.read()))
        self.public = os.path.join(folder, "public")
        with open(self.public, "w") as file:
            file.write(f"s._domainkey.{domain} {record}\n")


def signer(folder, key, **more):
    return Daemon("opendkim", folder, {
        "Mode": "s", "Domain": key.domain, "Selector": "s", "KeyFile": key.file, "RequireSafeKeys": "no",
        "Canonicalization": "simple/simple", "TestPublicKeys": key.public, **more})


def verifier(folder, key):
    """Takes no client for one of its own network: it verifies mail of all."""
    hosts = os.path.join(folder, "internal")
    with open(hosts, "w") as file:
        file.write("192.0.2.1\n")
    return Daemon("opendkim", folder, {"Mode": "v", "InternalHosts": hosts, "TestPublicKeys": key.public,
                                       "AlwaysAddARHeader": "yes", "AuthservID": "b.test"})


def dmarc(folder):
    hosts = os.path.join(folder, "ignored")
    with open(hosts, "w") as file:
        file.write("192.0.2.1\n")
    return Daemon("opendmarc", folder, {"AuthservID": "b.test", "TrustedAuthservIDs": "b.test", "IgnoreHosts": hosts})
