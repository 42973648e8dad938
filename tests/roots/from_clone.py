"""The commands of README lead from `git clone` to a running host on a bare Debian, as an ordinary user with sudo, as
root, and as a user with neither.

Not part of `make check`: `make check-roots`, as root on Debian. The first build takes minutes, the second uses a copy
of it.
"""
import os
import re
import subprocess
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "support")]
from host import wait_for  # noqa: E402
from root import Root  # noqa: E402

# Archives and compilers are slow.
pytestmark = pytest.mark.timeout(3600)

README = "./configure.sh --get-deps && make try"

#: State that packages for building and testing must not change.
STATE = {
    "accounts": "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow",
    "services": "find /etc/systemd/system /etc/systemd/user /etc/rc?.d -type l | sort",
    "programs with privilege": "find / -xdev -type f -perm /6000 | sort",
    "temporary files": "ls -A /tmp /var/tmp",
    "rules for services": "ls /usr/sbin/policy-rc.d 2>&1 || true",
}


def packages_of(root):
    return set(root.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n").splitlines())


class Run:
    """The command of README in a root, with the state before and after."""

    def __init__(self, root, folder, user=None):
        self.root = root
        before = {what: root.shell(look) for what, look in STATE.items()}
        packages = packages_of(root)
        self.told = root.shell(f"cd {folder} && {README}", user=user, check=False, timeout=1800)
        self.came = {line.removeprefix("installed ") for line in packages_of(root) - packages}
        self.changed = {what: (before[what], after) for what, look in STATE.items()
                        if (after := root.shell(look)) != before[what]}
        print(f"{user or 'root'}: {README}: {self.told.seconds:.0f} s")

    def assert_is_as_promised(self):
        assert self.told.status == 0, self.told[-6000:]
        assert "Every step did what it should; the host is stopped." in self.told
        said = re.search(r"--get-deps: apt-get will install (\d+) packages: (.*)", self.told)
        assert said, self.told[:3000]
        assert set(said[2].split()) == self.came and int(said[1]) == len(self.came)
        assert said.start() < self.told.index("Setting up "), "the output names it before the installation"
        assert not self.changed


def copy_tree(source, target):
    subprocess.run(["cp", "-a", source, target], check=True)


@pytest.fixture(scope="module")
def user_with_sudo(tmp_path_factory):
    with Root(name="sudo") as root:
        root.install("sudo")
        root.add_user("alice")
        root.write("/etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)
        root.clone_into("/home/alice/postoffice", owner="alice")
        run = Run(root, "/home/alice/postoffice", user="alice")
        # Outside of the root, with file times: the second run compiles nothing again.
        run.tree = str(tmp_path_factory.mktemp("built") / "postoffice")
        copy_tree(root.path + "/home/alice/postoffice", run.tree)
        yield run


def test_the_command_works_for_a_user_with_sudo(user_with_sudo):
    user_with_sudo.assert_is_as_promised()


def test_the_command_works_for_root(user_with_sudo):
    with Root(name="bare") as root:
        copy_tree(user_with_sudo.tree, root.path + "/root/postoffice")
        root.shell("chown -R root: /root/postoffice && chmod 700 /root")
        Run(root, "/root/postoffice").assert_is_as_promised()


def test_the_command_tells_a_user_with_neither_what_root_must_do():
    with Root(name="neither") as root:
        root.add_user("bob")
        root.clone_into("/home/bob/postoffice", owner="bob")
        run = Run(root, "/home/bob/postoffice", user="bob")
        assert run.told.status == 1 and not run.came and not run.changed
        said = re.search(r"--get-deps needs root or sudo; or let root run: (apt-get install .* g\+\+ .*)", run.told)
        assert said, run.told
        root.shell(f"{said[1]} -s -q")


def test_a_private_host_lives_below_a_prefix(user_with_sudo):
    """Without root: it is installed below the prefix, works there, and is removed from there."""
    root, home = user_with_sudo.root, "/home/alice/po"

    def alice(text, **options):
        return root.shell(text, user="alice", **options)

    root.shell("touch /mark && sleep 0.1")
    alice(f"cd postoffice && ./configure.sh --prefix={home} && make && make install", timeout=1800)
    elsewhere = root.shell("find / -xdev ( -path /home/alice -o -path /proc ) -prune -o -newer /mark ! -type d -print"
                           .replace("(", "\\(").replace(")", "\\)"))
    assert not elsewhere, elsewhere
    # The load of the compiler would make the host refuse mail.
    alice(f"echo load=1000 >>{home}/etc/postoffice.cf")
    alice(f"{home}/sbin/sendmail -bC && {home}/sbin/smtpd -q5m")
    alice(f"printf 'Subject: by sendmail\\n\\nbody\\n' | {home}/sbin/sendmail postmaster")
    alice("""python3 -c 'import smtplib; smtplib.SMTP("127.0.0.1", 2525).sendmail(
        "friend@client.example", ["alice"], "Subject: by SMTP\\r\\n\\r\\nbody\\r\\n")'""")
    box = f"{home}/var/mail/alice"
    for subject in ("by sendmail", "by SMTP"):
        wait_for(lambda: f"Subject: {subject}\n" in root.run("cat", box, check=False), what=subject)
    assert "1 aliases" in alice(f"{home}/bin/newaliases")
    assert "empty" in alice(f"{home}/bin/mailq")
    alice(f"pid=$(cat {home}/var/spool/pid); kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done")
    told = alice("cd postoffice && make uninstall")
    kept = {box, f"{home}/etc/postoffice.cf"}
    assert set(root.shell(f"find {home} ! -type d").split()) == kept and all(path in told for path in kept)
