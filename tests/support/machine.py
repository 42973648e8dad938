"""A machine to install on: a mount and network namespace in which /etc, /usr and /var are overlays, so that make
install, accounts, the daemon on port 25 and mail to all users are as on a real host, and no change stays."""
import os
import shutil
import subprocess
import tempfile

from host import BINARY, TOP, wait_for

PEOPLE = [("alice", 7901), ("bob", 7902), ("mallory", 7904)]
ACCOUNT = "postoffice"

SETUP = """
set -e
base=$1
shift
mount --make-rprivate /
for folder in "$@"; do
    mkdir -p "$0$folder/upper" "$0$folder/work"
    changes=upperdir=$0$folder/upper,workdir=$0$folder/work,redirect_dir=on
    mount -t overlay -o "lowerdir=${base:+$base$folder/upper:}$folder,$changes" overlay "$folder"
done
mount -t tmpfs -o mode=755 tmpfs /home
[ -z "$base" ] || cp -a "$base/home/." /home
mount -t tmpfs -o mode=2775,gid=8 tmpfs /var/mail
ip link set lo up
echo ready
exec cat
"""


class Machine:
    """Commands run in it as root, or as one of PEOPLE. `base`: a machine that was frozen, as which this one starts."""

    def __init__(self, base=None):
        version = subprocess.run([BINARY, "-V"], capture_output=True, text=True, check=True).stdout.split()
        self.config = version[version.index("file") + 1].rstrip(",")
        self.spool = version[version.index("spool") + 1]
        self.drop = os.path.join(self.spool, "drop")
        self.folder = tempfile.mkdtemp(prefix="postoffice-machine-")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.folder], check=True)
        overlays = {"/" + path.split("/")[1] for path in ("/etc", "/usr", "/var", self.config, self.spool)}
        # Ends with its standard input: with the test at the latest.
        setup = ["sh", "-c", SETUP, self.folder, base.folder if base else "", *sorted(overlays)]
        self.keeper = subprocess.Popen(["unshare", "-m", "-n", *setup], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"ready\n", "no overlays: this test needs them"
        if not base:
            self._make_people()

    def _make_people(self):
        self.shell(f"userdel -f {ACCOUNT}; groupdel -f {ACCOUNT}", check=False)
        for name, uid in PEOPLE:
            self.shell(f"userdel -f {name}; groupdel -f {name}", check=False)
            self.shell(f"groupadd -g {uid} {name} && useradd -u {uid} -g {uid} -d /home/{name} -m -s /bin/sh {name}")
        self.shell("rm -f /var/mail/*")  # useradd may have made mailboxes

    def command(self, *arguments, user=None, groups=()):
        """The prefix of a command that runs in the machine."""
        enter = ["nsenter", "-t", str(self.keeper.pid), "-m", "-n", "--"]
        if user is not None:
            uid = str(dict(PEOPLE)[user])
            extra = ["--groups", ",".join(groups)] if groups else ["--clear-groups"]
            enter += ["setpriv", "--reuid", uid, "--regid", uid, *extra, "env", f"USER={user}", f"LOGNAME={user}",
                      f"HOME=/home/{user}"]
        return enter + list(arguments)

    def run(self, *arguments, user=None, groups=(), input=b"", check=True):
        done = subprocess.run(self.command(*arguments, user=user, groups=groups), input=input, capture_output=True,
                              timeout=60, cwd="/")
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stdout} {done.stderr}")
        return done

    def shell(self, text, **options):
        return self.run("sh", "-c", text, **options)

    def make(self, what):
        """Runs os/install.sh or os/uninstall.sh, with the paths of a system mail server."""
        places = {"SRC": TOP, "BUILD": os.path.dirname(BINARY), "EXECDIR": "/usr/bin", "SBINDIR": "/usr/sbin",
                  "LIBDIR": "/usr/lib", "MANDIR": "/usr/share/man", "CONFDIR": os.path.dirname(self.config),
                  "QUEUEDIR": self.spool}
        return self.run("env", "-u", "DESTDIR", *(f"{k}={v}" for k, v in places.items()), "sh",
                        os.path.join(TOP, "os", f"{what}.sh")).stdout.decode()

    def install(self):
        told = self.make("install")
        with_log = "hostname=host.test\nlog=/var/log/postoffice\nload=1000\nminfree=1k\nnameserver=127.0.0.1:9\n"
        self.run("tee", "-a", self.config, input=with_log.encode())
        self.run("tee", "/etc/aliases", input=b"root: alice\nteam: alice, bob\n")
        self.run("newaliases")
        return told

    def start(self):
        self.run("/usr/sbin/smtpd", "-q5m")

    def stop(self):
        """The daemon runs in the background. While it runs, it holds the lock of its pid file."""
        self.shell(f"""[ -s {self.spool}/pid ] && ! flock -n {self.spool}/pid true || exit 0
                       pid=$(cat {self.spool}/pid); kill $pid && while [ -e /proc/$pid/exe ]; do sleep 0.02; done""")

    def text(self, path):
        return self.run("cat", path, check=False).stdout.decode(errors="replace")

    def mailbox(self, user):
        return self.text(f"/var/mail/{user}")

    def wait_for_mail(self, user, text):
        return wait_for(lambda: text in self.mailbox(user) and self.mailbox(user),
                        what=f"mail for {user} with {text!r}; log: {self.log()[-3000:]}")

    def log(self):
        return self.text("/var/log/postoffice")

    def drops(self):
        return self.run("ls", self.drop).stdout.decode().split()

    def freeze(self):
        """The machine stops; others can start as it was."""
        self.shell(f"cp -a /home {self.folder}/home")
        self._stop_running()

    def _stop_running(self):
        try:
            self.stop()
        finally:
            self.keeper.stdin.close()
            self.keeper.wait(30)

    def end(self):
        try:
            if not self.keeper.stdin.closed:
                self._stop_running()
        finally:
            subprocess.run(["umount", "--lazy", self.folder], check=True)
            shutil.rmtree(self.folder, ignore_errors=True)
