"""ClamAV's milter as Debian ships it, with a scanner that knows one signature: the text VIRUS-OF-THE-TESTS."""
import os
import shutil
import subprocess

import pytest

from host import wait_for

VIRUS = b"VIRUS-OF-THE-TESTS"


class ClamAv:
    """Refuses mail with the signature; listens at `socket`."""

    def __init__(self, folder):
        self._folder = folder
        self._processes = []
        database = os.path.join(folder, "signatures")
        os.mkdir(database)
        with open(os.path.join(database, "tests.ndb"), "w") as file:
            file.write(f"Of.The.Tests:0:*:{VIRUS.hex()}\n")
        scanner = os.path.join(folder, "clamd.sock")
        self.socket = os.path.join(folder, "clamav.sock")
        try:
            self._start("clamd", scanner, DatabaseDirectory=database, LocalSocket=scanner, LocalSocketMode="666",
                        TemporaryDirectory=folder, User="root")
            self._start("clamav-milter", self.socket, MilterSocket=self.socket, MilterSocketMode="666",
                        ClamdSocket=f"unix:{scanner}", OnInfected="Reject", RejectMsg="Contains %v", User="root",
                        TemporaryDirectory=folder, AddHeader="Replace")
        except BaseException:
            self.close()
            raise

    def _start(self, name, socket, **settings):
        program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            pytest.skip(f"NEEDS {name} (./configure.sh --get-deps=check installs it)")
        config = os.path.join(self._folder, f"{name}.conf")
        output = os.path.join(self._folder, f"{name}.out")
        with open(config, "w") as file:
            file.write("Foreground yes\n" + "".join(f"{option} {value}\n" for option, value in settings.items()))
        process = subprocess.Popen([program, "-c", config], stdin=subprocess.DEVNULL, stdout=open(output, "w"),
                                   stderr=subprocess.STDOUT)
        self._processes.append(process)
        wait_for(lambda: os.path.exists(socket) or process.poll() is not None, 30, f"{name}")
        assert process.poll() is None, open(output).read()

    def close(self):
        for process in self._processes:
            process.kill()
            process.wait(20)
