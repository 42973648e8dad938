"""The machine that tests run on: accounts, mounts, network and name of the test run's own."""
import ctypes
import os
import socket
import subprocess
import tempfile

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET = 0x00020000, 0x04000000, 0x40000000

#: name, uid, gid of everybody the tests know
PEOPLE = [("postoffice", 7900, 7900), ("alice", 7901, 7901), ("bob", 7902, 7902), ("Carol", 7903, 7903),
          ("mallory", 7904, 7904), ("limited", 7905, 7905), ("alias", 7906, 7906), ("web-data", 7907, 7907)]


def password_of(name):
    return f"{name}'s secret"


def hash_of(password):
    """SHA-512 of crypt(5), as quick as it allows."""
    return subprocess.run(["openssl", "passwd", "-6", "-salt", "postoffice", password], check=True, text=True,
                          capture_output=True).stdout.strip()


def enter_private_machine():
    """Moves this process into a machine of its own, so that nothing of the real one is touched or left behind, several
    test runs can stand side by side, and what the real machine happens to be called or to listen on plays no part.

    It has its own mounts (a copy of /etc with our accounts, empty /home and /var/mail), its own loopback network, and the
    name `box`, without a domain. The way back to the real network is in $POSTOFFICE_REAL_NETWORK, see real_network().
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
    """The command as it runs in the network of the real machine: for what fetches packages."""
    network = os.environ.get("POSTOFFICE_REAL_NETWORK")
    return ["nsenter", f"--net={network}", "--", *command] if network else list(command)


def _mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def _kept_network():
    """A name of this process's network that holds for all that it starts."""
    return f"/proc/{os.getpid()}/fd/{os.open('/proc/self/ns/net', os.O_RDONLY)}"


def _make_etc():
    """A whole folder is bound over /etc, not files over its files: a package that is installed meanwhile replaces those."""
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
    # The folder stays where it is bound.
    subprocess.run(["umount", "--lazy", folder], check=True)
    os.rmdir(folder)


def _add_lines(path, lines, ours):
    """Puts our accounts in the place of accounts with the same names."""
    with open(path) as file:
        kept = [line for line in file if line.split(":")[0] not in ours]
    with open(path, "w") as file:
        file.writelines(kept + lines)
