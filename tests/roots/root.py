"""A Debian of its own: a root folder made by debootstrap, in which commands run as on a new machine.

The base is made once and kept in CACHE; it is made again when it is a week old or the apt sources of this machine
changed. Each Root is a copy. Its mounts and processes are in namespaces that end with the keeper process, and the
keeper ends with this process.
"""
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time

from accounts import real_network
from host import TOP, wait_for

CACHE = os.environ.get("POSTOFFICE_ROOTS", "/var/tmp/postoffice-roots")
SUITE = "bookworm"
MOST_AGE = 7 * 86400

#: The settings of apt on this machine: archives and access to them.
APT = ["/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", "/etc/apt/auth.conf.d",
       "/etc/apt/keyrings", "/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d", "/usr/share/keyrings"]
NETWORK = ["/etc/resolv.conf", "/etc/hosts"]

#: Process 1 of the root: reaps orphans, and ends with its standard input.
KEEPER = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
hostname -- "$1"
[ "$2" = host ] || ip link set lo up
exec chroot "$0" sh -c 'exec 3<&0; echo ready; cat <&3 & wait'
"""

#: The same with systemd as process 1, as on a booted host. It is killed with its parent.
BOOT = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t sysfs sysfs "$0/sys"
mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$0/dev"
for device in null zero full random urandom tty; do
    touch "$0/dev/$device"
    mount --bind "/dev/$device" "$0/dev/$device"
done
ln -s pts/ptmx "$0/dev/ptmx"
hostname -- "$1"
ip link set lo up
exec env -i container=root PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$0" /lib/systemd/systemd --system --log-target=console
"""


class NoRoot(Exception):
    """No root can be made here, for the reason in the text."""


def _apt_settings():
    """A hash of all settings of apt here."""
    found = hashlib.sha256()
    for place in APT:
        files = [os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names] or [place]
        for path in sorted(path for path in files if os.path.isfile(path)):
            with open(path, "rb") as file:
                found.update(path.encode() + file.read())
    return found.hexdigest()[:16]


def _mirror():
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                           "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    for line in told.splitlines():
        uri, codename, component = line.split()
        if codename == SUITE and component == "main":
            return uri
    raise NoRoot(f"apt of this machine knows no archive of {SUITE}, component main")


def _copy_in(root, places):
    for place in places:
        inside = root + place
        if os.path.isdir(place):
            shutil.copytree(place, inside, dirs_exist_ok=True)
        elif os.path.exists(place):
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            shutil.copyfile(place, inside)


def _make_base(folder):
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    if shutil.which("debootstrap") is None:
        raise NoRoot("debootstrap is missing (./configure.sh --get-deps=check installs it)")
    make = ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE, part, _mirror()]
    done = subprocess.run(real_network(*make), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise NoRoot(f"debootstrap: {(done.stdout + done.stderr)[-1500:]}")
    for place in APT[:2]:  # the file of debootstrap
        if os.path.isfile(part + place):
            os.unlink(part + place)
    _copy_in(part, APT + NETWORK)
    with Root(base=part, name="base", copy=False) as base:
        base.run("apt-get", "update", "-q")
    os.rename(part, folder)
    os.utime(folder)


def base_root():
    """The folder of a bare root for copies."""
    os.makedirs(CACHE, mode=0o700, exist_ok=True)
    folder = os.path.join(CACHE, f"{SUITE}-{_apt_settings()}")
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_leftovers(folder)
        if not os.path.isdir(folder):
            _make_base(folder)
    return folder


def _remove_leftovers(current):
    """Removes old bases, and copies of runs that were killed."""
    for name in os.listdir(CACHE):
        path = os.path.join(CACHE, name)
        is_base = name.startswith(SUITE)
        age = time.time() - os.stat(path).st_mtime
        if os.path.isdir(path) and ((is_base and (path != current or age > MOST_AGE)) or (not is_base and age > 86400)):
            shutil.rmtree(path, ignore_errors=True)


class Root:
    """A copy of the base, or of another root that does not run. `network`: "host", or "own" for the loopback device
    alone."""

    def __init__(self, base=None, name="bare", network="host", copy=True):
        self.name, self.network = name, network
        self.keeper, self.is_booted = None, False
        self._folder = None
        if copy:
            base = base or base_root()
            self._folder = tempfile.mkdtemp(prefix="run-", dir=CACHE)
            self.path = os.path.join(self._folder, "root")
            subprocess.run(["cp", "-a", "--reflink=auto", base, self.path], check=True)
        else:
            self.path = base

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    # -- its life

    def start(self):
        isolate = real_network("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
        isolate += ["--net"] if self.network == "own" else []
        self.keeper = subprocess.Popen([*isolate, "sh", "-c", KEEPER, self.path, self.name, self.network],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.keeper.stdout.readline() != b"ready\n":
            raise NoRoot("namespaces or mounts are not to be had here: this needs root on a real machine")
        self.first = self._first_process()
        return self

    def boot(self):
        """From now on process 1 is systemd, whose package it installs, and the root has a network of its own."""
        self.stop()
        isolate = real_network("unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child")
        self.keeper = subprocess.Popen([*isolate, "sh", "-c", BOOT, self.path, self.name], stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.is_booted = True
        self.first = wait_for(self._first_process, what="the first process of the root")
        wait_for(lambda: self._system_state() in ("running", "degraded"), seconds=120, what=self._system_state)
        return self

    def _first_process(self):
        with open(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children") as file:
            return next(iter(file.read().split()), None)

    def _system_state(self):
        return self.run("systemctl", "is-system-running", check=False).strip()

    def stop(self):
        """Ends all processes in it; its files stay."""
        if self.keeper is not None:
            if self.is_booted:
                self.keeper.kill()
            self.keeper.stdin.close()
            if self.keeper.stdout:
                self.keeper.stdout.close()
            self.keeper.wait(60)
            self.keeper, self.is_booted = None, False

    def cut_off(self):
        """From now on the root has a network of its own."""
        self.stop()
        self.network = "own"
        return self.start()

    def close(self):
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    # -- using it

    def command(self, *arguments, user=None):
        enter = ["nsenter", "-t", self.first, "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root",
                 "--wd", "--"]
        environment = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                       "DEBIAN_FRONTEND=noninteractive", *(f"{name}={value}" for name, value in os.environ.items()
                                                           if name.lower().endswith("_proxy"))]
        if user is None:
            return [*enter, *environment, "HOME=/root", *arguments]
        return [*enter, *environment, "su", "-l", "--whitelist-environment=PATH,LC_ALL", user, "-c", 'exec "$0" "$@"', "--",
                *arguments]

    def run(self, *arguments, user=None, input="", check=True, timeout=900):
        """Its output, with standard error, and `status`."""
        started = time.monotonic()
        done = subprocess.run(self.command(*arguments, user=user), input=input.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, cwd="/")
        told = Told(done.stdout.decode(errors="replace"))
        told.status, told.seconds = done.returncode, time.monotonic() - started
        if check and told.status != 0:
            raise AssertionError(f"{self.name}: {arguments} ended with {told.status}:\n{told[-6000:]}")
        return told

    def shell(self, text, **options):
        return self.run("sh", "-c", text, **options)

    def install(self, *packages):
        return self.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-unsafe-io",
                        *packages)

    def add_user(self, name):
        self.run("useradd", "--create-home", "--shell", "/bin/sh", name)

    def clone_into(self, folder, owner="root"):
        """The committed tree, as by git clone."""
        subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", TOP, self.path + folder], check=True)
        self.run("chown", "-R", f"{owner}:", folder)

    def text(self, path):
        return self.run("cat", path)

    def write(self, path, text, mode=0o644):
        with open(self.path + path, "w") as file:
            file.write(text)
        os.chmod(self.path + path, mode)


class Told(str):
    status = 0
    seconds = 0.0
