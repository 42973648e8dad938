"""The check, the start and the reload give the same answer about a configuration, and programs use the configuration
that was accepted last."""
import os
import re
import shutil
import stat
import subprocess

import pytest

from certificates import Authority
from conftest import needs_root, needs_tls
from host import BINARY, local_user, wait_for
from processes import of_each, status, with_title


def check(host, *arguments, **options):
    return host.run("postoffice", "-bC", *arguments, **options)


def start_fails(host):
    """Exit status and standard error of a start that must fail."""
    ended = host.run("smtpd", "-bD")
    return ended.returncode, ended.stderr.decode()


def refuses(host, *words):
    """Asserts that the check and the start refuse with the same line, and that a running server keeps its
    configuration."""
    checked = check(host)
    assert checked.returncode == 78, checked.stderr
    text = checked.stderr.decode()
    for word in words:
        assert word in text, text
    status, told = start_fails(host)
    assert status == 78
    problems = [line for line in text.splitlines() if not line.endswith(("(a notice)", "root alone can)"))]
    assert problems and all(line in told for line in problems), (problems, told)


def with_mistake(host, **settings):
    """The host runs, and meets the mistake in a reload first."""
    host.start()
    host.write_config(**settings)
    host.reload()
    assert "reload-refused" in host.log_text()
    assert host.answers()
    assert host.run("postoffice", "reload").returncode == 78
    host.stop()


@pytest.mark.parametrize("option", ["mail-dir", "vhost-dir"])
def test_a_missing_folder_is_refused(host, option):
    with_mistake(host, **{option: "/nonexistent/folder"})
    refuses(host, "postoffice.cf:", f"{option}: /nonexistent/folder: No such file or directory")
    assert (b"vdomain create" in check(host).stderr) == (option == "vhost-dir")


def test_a_file_in_the_place_of_a_folder_is_refused(host):
    with_mistake(host, mail_dir=host.config)
    refuses(host, "mail-dir", "is not a folder")


@pytest.mark.parametrize("option, path", [("log", "/nonexistent/log"), ("control", "/nonexistent/control"),
                                          ("queue-dir", "/nonexistent/folder/spool"),
                                          ("log", "/dev/null/log")])
def test_a_path_that_cannot_be_used_is_refused(host, option, path):
    host.write_config(**{option: path})
    refuses(host, f"{option}:")


def test_a_coal_command_that_is_unsafe_is_refused(host, folder):
    program = os.path.join(folder, "program")
    with_mistake(host, coal_command=program)
    refuses(host, f"coal-command: {program}", "No such file")
    shutil.copy("/bin/true", program)
    os.chmod(program, 0o777)
    refuses(host, f"coal-command: {program} can be written by all users")
    os.chmod(program, 0o644)
    refuses(host, f"coal-command: {program}: Permission denied")
    os.chmod(program, 0o755)
    assert check(host).returncode == 0


@needs_root
@pytest.mark.parametrize("option", ["user", "alias-user", "vhost-user"])
@pytest.mark.parametrize("account", ["nosuch", "toor"])
def test_an_account_that_cannot_be_used_is_refused(host, folder, option, account):
    with open("/etc/passwd") as file:
        before = file.read()
    with open("/etc/passwd", "a") as file:
        file.write("toor:x:0:0::/root:/bin/sh\n")
    try:
        host.write_config(vhost_dir=folder, **{option: account})
        refuses(host, f"{option}:", "no account nosuch" if account == "nosuch" else "toor has the rights of root")
    finally:
        with open("/etc/passwd", "w") as file:
            file.write(before)


def test_root_as_account_is_refused(host):
    for option in ("user", "alias-user", "vhost-user"):
        host.write_config(**{option: "root"})
        refuses(host, f"{option}:")
        host.write_config(**{option: None})


@needs_tls
def test_a_certificate_that_cannot_be_used_is_refused(host, tmp_path):
    authority = Authority(str(tmp_path))
    good, other = authority.issue("host.test", "good.pem"), authority.issue("other.test", "other.pem")
    garbage, lone = tmp_path / "garbage.pem", tmp_path / "lone.pem"
    garbage.write_text("no certificate\n")
    text = open(good).read()
    lone.write_text(text[text.index("-----BEGIN CERT"):text.index("-----END CERT")] + "-----END CERTIFICATE-----\n")
    missing = str(tmp_path / "missing.pem")
    with_mistake(host, tls_certificate=missing)
    refuses(host, f"tls-certificate: {missing}: No such file")
    for wrong in (garbage, lone):
        host.write_config(tls_certificate=str(wrong))
        refuses(host, f"tls-certificate: {wrong}")
    host.write_config(tls_certificate=good, tls_key=other)
    refuses(host, "tls-certificate:", "not the key of the certificate")
    host.write_config(tls_key=None)
    assert check(host).returncode == 0


def test_a_port_in_use_is_a_notice(host, make_host):
    other = make_host("other").start()
    host.write_config(listen=f"127.0.0.1:{other.port}")
    checked = check(host)
    assert checked.returncode == 0
    assert f"another program uses 127.0.0.1:{other.port} now (a notice)" in checked.stderr.decode()
    assert start_fails(host)[0] == 71


@needs_root
def test_the_check_of_an_ordinary_user_names_what_it_cannot_see(host, folder):
    secret = os.path.join(folder, "secret")
    os.mkdir(secret, 0o700)
    host.write_config(mail_dir=os.path.join(secret, "mail"))
    os.mkdir(os.path.join(secret, "mail"))
    os.chmod(host.config, 0o644)
    os.mkdir(host.spool, 0o750)
    checked = check(host, user=65534, group=65534, extra_groups=[])
    assert checked.returncode == 0, checked.stderr
    assert f"mail-dir: {secret}/mail (not checked: root alone can)" in checked.stderr.decode()


@needs_root
@pytest.mark.parametrize("arguments", [["-bC"], ["-bD"]])
def test_a_start_without_proc_is_refused(host, arguments):
    """As in a chroot(8) in which /proc is not mounted."""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", host.command("sendmail"),
                           "-C", host.config, *arguments], capture_output=True, timeout=60)
    text = (done.stdout + done.stderr).decode() + host.log_text()
    assert done.returncode == 78 and "/proc is not mounted here: no mail could be delivered without it" in text, text
    assert "fd/" not in text and "helper" not in text


@needs_root
def test_a_configuration_with_which_users_cannot_submit_is_refused(host):
    host.start()
    host.stop()
    os.chmod(os.path.join(host.spool, "drop"), 0o700)
    refuses(host, "users cannot put mail into")


@needs_root
def test_a_configuration_that_users_cannot_read_is_refused():
    with open("/etc/postoffice.cf", "w") as file:
        file.write("hostname=host.test\nmail-dir=/tmp\n")
    os.chmod("/etc/postoffice.cf", 0o600)
    try:
        checked = subprocess.run([BINARY, "-bC"], capture_output=True, text=True, timeout=60)
        assert checked.returncode == 78
        assert "users cannot read it" in checked.stderr
        os.chmod("/etc/postoffice.cf", 0o644)
        assert "users cannot read it" not in subprocess.run([BINARY, "-bC"], capture_output=True, text=True).stderr
    finally:
        os.unlink("/etc/postoffice.cf")


# ---- what was accepted

def spoil(host):
    with open(host.config, "a") as file:
        file.write("relayhots=x.example\n")


def test_a_half_written_file_stops_no_local_mail(host):
    user = local_user()
    host.start()
    spoil(host)
    assert check(host).returncode == 78
    host.run("sendmail", user, input=b"Subject: goes on\n\n", check=True)
    host.wait_for_mail(user, b"Subject: goes on")
    assert host.run("mailq", check=True).stdout == b"Mail queue is empty\n"
    assert host.run("runq").returncode == 0
    assert "what the server last accepted is used" in host.log_text()
    host.stop()
    host.run("sendmail", user, input=b"Subject: waits\n\n", check=True)  # the server has stored its copy
    assert start_fails(host)[0] == 78


def test_a_mistake_is_an_error_if_no_server_has_run(host):
    spoil(host)
    assert host.run("sendmail", local_user(), input=b"\n").returncode == 78


def test_a_mistake_on_the_command_line_is_an_error(host):
    host.start()
    assert host.run("sendmail", "-ohops=none", local_user(), input=b"\n").returncode == 78


def test_the_copy_is_from_the_last_accepted_reload(host):
    copy = host.config + ".accepted"
    host.start()
    wait_for(lambda: os.path.exists(copy), what="the copy")
    host.write_config(hops="50")
    host.reload()
    assert "hops=50\n" in open(copy).read()
    host.write_config(hops="none")
    host.reload()
    assert "hops=50\n" in open(copy).read()
    assert stat.S_IMODE(os.stat(copy).st_mode) & 0o022 == 0


@needs_root
def test_a_copy_that_others_can_write_is_not_used(host):
    host.start()
    spoil(host)
    os.chown(host.config + ".accepted", 65534, -1)
    assert host.run("sendmail", local_user(), input=b"\n").returncode == 78


def test_a_reload_without_the_file_keeps_the_old_configuration(host):
    host.start()
    os.rename(host.config, host.config + ".away")
    host.reload()
    assert "reload-refused" in host.log_text()
    assert host.answers()


@needs_root
def test_a_reload_without_the_default_file_keeps_the_old_configuration(host):
    shutil.copy(host.config, "/etc/postoffice.cf")
    os.chmod("/etc/postoffice.cf", 0o644)
    with subprocess.Popen([BINARY, "-bD"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        host.process = process
        try:
            wait_for(host.answers, what="the daemon answering")
            os.unlink("/etc/postoffice.cf")
            host.reload()
            assert "reload-refused" in host.log_text()
            assert host.answers()
        finally:
            for path in ("/etc/postoffice.cf", "/etc/postoffice.cf.accepted"):
                if os.path.exists(path):
                    os.unlink(path)
            host.end()


# ---- commands of the administrator

def test_the_status_command(host):
    status = host.run("postoffice", "status")
    assert (status.returncode, status.stdout.splitlines()[0]) == (3, b"postoffice is not running")
    host.start()
    with host.smtp():
        wait_for(lambda: with_title(host, "listener, 1 client"), what="the count")
        status = host.run("postoffice", "status")
    text = status.stdout.decode()
    assert status.returncode == 0
    assert re.match(rf"postoffice is running, pid {host.process.pid}, since \d{{4}}-", text), text
    assert f"  listens on 127.0.0.1, port {host.port}\n" in text
    assert "  clients: 1 of 100\n" in text
    assert "  queue: 0 due, 0 deferred, 0 held\n" in text


def test_the_reload_and_stop_commands(host):
    assert host.run("postoffice", "reload").returncode == 69
    assert host.run("postoffice", "stop").returncode == 69
    host.start()
    host.run("postoffice", "reload", check=True)
    wait_for(lambda: "reloaded" in host.log_text(), what="the reload")
    stopping = subprocess.Popen([host.command("postoffice"), "-C", host.config, "stop"])
    assert host.process.wait(30) == 0
    assert stopping.wait(60) == 0
    host.process = None


@needs_root
def test_other_users_neither_reload_nor_stop_the_server(host):
    host.start()
    for word in ("reload", "stop"):
        denied = host.run("postoffice", word, user="mallory", group="mallory", extra_groups=[])
        assert (denied.returncode, denied.stderr) == (77, b"postoffice: only root may do that\n")
    assert host.answers()


def test_the_options_in_force_are_listed(host):
    host.write_config(local_domain=["a.example", "b.example"])
    shown = host.run("postoffice", "-ohops=7", "-P", check=True).stdout.decode()
    assert re.search(r"^hops=7 +# -ohops$", shown, re.M)
    assert re.search(r"^local-domain=b\.example +# .*/postoffice\.cf:\d+$", shown, re.M)
    assert re.search(r"^clients=100 +# default$", shown, re.M)
    assert re.search(r"^#tls-key= +# unset$", shown, re.M)
    changed = host.run("postoffice", "-ohops=100", "-oclients=9", "-P", "-n", check=True).stdout.decode()
    assert "clients=9 " in changed and "hops" not in changed and "errors" not in changed


@pytest.mark.parametrize("caller", ["the test user", pytest.param("an ordinary user", marks=needs_root)])
def test_the_options_in_force_are_a_configuration(host, caller):
    """What only root can set is a comment for other callers."""
    rights = {"user": 65534, "group": 65534, "extra_groups": []} if caller == "an ordinary user" else {}
    shown = host.run("postoffice", "-ohops=7", "-P", check=True, **rights).stdout.decode()
    with open(host.config, "w") as file:
        file.write(shown)
    again = host.run("postoffice", "-P", check=True, **rights).stdout.decode()
    assert [line.split(" ")[0] for line in again.splitlines()] == [line.split(" ")[0] for line in shown.splitlines()]


def test_the_daemon_is_found_by_its_name(host):
    host.start()
    names = [said["Name"] for _, said in of_each(host, status)]
    assert len(names) > 4 and set(names) == {"postoffice"}


@pytest.mark.parametrize("name", ["postoffice", "sendmail", "smtpd", "mailq", "runq", "newaliases", "authexpire", "dbm",
                                  "vdomain", "vpasswd", "valias", "virtdomain", "ns"])
def test_each_name_has_help_and_version(host, name):
    for option, word in (("--help", "usage"), ("--version", "Version")):
        told = subprocess.run([host.command(name), option], capture_output=True, text=True, timeout=60)
        assert (told.returncode, told.stderr) == (0, ""), name
        assert word in told.stdout


def test_a_greylist_key_that_never_matches_is_refused(host, folder):
    host.write_config(greylist="1", db_dir=os.path.join(folder, "db"))
    os.mkdir(os.path.join(folder, "db"), 0o777)
    os.chmod(os.path.join(folder, "db"), 0o777)
    for key in ("[198.51.100.7]", "", "nonsense", "<>", "[198.51.100.0/25]", "a@b.example[", "@", "to:x"):
        for option in ("-a", "-b"):
            refused = host.run("authexpire", option, key)
            assert refused.returncode == 65, key
            assert refused.stderr
    for key in ("[198.51.100.0/24]", "a@b.example", "<>[198.51.100.0/24]", "a@b.example[198.51.100.0/24]", "[b.example]",
                "A@b.example[b.example]", "[2001:db8::/64]"):
        assert host.run("authexpire", "-b", key).returncode == 0, key


@needs_root
def test_the_check_tells_of_a_greylist_that_cannot_be_written(host, folder):
    path = os.path.join(folder, "db")
    host.write_config(greylist="1", db_dir=path)
    os.mkdir(path, 0o755)
    notice = f"db-dir: postoffice cannot write to {path}: no greylist (a notice)"
    assert notice in host.run("sendmail", "-bC").stderr.decode()
    os.chmod(path, 0o777)
    assert notice not in host.run("sendmail", "-bC").stderr.decode()


def test_mailq_says_when_no_message_matches(host):
    host.start()
    host.write_config(relay_host="127.0.0.1:9")
    host.reload()
    host.run("sendmail", "-odq", "x@remote.example", input=b"\n", check=True)
    wait_for(host.queue, what="the message")
    assert host.run("mailq", "-qSnobody-of-this-name").stdout == b"No message matches\n"
    assert host.run("mailq", "-q!remote").stdout == b"No message matches\n"
    assert host.run("mailq", "-q!nothing").stdout.startswith(b"-Queue ID")


def test_options_of_one_queue_run_count_while_a_server_runs(host):
    host.write_config(relay_host="127.0.0.1:9")
    host.start()
    host.run("sendmail", "-f", local_user(), "x@remote.example", input=b"\n", check=True)
    wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")

    def is_given_up():
        host.run("sendmail", "-qf", "-oqreturn=1s", check=True)
        return not host.queue()
    wait_for(is_given_up, what="the end of the message")
