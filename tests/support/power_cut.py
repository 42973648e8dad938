"""A disk whose power can be cut (tests/crash/power_cut_disk.cc): what was not synced may be forgotten."""
import os
import subprocess

import pytest

from host import TOP

PROGRAM = os.path.join(os.environ.get("BUILD", os.path.join(TOP, "build")), "power-cut-disk")

needs_power_cut_disk = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists(PROGRAM) or not os.path.exists("/dev/fuse"),
    reason="NEEDS ROOT, /dev/fuse and build/power-cut-disk (libfuse3-dev): no power can be cut")


class PowerCutDisk:
    """Mounted on a folder from the beginning to the end of a `with`."""

    def __init__(self, path):
        self.path = path
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen([PROGRAM, self.path], stdout=subprocess.PIPE)
        if self._process.stdout.readline() != b"mounted\n":
            raise AssertionError(f"power-cut-disk ended with {self._process.wait(10)}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.path], check=True)
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def cut(self, seed):
        """From here on every call fails. The seed says what survives of that which was not synced."""
        os.setxattr(self.path, "user.power", f"off {seed}".encode())

    def restore(self):
        """The disk works again, with what it has kept. No process may have open files on it."""
        os.setxattr(self.path, "user.power", b"on")

    def syncs(self):
        """How many times a file, and a folder, was synced."""
        files, folders = os.getxattr(self.path, "user.syncs").split()
        return int(files), int(folders)
