"""Mail systems as Debian ships them, each on a machine of a test network. Needs root, and Debian's archive the first time.

Each is installed in a copy of this machine's file system in memory that ends with the run (an overlay mount), and it
runs in a process namespace of its own, so neither its installation nor the program itself can change the machine. What an
installation changes is kept below build/peers for the next test, until the packages of this machine change.
"""
import fcntl
import glob
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from accounts import real_network
from host import TOP, wait_for
from network import messages_in, wait_for_message

CACHE = os.path.join(TOP, "build", "peers", "debian")  # packages, fetched once

INSTALL = """
apt() { apt-get -q -y --no-install-recommends -o Dir::Cache::archives=/var/cache/peers \
    -o APT::Keep-Downloaded-Packages=true -o Dpkg::Options::=--force-unsafe-io "$@"; }
apt install PACKAGES || { apt update && apt install PACKAGES; } || exit
useradd --create-home --shell /bin/sh debby
"""
TAR = ["tar", "--xattrs", "--xattrs-include=*", "--exclude=./var/lib/apt", "--exclude=./var/cache"]


class NoPeer(Exception):
    """This mail system is not available here, for the reason in the text."""


class DebianMta:
    """Receives mail for `debby` at its host name. A subclass says what is installed, and how it is configured and started."""

    packages = ""
    command = []  # that stays in the foreground
    log = "/var/log/peer.log"

    def __init__(self, machine, hostname, nameserver, aliases="", **settings):
        self.machine = machine
        self.hostname = hostname
        self.process = None
        self._folder = tempfile.mkdtemp(prefix="postoffice-peer-")
        self.root = os.path.join(self._folder, "root")
        try:
            self._mount_and_install()
            self._write("/etc/resolv.conf", f"nameserver {nameserver}\n")
            self._write("/etc/aliases", aliases)
            self._configure(settings)
        except BaseException:
            self.close()
            raise

    def _mount_and_install(self):
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self._folder)
        for name in ("root", "upper", "work"):
            os.mkdir(os.path.join(self._folder, name), 0o755)
        os.makedirs(CACHE, exist_ok=True)
        with open(os.path.join(CACHE, "in-use"), "w") as in_use:  # apt locks its archive
            fcntl.flock(in_use, fcntl.LOCK_EX)
            kept = os.path.join(CACHE, f"{self.packages.split()[0]}-{_machine_state()}.tar")
            if os.path.exists(kept):
                subprocess.run([*TAR, "-xf", kept, "-C", f"{self._folder}/upper"], check=True)
                self._mount()
            else:
                self._mount()
                self._install()
                self._keep(kept)

    def _mount(self):
        layers = f"lowerdir=/,upperdir={self._folder}/upper,workdir={self._folder}/work"
        _mount("-t", "overlay", "-o", layers, "overlay", self.root)
        _mount("--rbind", "/dev", os.path.join(self.root, "dev"))
        inside = os.path.join(self.root, "var/cache/peers")
        os.makedirs(inside, exist_ok=True)
        _mount("--bind", CACHE, inside)

    def _keep(self, path):
        for older in glob.glob(os.path.join(CACHE, f"{self.packages.split()[0]}-*.tar*")):
            os.unlink(older)
        subprocess.run([*TAR, "-cf", f"{path}.new", "-C", f"{self._folder}/upper", "."], check=True)
        os.rename(f"{path}.new", path)

    def _write(self, path, text, mode=0o644):
        inside = self.root + path
        if os.path.lexists(inside):  # a symbolic link would lead out of the copy
            os.unlink(inside)
        with open(inside, "w") as file:
            file.write(text)
        os.chmod(inside, mode)

    def _command(self, *command):
        """Runs a command in the copy; all processes of the command end with it."""
        return ["unshare", "--mount", "--pid", "--fork", f"--root={self.root}", "--mount-proc", *command]

    def _install(self):
        self._write("/etc/resolv.conf", _read("/etc/resolv.conf"))
        self._write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                       "LC_ALL": "C"}
        install = INSTALL.replace("PACKAGES", self.packages)
        done = subprocess.run(real_network(*self._command("sh", "-c", install)), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
        if done.returncode != 0:
            raise NoPeer(done.stdout.decode(errors="replace")[-500:].strip())

    def _configure(self, settings):
        raise NotImplementedError

    def _run(self, *command):
        subprocess.run(self._command(*command), check=True, stdout=subprocess.DEVNULL)

    # -- running it

    def start(self):
        with open(os.path.join(self._folder, "output"), "w") as output:
            self.process = subprocess.Popen([*self.machine.prefix, *self._command(*self.command)],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_for(self._answers, what=lambda: f"{self.packages}: {self.log_text()[-2000:]}")
        return self

    def _answers(self):
        try:
            with self.machine.inside(), socket.create_connection(("127.0.0.1", 25), 5):
                return True
        except ConnectionRefusedError:
            return False

    def stop(self):
        self.close()

    def close(self):
        if self.process is not None:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
                for pid in file.read().split():  # the master, on which all others depend
                    os.kill(int(pid), signal.SIGKILL)
            self.process.wait(20)
        subprocess.run(["umount", "--recursive", "--lazy", self._folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- using it

    def send(self, sender, recipients, message):
        """Sends by its sendmail; the message has LF line ends."""
        command = self._command("sendmail", "-i", "-f", sender, *recipients)
        subprocess.run([*self.machine.prefix, *command], input=message, check=True, timeout=60)

    def log_text(self):
        """What it writes, to its log or to standard error."""
        paths = (self.root + self.log, os.path.join(self._folder, "output"))
        return "".join(_read(path) for path in paths if os.path.exists(path))

    def wait_for_message(self, user, matches, seconds=30):
        path = os.path.join(self.root, "var/mail", user)
        return wait_for_message(lambda: messages_in(path), matches, seconds,
                                lambda: f"mail for {user} at {self.packages}; its log: {self.log_text()[-3000:]}")


class Postfix(DebianMta):
    """Receives mail for `settings["mydestination"]`, too. `services`: further lines of master.cf."""

    packages = "postfix"
    command = ["postfix", "start-fg"]
    log = "/var/log/postfix.log"

    def _configure(self, settings):
        self._run("postconf", "-F", "*/*/chroot = n")
        for line in settings.pop("services", []):
            name, kind = line.split()[:2]
            self._run("postconf", "-M", f"{name}/{kind}={line}")
        options = {
            "myhostname": self.hostname, "mydestination": self.hostname, "mynetworks": "127.0.0.0/8 [::1]/128",
            "relayhost": "", "inet_interfaces": "all", "inet_protocols": "all", "maillog_file": self.log,
            "mailbox_size_limit": "0", "message_size_limit": "0", "compatibility_level": "3.6",
            "mailbox_command": "",  # Debian's Postfix delivers by procmail where it is installed
            **settings}
        self._run("postconf", *(f"{name}={value}" for name, value in options.items()))
        self._run("newaliases")


def _machine_state():
    """Another text when the packages of this machine, or the commands above, have changed."""
    with open("/var/lib/dpkg/status", "rb") as packages:
        return hashlib.sha256(INSTALL.encode() + packages.read()).hexdigest()[:16]


def _mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise NoPeer(f"mount {' '.join(arguments)}: {done.stderr.strip()}")


def _read(path):
    with open(path, errors="replace") as file:
        return file.read()
