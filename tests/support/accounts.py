"""The private machine of the tests: accounts, mounts, network and name."""
import ctypes
import os
import socket
import subprocess
import tempfile

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000

#: name, uid, gid of the accounts of the tests
PEOPLE = [("postoffice", 7900, 7900), ("alice", 7901, 7901), ("bob", 7902, 7902), ("Carol", 7903, 7903),
          ("mallory", 7904, 7904), ("limited", 7905, 7905), ("alias", 7906, 7906), ("web-data", 7907, 7907)]


def password_of(name):
    return f"{name}'s secret"


def hash_of(password):
    """SHA-512 of crypt(5), with the smallest number of rounds."""
    return subprocess.run(["openssl", "passwd", "-6", "-salt", "postoffice", password], check=True, text=True,
                          capture_output=True).stdout.strip()


def enter_private_machine():
    """Moves this process into a private machine: tests change nothing of the real machine and leave nothing behind,
    several test runs can run side by side, and the name and the ports of the real machine do not matter.

    The private machine has its own mounts (a copy of /etc with our accounts, empty /home and /var/mail), its own
    loopback network, and the name `box`, without a domain. $POSTOFFICE_REAL_NETWORK leads back to the real network,
    see real_network().
    """
    os.environ.setdefault("POSTOFFICE_REAL_NETWORK", _kept_network())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) != 0:
        raise OSError(ctypes.get_errno(), "unshare: these tests need namespaces of their own")
    socket.sethostname("box")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    _mount("--make-rprivate", "/")
    _make_etc()
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home")
    for name, uid, gid in PEOPLE:
        os.mkdir(f"/home/{name}", 0o750)
        os.chown(f"/home/{name}", uid, gid)
    _mount("-t", "tmpfs", "-o", "mode=2775", "tmpfs", "/var/mail")
    os.chown("/var/mail", 0, 8)  # root:mail


def real_network(*command):
    """The prefix of a command that runs in the network of the real machine, to fetch packages."""
    network = os.environ.get("POSTOFFICE_REAL_NETWORK")
    return ["nsenter", f"--net={network}", "--", *command] if network else list(command)


def _mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def _kept_network():
    """A path of this process's network namespace that is valid in all its children."""
    return f"/proc/{os.getpid()}/fd/{os.open('/proc/self/ns/net', os.O_RDONLY)}"


def _make_etc():
    """A whole folder is mounted over /etc, not files over its files, since an installation of a package replaces
    those."""
    folder = tempfile.mkdtemp(prefix="postoffice-etc-")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    subprocess.run(["cp", "-a", "/etc/.", folder], check=True)
    accounts = {"passwd": [f"{name}:x:{uid}:{gid}:{name.title()} Tester,,,:/home/{name}:/bin/sh\n"
                           for name, uid, gid in PEOPLE],
                "group": [f"{name}:x:{gid}:\n" for name, _, gid in PEOPLE],
                "shadow": [f"{name}:{hash_of(password_of(name))}:19000:0:99999:7:::\n" for name, _, _ in PEOPLE]}
    ours = {name for name, _, _ in PEOPLE}
    for name, lines in accounts.items():
        _add_lines(os.path.join(folder, name), lines, ours)
    with open(os.path.join(folder, "hosts"), "w") as file:
        file.write("127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 box\n")
    _mount("--bind", folder, "/etc")
    # The folder stays mounted.
    subprocess.run(["umount", "--lazy", folder], check=True)
    os.rmdir(folder)


def _add_lines(path, lines, ours):
    """Replaces accounts with the same names by ours."""
    with open(path) as file:
        kept = [line for line in file if line.split(":")[0] not in ours]
    with open(path, "w") as file:
        file.writelines(kept + lines)
