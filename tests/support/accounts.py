"""Accounts for tests: a private copy of the account database, in a mount namespace of the test run's own."""
import ctypes
import os
import subprocess
import tempfile

CLONE_NEWNS = 0x00020000

#: name, uid, gid of everybody the tests know
PEOPLE = [("postoffice", 7900, 7900), ("alice", 7901, 7901), ("bob", 7902, 7902), ("Carol", 7903, 7903),
          ("mallory", 7904, 7904)]


def password_of(name):
    return f"{name}'s secret"


def hash_of(password):
    """SHA-512 of crypt(5), as quick as it allows."""
    return subprocess.run(["openssl", "passwd", "-6", "-salt", "postoffice", password], check=True, text=True,
                          capture_output=True).stdout.strip()


def _mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def enter_private_machine():
    """Moves this process into a mount namespace with its own /etc/passwd, /etc/group, /var/mail and /home."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare: these tests need a mount namespace of their own")
    _mount("--make-rprivate", "/")
    folder = tempfile.mkdtemp(prefix="postoffice-accounts-")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    with open("/etc/passwd") as file:
        passwd = file.read()
    with open("/etc/group") as file:
        group = file.read()
    names = {name for name, _, _ in PEOPLE}
    passwd = "".join(line for line in passwd.splitlines(True) if line.split(":")[0] not in names)
    group = "".join(line for line in group.splitlines(True) if line.split(":")[0] not in names)
    for name, uid, gid in PEOPLE:
        passwd += f"{name}:x:{uid}:{gid}:{name.title()} Tester,,,:/home/{name}:/bin/sh\n"
        group += f"{name}:x:{gid}:\n"
    with open("/etc/shadow") as file:
        shadow = "".join(line for line in file if line.split(":")[0] not in names)
    for name, _, _ in PEOPLE:
        shadow += f"{name}:{hash_of(password_of(name))}:19000:0:99999:7:::\n"
    for target, text in (("/etc/passwd", passwd), ("/etc/group", group), ("/etc/shadow", shadow)):
        path = os.path.join(folder, os.path.basename(target))
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600 if target == "/etc/shadow" else 0o644)
        _mount("--bind", path, target)
    # The files stay where they are bound.
    subprocess.run(["umount", "--lazy", folder], check=True)
    os.rmdir(folder)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home")
    for name, uid, gid in PEOPLE:
        os.mkdir(f"/home/{name}", 0o750)
        os.chown(f"/home/{name}", uid, gid)
    _mount("-t", "tmpfs", "-o", "mode=2775", "tmpfs", "/var/mail")
    os.chown("/var/mail", 0, 8)  # root:mail
