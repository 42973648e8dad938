"""Arms the points at which postoffice-faults (tests/crash/faults.cc) dies or fails."""
import mmap
import os
import struct

import host

BINARY = host.BINARY + "-faults"
ONLY_TRACE, KILL = 0, 1

_HEAD = struct.Struct("=5I")  # mode, at, count, fired, octets of trace
_TRACE = 64 * 1024


class Faults:
    """For one host, whose programs must run with `environment`."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "faults")
        with open(self.path, "wb") as file:
            file.write(bytes(_HEAD.size + _TRACE))
        os.chmod(self.path, 0o666)
        with open(self.path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.environment = {"POSTOFFICE_FAULTS": self.path}

    def arm(self, mode, at):
        """Arms the `at`-th point, once: the process that reaches it is killed, or gets the errno `mode`."""
        _HEAD.pack_into(self._memory, 0, ONLY_TRACE, 0, 0, 0, 0)
        self._memory[_HEAD.size:] = bytes(_TRACE)
        _HEAD.pack_into(self._memory, 0, mode, at, 0, 0, 0)

    def disarm(self):
        """Returns whether the point was reached."""
        struct.pack_into("=I", self._memory, 0, ONLY_TRACE)
        return self.fired

    @property
    def fired(self):
        return _HEAD.unpack_from(self._memory)[3] != 0

    @property
    def trace(self):
        """(pid, what, inode, names) of each point, in order."""
        length = min(_HEAD.unpack_from(self._memory)[4], _TRACE)
        for line in self._memory[_HEAD.size:_HEAD.size + length].decode(errors="replace").splitlines():
            pid, what, inode, *names = line.split(" ")
            yield int(pid), what, int(inode), names
