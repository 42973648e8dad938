"""A Debian with another mail system changes to postoffice, gets an update of that system's package meanwhile, and
changes back.

Not part of `make check`: `make check-roots`, as root on Debian. The program is that of the build folder.
"""
import os
import re
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "support")]
import ours  # noqa: E402
from host import wait_for  # noqa: E402
from root import Root  # noqa: E402

pytestmark = pytest.mark.timeout(1800)

#: Programs that send mail on a host.
PACKAGES = ["procps", "man-db", "cron", "bsd-mailx", "mutt", "php-cli", "logrotate"]

#: An address whose mail waits, so that it is visible in queues.
FAR = "friend@unreachable.example"


class Postfix:
    package = "postfix"
    queue = "/var/spool/postfix"
    name = "Postfix"
    files = ["/usr/sbin/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases", "/usr/lib/sendmail",
             "/usr/share/man/man1/sendmail.1.gz", "/usr/share/man/man1/mailq.1.gz", "/usr/share/man/man1/newaliases.1.gz"]
    start = "postfix start"
    stop = "postfix stop"
    database = "/etc/aliases.db"
    asks_database = "postalias -q carol hash:/etc/aliases"
    configure = """
        postconf -F '*/*/chroot = n'
        postconf myhostname=host.test mydestination=host.test maillog_file=/var/log/postfix.log relayhost=
        printf 'postmaster: root\\ncarol: alice\\n' >/etc/aliases; newaliases"""


class Exim:
    package = "exim4-daemon-light"
    queue = "/var/spool/exim4"
    name = "Exim"
    files = ["/usr/sbin/sendmail", "/usr/sbin/runq", "/usr/bin/mailq", "/usr/bin/newaliases", "/usr/lib/sendmail",
             "/usr/share/man/man8/mailq.8.gz", "/usr/share/man/man8/newaliases.8.gz"]
    start = "/etc/init.d/exim4 start"
    stop = "/etc/init.d/exim4 stop; while pgrep -x exim4; do sleep 0.1; done"
    database = None
    asks_database = None
    configure = """
        sed -i -e "s/^dc_eximconfig_configtype=.*/dc_eximconfig_configtype='internet'/" \\
            -e "s/^dc_other_hostnames=.*/dc_other_hostnames='host.test'/" /etc/exim4/update-exim4.conf.conf
        echo host.test >/etc/mailname; update-exim4.conf
        printf 'postmaster: root\\ncarol: alice\\n' >/etc/aliases"""


class Host:
    """A root with the other mail system, running; its network is loopback alone."""

    def __init__(self, root, other):
        self.root, self.other = root, other
        root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
        root.install(other.package, *ours.LIBRARIES, *PACKAGES)
        root.shell(f"cd /var/cache && apt-get -q download {other.package}")
        root.run("rm", "/usr/sbin/policy-rc.d")
        root.add_user("alice")
        root.cut_off()
        root.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 host.test host\n")
        root.write("/etc/resolv.conf", "nameserver 127.0.0.9\n")
        ours.bring(root)
        root.shell(other.configure)
        root.shell(other.start)

    def make(self, what):
        return ours.make(self.root, what)

    def send(self, subject, to="alice", user="alice"):
        self.root.run("/usr/sbin/sendmail", "-i", to, user=user, input=f"Subject: {subject}\n\nbody\n")

    def mailbox(self):
        return self.root.run("cat", "/var/mail/alice", check=False)

    def wait_for_mail(self, subject):
        """The message, once it is in alice's mailbox."""
        def found():
            parts = re.split(r"^From ", self.mailbox(), flags=re.MULTILINE)
            return [part for part in parts if f"\nSubject: {subject}\n" in part]
        return wait_for(found, seconds=60, what=lambda: f"mail {subject}; log: {self.log()}")[0]

    def log(self):
        return self.root.shell("tail -n 40 /var/log/postoffice.log /var/log/postfix.log /var/log/exim4/mainlog", check=False)

    def start_ours(self):
        self.root.write("/etc/postoffice.cf", "hostname=host.test\nlog=/var/log/postoffice.log\nload=1000\nminfree=1k\n")
        assert self.root.run("sendmail", "-bC").status == 0
        self.root.run("smtpd", "-q5m")

    def stop_ours(self):
        self.root.shell("pid=$(cat /var/spool/postoffice/pid); kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done")

    def is_ours(self, text):
        """The Received field of the host that had the message last."""
        return "by host.test (postoffice" in text

    def links(self):
        return {path: self.root.shell(f"readlink {path} || true").strip() for path in self.other.files}

    def remove_diversions(self):
        """The files stay where they are."""
        for path in self.root.shell("dpkg-divert --list | sed -n '/before-postoffice/s/.* of \\(.*\\) to .*/\\1/p'").split():
            self.root.run("dpkg-divert", "--local", "--no-rename", "--remove", path)

    def package_is_whole(self):
        """Whether no file of the other mail system's package is missing or changed."""
        return not self.root.run("dpkg", "--verify", self.other.package, check=False).strip()

    def update_package(self):
        """As apt-get does, though without a network."""
        self.root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
        self.root.shell(f"dpkg -i /var/cache/{self.other.package}_*.deb")
        self.root.run("rm", "/usr/sbin/policy-rc.d")


@pytest.fixture(params=[Postfix, Exim], ids=lambda other: other.name)
def moved(request):
    """The other mail system has a message that waits, and ours is installed and runs in its place."""
    with Root(name="host.test") as root:
        host = Host(root, request.param)
        host.send("by the other one")
        assert not host.is_ours(host.wait_for_mail("by the other one"))
        host.send("waits there", to=FAR)
        if host.other.database:
            host.database = root.run("sha256sum", host.other.database)
        host.told = host.make("install")
        root.shell(host.other.stop, check=False)
        host.start_ours()
        yield host


def assert_is_in_place(host):
    ours = {path for path, target in host.links().items() if target == "/usr/sbin/postoffice"}
    assert ours == {path for path in host.other.files if "/man/" not in path}
    assert host.root.run("stat", "-c", "%a %U %G", "/usr/sbin/postoffice").split() == ["2755", "root", "postoffice"]
    for page in ("sendmail", "mailq", "newaliases", "aliases", "runq", "smtpd", "mailaddr", "forward"):
        shown = host.root.run("man", "-w", page).splitlines()
        assert shown in ([f"/usr/share/man/man{section}/{page}.{section}"] for section in (1, 5, 7, 8)), shown


def send_with_programs(host, when):
    """Each program of the host sends a message, which arrives through ours."""
    root = host.root
    root.shell(f"echo body | mail -s 'mail {when}' carol", user="alice")
    root.shell(f"echo body | mutt -s 'mutt {when}' -- alice@host.test", user="alice")
    root.shell(f"""php -r 'exit(mail("carol", "php {when}", "body") ? 0 : 1);'""", user="alice")
    root.shell(f"printf 'Subject: bare {when}\\n\\nbody\\n' | /usr/lib/sendmail -t -i alice", user="alice")
    root.shell(f"""printf '* * * * * echo said by a job\\n' | crontab -u alice - && cron""")
    for program in ("mail", "mutt", "php", "bare"):
        assert host.is_ours(host.wait_for_mail(f"{program} {when}"))
    job = wait_for(lambda: "said by a job" in host.mailbox() and host.mailbox(), seconds=90, what="mail of cron")
    assert "Subject: Cron <alice@" in job
    root.shell("pkill -x cron; crontab -u alice -r; : >/var/mail/alice")


def test_a_host_changes_to_ours_and_back(moved):
    host, root, other = moved, moved.root, moved.other
    assert re.search(rf"1 message\(s\) wait in the queue of {other.name}", host.told), host.told
    assert "2 aliases" in host.told
    assert_is_in_place(host)
    send_with_programs(host, "moved")

    host.update_package()
    assert_is_in_place(host)
    send_with_programs(host, "updated")
    assert "kept as" not in host.make("install"), "the other mail system does not disturb ours"
    assert_is_in_place(host)
    if other.database:
        assert root.run("sha256sum", other.database) == host.database
        assert root.shell(other.asks_database) == "alice\n"

    host.send("waits here", to=FAR)
    wait_for(lambda: FAR in root.run("mailq"), what="mail in our queue")
    host.stop_ours()
    told = host.make("uninstall")
    assert "1 message(s) still wait in /var/spool/postoffice" in told and f"{ours.SOURCE}/build/postoffice -bp" in told
    assert FAR in root.run(f"{ours.SOURCE}/build/postoffice", "-bp"), "the commands in the output work"
    assert host.package_is_whole()
    assert not root.shell("dpkg-divert --list | grep before-postoffice; find / -xdev -name '*before-postoffice*'", check=False)
    root.shell(other.start)
    host.send("back again")
    assert not host.is_ours(host.wait_for_mail("back again"))
    host.send("back to carol", to="carol")
    host.wait_for_mail("back to carol")


def test_an_installation_from_before_there_were_diversions(moved):
    """Earlier versions only moved files aside; an update of the package then restores its names."""
    host, root, other = moved, moved.root, moved.other
    host.remove_diversions()
    host.make("install")
    assert_is_in_place(host)
    host.remove_diversions()
    host.update_package()
    newest = host.links()
    assert "/usr/sbin/postoffice" not in newest.values(), "the package has its names again"
    host.make("install")
    assert_is_in_place(host)
    host.update_package()
    assert_is_in_place(host)
    host.stop_ours()
    host.make("uninstall")
    assert host.links() == newest and host.package_is_whole()


def test_a_log_file_is_rotated(moved):
    root = moved.root
    moved.send("before")
    moved.wait_for_mail("before")
    root.run("logrotate", "--force", "/etc/logrotate.d/postoffice")
    moved.send("after")
    moved.wait_for_mail("after")
    wait_for(lambda: "delivered" in root.text("/var/log/postoffice.log"), what="a line in the new log")
    assert "delivered" in root.text("/var/log/postoffice.log.1")
