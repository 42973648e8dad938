"""Facts about processes from the kernel: ids, open descriptors, memory."""
import os
import re
import signal
from collections import Counter

from host import wait_for


def status(pid):
    """/proc/PID/status as a dict."""
    with open(f"/proc/{pid}/status") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def memory(pids):
    """Resident kilobytes of all processes; shared pages count in each."""
    total = 0
    for pid in pids:
        try:
            total += int(status(pid).get("VmRSS", "0 kB").split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def is_alive(pid):
    try:
        return status(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def of_each(host, read):
    """(title, read(pid)) of each process of the host; one that ends meanwhile is left out."""
    found = []
    for pid, title in host.processes().items():
        try:
            found.append((title, read(pid)))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def with_title(host, text):
    """The pids of the host's processes whose title contains the text."""
    return [pid for pid, title in host.processes().items() if text in title]


def helpers(host, name):
    """The pids of the master's children with that name. A process that one of them forks has the same title for a
    moment."""
    def parent(pid):
        try:
            return int(status(pid)["PPid"])
        except (FileNotFoundError, ProcessLookupError):
            return 0
    return [pid for pid in with_title(host, f"postoffice: {name}") if parent(pid) == host.process.pid]


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def wait_for_title(host, text, count=1):
    def found():
        pids = with_title(host, text)
        return pids if len(pids) >= count else None
    return wait_for(found, what=f"{count} of {text!r}; there are {host.processes()}")


def kill(pid, number=signal.SIGKILL):
    """Sends a signal; returns False if the process had ended."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def _sockets():
    """inode -> description of each socket in this network namespace."""
    known = {}
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}") as file:
            for fields in (line.split() for line in file.readlines()[1:]):
                port, peer = (int(fields[i].rsplit(":", 1)[1], 16) for i in (1, 2))
                known[fields[9]] = f"tcp listen {port}" if fields[3] == "0A" else f"tcp {port}-{peer}"
    for name in ("udp", "udp6"):
        with open(f"/proc/net/{name}") as file:
            for fields in (line.split() for line in file.readlines()[1:]):
                known[fields[9]] = "udp"
    with open("/proc/net/unix") as file:
        for fields in (line.split() for line in file.readlines()[1:]):
            kind = {"0001": "stream", "0002": "datagram", "0005": "packet"}[fields[4]]
            known[fields[6]] = " ".join(["unix", kind, *fields[7:]])
    return known


def descriptors(pid):
    """The description of each open descriptor: a path, "tcp listen PORT", "tcp PORT-PEERPORT", "unix packet",
    "signalfd"…; of a request socket "requests" (the end of its reader) or "handle"."""
    sockets, found = _sockets(), Counter()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = re.sub(r"^pipe:.*", "pipe", os.readlink(f"/proc/{pid}/fd/{number}"))
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            target = sockets.get(target[8:-1], "socket of another kind")
        elif target.startswith("anon_inode:"):
            target = target[11:].strip("[]")
        elif target.startswith("/memfd:"):
            target = "memory"
        elif re.fullmatch(r"/tmp/postoffice-\w+/requests \(deleted\)", target):
            target = "handle"
        found[re.sub(r"^unix datagram /tmp/postoffice-\w+/requests$", "requests", target)] += 1
    return found
