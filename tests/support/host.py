"""A mail host of the test: one configuration file, one spool and one daemon, all in one folder."""
import errno
import glob
import itertools
import json
import os
import pwd
import random
import re
import signal
import smtplib
import socket
import subprocess
import time

import log_reference

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("POSTOFFICE_BINARY", os.path.join(TOP, "build", "postoffice"))
NAMES = ["postoffice", "smtpd", "pop3d", "sendmail", "authexpire", "dbm", "ndbm", "gdbm", "ns", "mailq", "runq", "newaliases",
         "pop3client", "vdomain", "vpasswd", "valias", "virtdomain"]

#: Options that root alone may set.
ROOT_ONLY = {"trusted", "forbidden", "spam", "coal-command", "usermap", "relay-host", "forward-all", "routes",
             "sender-relay", "relay-domains", "relay-password-file", "relay-token-command", "av"}


def ports_of_this_worker():
    """Without end, in an order of chance; a port comes again only when all others have been given out. They are below those
    that the kernel assigns to clients, so none of these takes one before the test does."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = list(range(10000 + worker, 32000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
    random.shuffle(own)
    return itertools.cycle(own)


ports = ports_of_this_worker()


def free_port(address="127.0.0.1"):
    """A port that no other test has now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        with socket.socket(family) as s:
            try:
                s.bind((address, next(ports)))
                return s.getsockname()[1]
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise


def wait_for(condition, seconds=20, what="condition"):
    """Polls until the condition gives a true value, and returns it; fails otherwise. `what` is a text, or a function
    that gives one."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what} did not come true within {seconds} s")
        time.sleep(0.02)


class Host:
    """Settings are options of postoffice.cf; a list repeats the option; None omits a default of this class."""

    def __init__(self, folder, binary=BINARY, prefix=(), **settings):
        self.folder = folder
        self.binary = binary
        self.prefix = list(prefix)  # a command in front, such as: ip netns exec NAME
        self.port = free_port()
        self.config = os.path.join(folder, "postoffice.cf")
        self.log = os.path.join(folder, "log")
        self.spool = os.path.join(folder, "spool")
        self.aliases = os.path.join(folder, "aliases")
        self.alias_database = self.aliases + ".postoffice.db"
        self.mail = os.path.join(folder, "mail")
        self.process = None
        self.settings = {
            "hostname": "host.test", "listen": f"127.0.0.1:{self.port}", "queue-dir": self.spool,
            "mail-dir": self.mail, "aliases": self.aliases, "log": self.log, "nameserver": "127.0.0.1:9",
            "minfree": "1k", "load": "1000",
        }
        self.settings.update({k.replace("_", "-"): v for k, v in settings.items()})
        self._make_folders()
        self.write_config()
        if not os.path.exists(self.aliases):
            self.write_aliases("")

    def _make_folders(self):
        os.makedirs(os.path.join(self.folder, "bin"), exist_ok=True)
        for name in NAMES:
            link = os.path.join(self.folder, "bin", name)
            if not os.path.islink(link):
                os.symlink(self.binary, link)
        os.makedirs(self.mail, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.mail, 0, 8)  # root:mail, as on Debian
            os.chmod(self.mail, 0o2775)

    def write_config(self, **changes):
        """An ordinary user may not set all options: a test that needs one of those is skipped."""
        self.settings.update({k.replace("_", "-"): v for k, v in changes.items()})
        denied = [name for name, value in self.settings.items() if name in ROOT_ONLY and value]
        if denied and os.geteuid() != 0:
            import pytest
            pytest.skip(f"NEEDS ROOT: {denied[0]} only root may set it")
        with open(self.config, "w") as file:
            for name, value in self.settings.items():
                for one in value if isinstance(value, list) else [value]:
                    if one is not None:
                        file.write(f"{name}={one}\n")

    def write_aliases(self, text):
        with open(self.aliases, "w") as file:
            file.write(text)
        os.chmod(self.aliases, 0o644)

    # -- the daemon

    def start(self, *arguments, has_clients=False):
        """`has_clients`: clients connect all the time, so their sessions are not waited for."""
        self.process = subprocess.Popen(
            [*self.prefix, self.command("smtpd"), "-C", self.config, "-bD", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(os.path.join(self.folder, "stderr"), "w"))
        if has_clients:
            wait_for(self.answers, what="the daemon answering")
        elif not self.prefix:
            self.wait_until_ready()
        return self

    def wait_until_ready(self):
        """Waits until the daemon answers and the session of that probe is over, since tests of limits count
        sessions."""
        wait_for(self.answers, what="the daemon answering")
        wait_for(lambda: not any(title.startswith(("SMTP ", "POP3 ")) for title in self.processes().values()),
                 what="the session that was asked leaving")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.stderr()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                return s.recv(4).startswith(b"220")
        except OSError:
            return False

    def permit_submission(self):
        """Opens drop/ for all accounts, since the sendmail of the tests is not set-group-id."""
        os.chmod(self.spool, 0o751)
        os.chmod(os.path.join(self.spool, "drop"), 0o3733)

    def stop(self, seconds=30):
        if self.process is None:
            return None
        self.process.terminate()
        status = self.process.wait(seconds)
        self.process = None
        return status

    def reload(self):
        """Sends SIGHUP, and waits for the result in the log."""
        before = self.log_text().count("reload")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log_text().count("reload") > before, what="the reload")

    def processes(self):
        """pid -> title of every process of the running tree."""
        found = {}
        children = [self.process.pid]
        while children:
            pid = children.pop()
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    found[pid] = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as file:
                        children += [int(p) for p in file.read().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def lasting_processes(self):
        """As processes(), without those that end, and without sessions whose client has said nothing: that of start() may
        still be leaving."""
        return {pid: title for pid, title in self.processes().items() if title and not re.search(r"(SMTP|POP3) \S+$", title)}

    def end(self):
        """For the end of a test in any state: all processes are gone afterwards."""
        if self.process is not None:
            self._end_processes()
        strange = log_reference.strange_lines(self.log_text())
        assert not strange, "not as postoffice-log(5) says:\n" + "\n".join(strange)

    def _end_processes(self):
        pids = self.processes()
        try:
            self.stop(seconds=10)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            self.process = None

    # -- using it

    def command(self, name):
        return os.path.join(self.folder, "bin", name)

    def run(self, name, *arguments, input=b"", check=False, **options):
        """Runs one of the names with the configuration of this host."""
        return subprocess.run([*self.prefix, self.command(name), "-C", self.config, *arguments],
                              input=input, capture_output=True, check=check, timeout=60, **options)

    def smtp(self, **options):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=30, **options)

    def dialogue(self, *commands):
        """Sends each command after the reply to the one before; returns all replies, the greeting first."""
        replies = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s, s.makefile("rb") as stream:
            def reply():
                lines = []
                while True:
                    line = stream.readline().decode(errors="replace").rstrip("\r\n")
                    lines.append(line)
                    if line[3:4] != "-":
                        return "\n".join(lines)
            replies.append(reply())
            for command in commands:
                s.sendall(command if isinstance(command, bytes) else command.encode() + b"\r\n")
                replies.append(reply())
        return replies

    # -- looking at it

    def mailbox_path(self, user):
        return os.path.join(self.mail, user)

    def mailbox(self, user):
        try:
            with open(self.mailbox_path(user), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def wait_for_mail(self, user, text, seconds=20):
        """The mailbox, once it contains the text (bytes)."""
        return wait_for(lambda: text in self.mailbox(user) and self.mailbox(user), seconds,
                        lambda: f"mail for {user} with {text!r}; log: {self.log_text()[-2000:]}")

    def queue(self):
        """The output of mailq --json: one object for each message."""
        listed = self.run("mailq", "--json", check=True).stdout.decode()
        return [json.loads(line) for line in listed.splitlines() if line.strip()]

    def wait_for_empty_queue(self, seconds=30):
        wait_for(lambda: not self.spool_files(), seconds, lambda: f"empty queue; log: {self.log_text()[-3000:]}")

    def spool_files(self):
        """Names of the files of messages, and of submissions."""
        files = [os.path.basename(path) for path in self.paths_in_spool("[cdt]m")]
        return files + os.listdir(os.path.join(self.spool, "drop"))

    def paths_in_spool(self, kind):
        """Paths of the files of a kind (cm, dm, tm, rm, bad) in the spool and its folders of messages."""
        return sorted(path for folder in (self.spool, f"{self.spool}/????")
                      for path in glob.glob(f"{folder}/{kind}[0-9A-Za-z]*") if "/drop/" not in path)

    def log_text(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def stderr(self):
        with open(os.path.join(self.folder, "stderr"), errors="replace") as file:
            return file.read()


def local_user():
    """A user with a mailbox on the hosts of the tests: the only user of a private host, or one of several."""
    return "alice" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
