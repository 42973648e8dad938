"""A captured process of the server, as if a client ran its own code in it: the program of the process is stopped, and
the test uses copies of its descriptors. Needs root."""
import array
import contextlib
import ctypes
import os
import signal
import socket
import struct

PIDFD_GETFD = 438  # the same number on all architectures


def copy_of(pid, number):
    """A copy of a descriptor of another process."""
    process = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, number, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), f"pidfd_getfd of {pid}")
        return copy
    finally:
        os.close(process)


def packet_sockets(pid):
    """Copies of the ends of packet socket pairs that the process holds."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                continue
            one = socket.socket(fileno=copy_of(pid, int(number)))
            if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
                found.append(one)
            else:
                one.close()
    return found


def request_handles(pid):
    """The handles of request sockets that a process has been given, as names that can be connected to."""
    paths = [f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd")]
    return [path for path in paths if os.readlink(path).endswith("/requests (deleted)")]


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


class LingeringSocket:
    """A TCP socket whose last close takes an hour (SO_LINGER), since its peer reads nothing."""

    def __init__(self, address="127.0.0.1"):
        with socket.create_server((address, 0)) as listening:
            self.socket = socket.create_connection(listening.getsockname())
            self._peer = listening.accept()[0]
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.send(bytes(65536))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))

    def send_by(self, other, packet, copies=1):
        """Sends this packet with copies of the socket; afterwards only the receiver has the socket."""
        rights = array.array("i", [self.socket.fileno()] * copies)
        try:
            other.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError:
            self._peer.close()  # a reset, so that the close does not wait
            raise
        finally:
            self.socket.close()

    def close(self):
        self._peer.close()
