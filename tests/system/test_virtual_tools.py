"""vdomain, vpasswd and valias let root and the owner of a virtual domain change it, with immediate effect, and no
other user."""
import errno
import json
import os
import stat
import struct
import subprocess

import pytest

from conftest import needs_root
from virtual import VirtualDomains, domains  # noqa: F401

pytestmark = needs_root


@pytest.fixture
def tool_host(make_host, domains):
    return make_host("host", **domains.settings())


def run_as(host, user, name, *arguments, input=b""):
    account = {"root": (0, 0), "alice": (7901, 7901), "bob": (7902, 7902)}[user]
    return subprocess.run([host.command(name), "-C", host.config, *arguments], input=input, capture_output=True,
                          timeout=60, user=account[0], group=account[1], extra_groups=[])


def done(host, user, name, *arguments, input=b""):
    result = run_as(host, user, name, *arguments, input=input)
    assert result.returncode == 0, result.stderr
    return result.stdout.decode()


def rcpt(host, *recipients):
    replies = host.dialogue("EHLO client.test", "MAIL FROM:<a@example.org>", *[f"RCPT TO:<{r}>" for r in recipients])
    return [reply.splitlines()[-1][:3] for reply in replies[3:]]


def test_a_new_domain_delivers_mail(tool_host, domains):
    os.rmdir(domains.spool)
    host = tool_host.start()
    assert rcpt(host, "vera@own.test") == ["250"], "this client may relay"
    done(host, "root", "vdomain", "create", "own.test", "alice", "Alice's own")
    done(host, "alice", "vpasswd", "-a", "vera@own.test", input=b"a pass phrase\n")
    done(host, "alice", "valias", "info@own.test", "vera")
    assert rcpt(host, "vera@own.test", "info@own.test", "nobody@own.test") == ["250", "250", "550"]
    with host.smtp() as smtp:
        smtp.login("vera@own.test", "a pass phrase")
        smtp.sendmail("vera@own.test", ["info@own.test"], b"Subject: to myself\r\n\r\nx\r\n")
    assert b"to myself" in domains.mailbox("vera", "own.test")
    status = os.stat(os.path.join(domains.etc, "own.test", "passwd"))
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (7901, 0o600)
    assert done(host, "bob", "vdomain", "show") == "own.test: owner alice, active: Alice's own\n"


def test_files_that_root_changes_belong_to_the_owner(tool_host, domains):
    done(tool_host, "root", "vdomain", "create", "own.test", "alice")
    done(tool_host, "root", "vpasswd", "-a", "vera@own.test", input=b"secret\n")
    done(tool_host, "root", "valias", "*@own.test", "vera")
    for name in os.listdir(os.path.join(domains.etc, "own.test")):
        assert os.stat(os.path.join(domains.etc, "own.test", name)).st_uid == 7901, name


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_domain_of_root_accepts_mail_after_each_change(make_host, folder, umask):
    """Its files are read by the account of vhost-user, which is not root."""
    host = make_host("host", vhost_dir=os.path.join(folder, "etc"), vhost_spool=os.path.join(folder, "virtual"))
    before = os.umask(umask)
    try:
        done(host, "root", "vdomain", "create", "club.test", "root")
        done(host, "root", "vpasswd", "-a", "vera@club.test", input=b"secret\n")
        done(host, "root", "valias", "info@club.test", "vera")
    finally:
        os.umask(before)
    host.start()
    assert agreed(host, "vera@club.test", "info@club.test", "none@club.test") == ["250", "250", "550"]
    mail = VirtualDomains.mail_ids()
    for name in ("passwd", "aliases"):
        path = os.path.join(folder, "etc/club.test", name)
        status = os.stat(path)
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, mail[1], 0o640)
        # As after a change with an editor.
        os.chown(path, 0, 0)
        os.chmod(path, 0o600)
    assert agreed(host, "vera@club.test") == ["451"]
    wanted = f"{folder}/etc/club.test/passwd: Permission denied; mail waits until the account of vhost-user="
    assert wanted in host.log_text() and "/proc" not in host.log_text()
    assert wanted in host.run("sendmail", "-bt", "vera@club.test").stdout.decode()
    done(host, "root", "vpasswd", "-l", "vera@club.test")
    done(host, "root", "valias", "info@club.test", "vera", "bob@host.test")
    done(host, "root", "valias", "--undo", "club.test")
    assert agreed(host, "vera@club.test", "info@club.test") == ["250", "250"]


def agreed(host, *addresses):
    """Asserts that RCPT and the trace agree; their result."""
    told = rcpt(host, *addresses)
    shown = [json.loads(line) for line in host.run("sendmail", "-bt", "--json", *addresses).stdout.splitlines()]
    assert [one["rcpt"]["trusted"][:3] for one in shown] == told, (shown, host.log_text())
    return told


def test_a_changed_file_keeps_its_mode_and_acl(tool_host, domains):
    """A web server, for instance, may have the right to read it."""
    domains.add("own.test", "alice", ["vera"], "info: vera\n")
    path = os.path.join(domains.etc, "own.test", "passwd")
    os.chmod(path, 0o700)  # as users of GNU pop3d have it
    done(tool_host, "root", "vpasswd", "-l", "vera@own.test")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    access_list = struct.pack("<I" + "HHI" * 5, 2, 1, 6, 0xffffffff, 2, 4, 7902, 4, 0, 0xffffffff, 16, 4, 0xffffffff,
                              32, 0, 0xffffffff)  # user:bob:r--, acl(5)
    try:
        os.setxattr(path, "system.posix_acl_access", access_list)
    except OSError as error:
        assert error.errno == errno.EOPNOTSUPP
    else:
        done(tool_host, "alice", "vpasswd", "-u", "vera@own.test")
        assert os.getxattr(path, "system.posix_acl_access") == access_list
        os.removexattr(path, "system.posix_acl_access")
    os.chown(path, 7901, 7902)
    os.chmod(path, 0o640)
    before = open(path).read()
    result = run_as(tool_host, "alice", "vpasswd", "-l", "vera@own.test")
    assert result.returncode == 65 and b"nothing is changed" in result.stderr and open(path).read() == before
    os.chown(path, 7901, 7901)
    done(tool_host, "alice", "vpasswd", "-l", "vera@own.test")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640


def test_no_other_user_may_change_a_domain(tool_host, domains):
    domains.add("own.test", "alice", ["vera"], "info: vera\n", mode=0o644)
    domains.add("root.test", "root", ["vera"], mode=0o644)
    before = {}
    for folder, _, names in os.walk(domains.etc):
        for name in names:
            with open(os.path.join(folder, name)) as file:
                before[os.path.join(folder, name)] = file.read()
    tries = [("bob", "vpasswd", "vera@own.test"), ("bob", "vpasswd", "-d", "vera@own.test"),
             ("bob", "vpasswd", "-s", "own.test"), ("bob", "vpasswd", "--undo", "own.test"),
             ("bob", "valias", "x@own.test", "bob"), ("alice", "vpasswd", "vera@root.test"),
             ("alice", "valias", "x@root.test", "alice"), ("alice", "vdomain", "disable", "own.test"),
             ("alice", "vdomain", "create", "more.test", "alice"), ("alice", "vdomain", "delete", "own.test"),
             ("alice", "vdomain", "--undo")]
    for user, name, *arguments in tries:
        assert run_as(tool_host, user, name, *arguments, input=b"secret\n").returncode == 77, (user, name, arguments)
    for path, text in before.items():
        with open(path) as file:
            assert file.read() == text, path


def test_vpasswd_changes_users_and_passwords(tool_host, domains):
    domains.add("own.test", "alice", ["vera"])
    path = os.path.join(domains.etc, "own.test", "passwd")

    def text():
        with open(path) as file:
            return file.read()
    first = text()
    done(tool_host, "alice", "vpasswd", "VERA@own.test", input=b"new one\n")
    assert text().startswith("vera:$y$")
    done(tool_host, "alice", "vpasswd", "--undo", "own.test")
    assert text() == first
    done(tool_host, "alice", "vpasswd", "-l", "vera@own.test")
    assert text() == first.replace("vera:", "vera:!")
    assert done(tool_host, "alice", "vpasswd", "-s", "own.test") == "vera (locked)\n"
    done(tool_host, "alice", "vpasswd", "-u", "vera@own.test")
    assert text() == first
    done(tool_host, "alice", "vpasswd", "-d", "vera@own.test")
    assert text() == ""
    for arguments, given, code in [(["vera@own.test"], b"x\n", 67), (["-a", "vera@own.test"], b"", 65),
                                   (["-a", "../x@own.test"], b"x\n", 65), (["-a", "vera@nowhere.test"], b"x\n", 68),
                                   (["-a", "vera"], b"x\n", 65), ([], b"", 64), (["-a", "-d", "a@own.test"], b"", 64),
                                   (["-a", "vera@../own.test"], b"x\n", 65)]:
        assert run_as(tool_host, "alice", "vpasswd", *arguments, input=given).returncode == code, arguments
    assert text() == ""


def test_valias_changes_aliases(tool_host, domains):
    domains.add("own.test", "alice", ["vera"], "# lists\nteam: vera,\n  bob@host.test\n")
    done(tool_host, "alice", "valias", "team@own.test", "vera", "carol@host.test")
    done(tool_host, "alice", "valias", "robot@own.test", "|/bin/sort -t, -k 2")
    assert done(tool_host, "alice", "valias", "own.test") == (
        'team: vera, carol@host.test\nrobot: "|/bin/sort -t, -k 2"\n')
    done(tool_host, "alice", "valias", "-d", "team@own.test")
    done(tool_host, "alice", "valias", "--undo", "own.test")
    assert done(tool_host, "alice", "valias", "team@own.test") == "team: vera, carol@host.test\n"
    for arguments, code in [(["-d", "nobody@own.test"], 67), (["x@own.test", "a\nroot: alice"], 65),
                            (["x@own.test", "<broken"], 65), (["own.test", "vera"], 64), (["a b@own.test", "vera"], 65)]:
        assert run_as(tool_host, "alice", "valias", *arguments).returncode == code, arguments


def test_valias_warns_of_an_account_that_is_no_name_of_the_domain(tool_host, domains):
    """Other mail systems treat a name without a domain as an account of the host."""
    domains.add("own.test", "alice", ["vera"], "team: vera\n")
    told = run_as(tool_host, "alice", "valias", "info@own.test", "bob", "vera", "team", "nobody-at-all", "bob@own.test")
    assert (told.returncode, told.stderr.decode()) == (0, "valias: note: bob is bob@own.test here, and there is no such user "
                                                          "yet; the account is bob@host.test\n")
    domains.add("own.test", "alice", ["bob"], "")
    assert run_as(tool_host, "alice", "valias", "info@own.test", "bob").stderr == b""


def test_vdomain_changes_domains(tool_host, domains):
    host = tool_host.start()
    done(host, "root", "vdomain", "create", "own.test", "alice")
    done(host, "root", "vpasswd", "-a", "vera@own.test", input=b"x\n")
    assert rcpt(host, "vera@own.test") == ["250"]
    done(host, "root", "vdomain", "disable", "own.test")
    assert rcpt(host, "vera@own.test") == ["550"]
    done(host, "root", "vdomain", "--undo")
    assert rcpt(host, "vera@own.test", "nobody@own.test") == ["250", "550"]
    done(host, "root", "vdomain", "delete", "own.test")
    assert rcpt(host, "nobody@own.test") == ["250"], "no longer a local domain"
    done(host, "root", "vdomain", "--undo")
    assert rcpt(host, "nobody@own.test") == ["550"]
    done(host, "root", "vdomain", "create", ".all.test", "alice")
    done(host, "root", "vpasswd", "-a", "vera@all.test", input=b"x\n")
    assert rcpt(host, "vera@all.test", "vera@any.all.test") == ["250", "250"]
    done(host, "root", "vdomain", "disable", "all.test")
    assert rcpt(host, "vera@all.test", "vera@any.all.test") == ["550", "550"]
    assert "all.test and all below it: owner alice, not active" in done(host, "bob", "vdomain", "show", ".all.test")
    done(host, "root", "vdomain", "enable", ".all.test")
    for arguments, code in [(["create", "own.test", "alice"], 73), (["create", "all.test", "alice"], 73), (["create", "../x", "alice"], 65),
                            (["create", "new.test", "no-such-login"], 67), (["create", "host.test", "alice"], 65),
                            (["enable", "nowhere.test"], 68), (["frobnicate"], 64), ([], 64)]:
        assert run_as(host, "root", "vdomain", *arguments).returncode == code, arguments
    os.mkdir(os.path.join(domains.etc, "taken.test"))
    assert run_as(host, "root", "vdomain", "create", "taken.test", "alice").returncode == 73


def test_concurrent_changes_are_all_kept(tool_host, domains):
    domains.add("own.test", "alice", ["vera"])
    running = [subprocess.Popen([tool_host.command("valias"), "-C", tool_host.config, f"n{i}@own.test", "vera"],
                                user=7901, group=7901, extra_groups=[]) for i in range(20)]
    assert [one.wait(60) for one in running] == [0] * 20
    assert len(done(tool_host, "alice", "valias", "own.test").splitlines()) == 20


def test_newaliases_checks_a_domain(tool_host, domains):
    domains.add("own.test", "alice", ["vera"], "info: vera\nbad: <x\n")
    result = tool_host.run("newaliases", "own.test")
    assert result.returncode == 65 and b"aliases:2:" in result.stderr
    domains.write("own.test", "aliases", "info: vera\n")
    assert b"own.test/aliases: 1 aliases" in tool_host.run("newaliases", "own.test", check=True).stdout
    assert tool_host.run("newaliases", "nowhere.test").returncode == 68
