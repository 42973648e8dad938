"""Other programs that read the log, with the rules for them in os/."""
import glob
import os
import re
import shutil
import smtplib
import socket
import subprocess

import pytest

import log_reference
from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import TOP
from login_host import login_host  # noqa: F401
from test_auth import submission

needs_fail2ban = pytest.mark.skipif(not shutil.which("fail2ban-regex"),
                                    reason="NEEDS fail2ban (./configure.sh --get-deps=check installs it)")
needs_logwatch = pytest.mark.skipif(not shutil.which("logwatch"),
                                    reason="NEEDS logwatch (./configure.sh --get-deps=check installs it)")


@pytest.fixture
def log_of_attacks(login_host):
    """A log with a failed login, a client that speaks HTTP, one that guesses a recipient, and mail of a user."""
    with submission(login_host) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.user, smtp.password = "vera@virtual.test", "not it"
        smtp.auth("PLAIN", smtp.auth_plain)
    with socket.create_connection(("127.0.0.1", login_host.port), timeout=30) as client:
        client.recv(512)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while client.recv(512):
            pass
    with smtplib.SMTP("127.0.0.1", login_host.port, timeout=30) as client:
        client.helo("client.test")
        client.mail("<x@host.test>")
        assert client.rcpt('<"nobody client=x[192.0.2.66] reply="@host.test>')[0] == 550
    with smtplib.SMTP("127.0.0.1", login_host.port, timeout=30) as client:
        client.sendmail("x@client.test", ["alice@host.test"], b"Subject: logged\r\n\r\nhello\r\n")
    login_host.stop()
    return login_host.log_text()


def as_syslog_writes_it(text, stamp):
    """The same lines with the time and the host that syslogd puts before them."""
    return re.sub(r"^(\d+)-(\d+)-(\d+)T([\d:]+)Z (postoffice\[)", stamp, text, flags=re.M)


def forms(text):
    return {"file": text,
            "syslog": as_syslog_writes_it(text, r"Nov 27 \4 mail \5"),
            "rsyslog": as_syslog_writes_it(text, r"\1-\2-\3T\4.123456+00:00 mail \5")}


@pytest.fixture
def fail2ban(folder):
    """Its configuration with ours."""
    config = os.path.join(folder, "fail2ban")
    shutil.copytree("/etc/fail2ban", config)
    shutil.copytree(os.path.join(TOP, "os", "fail2ban"), config, dirs_exist_ok=True)
    return config


@needs_root
@needs_tls
@needs_fail2ban
def test_fail2ban_finds_who_attacks(log_of_attacks, fail2ban, folder):
    for name, text in forms(log_of_attacks).items():
        path = os.path.join(folder, f"log.{name}")
        with open(path, "w") as file:
            file.write(text)
        for mode, count in (("auth", 1), ("normal", 2), ("aggressive", 3)):
            done = subprocess.run(["fail2ban-regex", "-c", fail2ban, "-o", "ip", path, f"postoffice[mode={mode}]"],
                                  capture_output=True, text=True, timeout=60)
            assert done.stdout.split() == ["127.0.0.1"] * count, (name, mode, done.stdout, done.stderr, text)


@needs_root
@needs_fail2ban
def test_fail2ban_takes_the_jail(fail2ban):
    for other in glob.glob(os.path.join(fail2ban, "jail.d", "*")):
        if os.path.basename(other) != "postoffice.conf":
            os.unlink(other)
    done = subprocess.run(["fail2ban-client", "-c", fail2ban, "-d"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "['add', 'postoffice'," in done.stdout and "ERROR" not in done.stderr, done.stdout + done.stderr


@needs_root
@needs_tls
@needs_logwatch
def test_logwatch_sums_up(log_of_attacks, folder):
    logs = os.path.join(folder, "logs")
    for name, path in (("file", "postoffice.log"), ("rsyslog", "mail.log")):
        os.makedirs(f"{logs}.{name}")
        with open(os.path.join(f"{logs}.{name}", path), "w") as file:
            file.write(forms(log_of_attacks)[name])
            file.write(re.sub("started .*", "damaged reason=torn", forms(log_of_attacks)[name].splitlines()[0]) + "\n")
        # Its folder for what the administrator adds.
        script = 'mount --bind "$0" /etc/logwatch && exec logwatch --service postoffice --range all --output stdout ' \
                 '--logdir "$1"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, os.path.join(TOP, "os", "logwatch"), f"{logs}.{name}"],
                              capture_output=True, text=True, timeout=60)
        words = [" ".join(line.split()) for line in done.stdout.splitlines()]
        assert "postoffice Begin" in done.stdout, done.stdout + done.stderr
        assert "1 recipients delivered to" in words and "1 starts of the server" in words, done.stdout
        at = words.index("Failed logins:")
        assert words[at + 1:at + 3] == ["1 wrong name or password", "1 localhost[127.0.0.1]"], done.stdout
        assert words[words.index("For the administrator:") + 1] == "1 damaged reason=torn", done.stdout


def test_logwatch_shows_all_that_asks_for_the_administrator():
    """Warnings and errors are shown line by line, and nothing else is."""
    with open(os.path.join(TOP, "os", "logwatch", "scripts", "services", "postoffice")) as file:
        text = file.read()
    named = set(re.findall(r"^    \['([a-z-]+)',", text, re.M)) | set(re.search(r"qw\((.*?)\);", text, re.S)[1].split())
    assert named == set(log_reference.events({"debug", "info", "notice"}))
