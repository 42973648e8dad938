"""The clients that people use fetch mail byte for byte, and delete it."""
import contextlib
import os
import pty
import re
import select
import shutil
import subprocess
import time
import urllib.parse

import pytest

from accounts import password_of
from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import free_port
from pop3_host import MESSAGES, pop3_host  # noqa: F401
from test_pop3 import box, stored_by

pytestmark = [needs_root, needs_tls]


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **options)
    assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def private_file(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


def keep_from(folder):
    """A program that writes each message to a file of its own in `folder`, for clients that hand mail to a program."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "keep")
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\ncd {folder} && n=$(ls | wc -l) && cat >mail.$((n + 1))\n")
    os.chmod(path, 0o755)
    return path


def kept_in(folder):
    texts = []
    for name in sorted(one for one in os.listdir(folder) if one.startswith("mail.")):
        with open(os.path.join(folder, name), "rb") as file:
            texts.append(file.read().replace(b"\r\n", b"\n"))
    return texts


def by_curl(pop3, folder, _):
    login = f"alice:{password_of('alice')}"
    url = f"pop3s://127.0.0.1:{pop3.pop3s}/"
    texts = [run("curl", "-sSk", "-u", login, url + str(n)) for n in (1, 2, 3)]
    for n in (3, 2, 1):
        run("curl", "-sSk", "-u", login, "-I", "-X", f"DELE {n}", url)
    return [text.replace(b"\r\n", b"\n") for text in texts]


def by_fetchmail(pop3, folder, keep):
    rc = private_file(os.path.join(folder, "rc"), (
        f"poll localhost service {pop3.pop3s} proto pop3 user alice password \"{password_of('alice')}\" ssl "
        f"no sslcertck fetchall no rewrite mda \"{keep}\"\n"))
    run("fetchmail", "-f", rc, "-i", os.path.join(folder, "ids"), "--nosyslog", "--invisible", "--pidfile", os.path.join(folder, "fpid"),
        env={**os.environ, "HOME": folder, "FETCHMAILHOME": folder})
    return kept_in(os.path.dirname(keep))


def by_getmail(pop3, folder, keep):
    rc = private_file(os.path.join(folder, "getmailrc"), (
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {pop3.pop3s}\nusername = alice\n"
        f"password = {password_of('alice')}\n[destination]\ntype = MDA_external\npath = {keep}\nunixfrom = false\n"
        f"allow_root_commands = true\n[options]\ndelete = true\ndelivered_to = false\nreceived = false\n"))
    run("getmail", "--getmaildir", folder, "--rcfile", rc, env={**os.environ, "HOME": folder})
    return kept_in(os.path.dirname(keep))


def by_mpop(pop3, folder, keep):
    rc = private_file(os.path.join(folder, "mpoprc"), (
        f"account default\nhost localhost\nport {pop3.pop3}\nuser alice\npassword {password_of('alice')}\ntls on\n"
        f"tls_starttls on\ntls_certcheck off\ndelivery mda {keep}\nkeep off\nreceived_header off\n"
        f"uidls_file {folder}/uidls\n"))
    run("mpop", "-C", rc, "default", env={**os.environ, "HOME": folder})
    return kept_in(os.path.dirname(keep))


def by_perl(pop3, folder, _):
    text = run("perl", "-MNet::POP3", "-e", """
        my $pop = Net::POP3->new('127.0.0.1', Port => $ARGV[0], Timeout => 60) or die "no connection";
        defined $pop->login($ARGV[1], $ARGV[2]) or die 'no login: ' . $pop->message;
        for my $n (1 .. 3) { my $m = $pop->get($n); print join('', @$m), "\\0"; $pop->delete($n) }
        $pop->quit;
        """, str(pop3.pop3), "alice", password_of("alice"))
    return text.split(b"\0")[:3]


def by_python(pop3, folder, _):
    client = pop3.client()
    texts = [b"\n".join(client.retr(n)[1]) + b"\n" for n in (1, 2, 3)]
    for n in (1, 2, 3):
        client.dele(n)
    client.quit()
    return texts


def by_s_nail(pop3, folder, _):
    """It reads the mailbox as a folder, writes a copy of each message, and deletes."""
    run("s-nail", "-:/", "-S", "v15-compat", "-S", "tls-verify=ignore", "-S", "pop3-auth=plain",
        "-S", "noheader", "-S", "escape=~",
        "-f", f"pop3s://alice:{urllib.parse.quote(password_of('alice'))}@localhost:{pop3.pop3s}",
        input=f"write 1 {folder}/w1\nwrite 2 {folder}/w2\nwrite 3 {folder}/w3\ndelete *\nquit\n".encode(),
        env={**os.environ, "HOME": folder})
    return None


def on_a_terminal(*command, **options):
    """The same as run() for a program that needs a terminal: it has one, and all that it shows is read."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, **options)
        os.close(slave)
        shown, end = b"", time.monotonic() + 50
        with contextlib.suppress(OSError):  # EIO: no process has the terminal any more
            while time.monotonic() < end and select.select([master], [], [], max(0, end - time.monotonic()))[0]:
                shown += os.read(master, 65536)
        if time.monotonic() > end:
            process.kill()
        assert process.wait(10) == 0, shown[-3000:]
    finally:
        os.close(master)


def by_mutt(pop3, folder, _):
    """Fetches into an mbox and keeps the mail on the server; then has the mailbox open as a folder and deletes. By PLAIN: Debian's
    2.2.12 cannot do SCRAM-SHA-256-PLUS under TLS 1.3, and then takes the answer to its "*" for that to USER."""
    rc = private_file(os.path.join(folder, "muttrc"), f"""
        set pop_host = "pops://alice@localhost:{pop3.pop3s}" pop_pass = "{password_of('alice')}"
        set pop_delete = no pop_authenticators = "plain"
        set ssl_ca_certificates_file = "{pop3.authority.certificate}"
        set folder = "{folder}" spoolfile = "{folder}/got" mbox_type = mbox record = "" move = no
        set quit = yes delete = yes confirmappend = no wait_key = no
        """)
    private_file(os.path.join(folder, "got"), "")
    environment = {**os.environ, "HOME": folder, "TERM": "xterm", "LC_ALL": "C"}
    on_a_terminal("mutt", "-n", "-F", rc, "-e", "push <fetch-mail><exit>", env=environment)
    on_a_terminal("mutt", "-n", "-F", rc, "-f", f"pops://alice@localhost:{pop3.pop3s}",
                  "-e", "push <delete-pattern>~A<enter><quit>", env=environment)
    with open(os.path.join(folder, "got"), "rb") as file:
        return re.split(rb"(?:^|\n)From [^\n]*\n", file.read().removesuffix(b"\n"))[1:]


CLIENTS = {"curl": by_curl, "fetchmail": by_fetchmail, "getmail": by_getmail, "mpop": by_mpop,
           "mutt": by_mutt, "perl": by_perl,
           "python3": by_python, "s-nail": by_s_nail}


@pytest.mark.parametrize("name", CLIENTS)
def test_the_client_fetches_all_and_deletes(pop3_host, folder, name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed: ./configure.sh --get-deps=check")
    stored_by(pop3_host, MESSAGES)
    keep = keep_from(os.path.join(folder, "kept"))
    texts = CLIENTS[name](pop3_host, folder, keep)
    if texts is not None:
        assert texts == MESSAGES
    assert box(pop3_host) == b""


@pytest.mark.parametrize("mechanism", ["plain", "login", "scram-sha-256", "scram-sha-256-plus"])
@pytest.mark.skipif(not shutil.which("mpop"), reason="NEEDS mpop")
def test_mpop_logs_in_by_sasl(pop3_host, folder, mechanism):
    if mechanism not in run("mpop", "--version").decode().lower():
        pytest.skip(f"this mpop is built without {mechanism}")
    rc = private_file(os.path.join(folder, "mpoprc"), (
        f"account default\nhost localhost\nport {pop3_host.pop3s}\nuser sally@virtual.test\npassword s pass\ntls on\n"
        f"tls_starttls off\ntls_certcheck off\nauth {mechanism}\ndelivery mbox {folder}/got\nuidls_file {folder}/uidls\n"))
    run("mpop", "-C", rc, "default", env={**os.environ, "HOME": folder})
    assert "login=sally@virtual.test" in pop3_host.host.log_text()


def pop3client(pop3_host, *arguments, password=None, status=0):
    done = subprocess.run([pop3_host.host.command("pop3client"), *arguments], capture_output=True, timeout=120,
                          input=(password or password_of("alice")).encode() + b"\n")
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode(), done.stderr.decode()


def test_our_own_client_lists_shows_and_deletes(pop3_host):
    stored_by(pop3_host, MESSAGES)
    place = f"localhost:{pop3_host.pop3}"
    lines = pop3client(pop3_host, "-k", "alice", place)[0].splitlines()
    assert [line.split(" ")[:2] for line in lines] == [[str(n), str(len(message) + message.count(b"\n"))]
                                                      for n, message in enumerate(MESSAGES, 1)]
    assert pop3client(pop3_host, "-k", "-r", "2", "alice", place)[0].encode() == MESSAGES[1]
    pop3client(pop3_host, "-s", "-k", "-d", "2", "alice", f"localhost:{pop3_host.pop3s}")
    assert len(pop3client(pop3_host, "-p", "alice", f"127.0.0.1:{pop3_host.pop3}")[0].splitlines()) == 2


def test_our_own_client_says_what_is_wrong(pop3_host):
    place = f"localhost:{pop3_host.pop3}"
    assert "[AUTH]" in pop3client(pop3_host, "-k", "alice", place, password="wrong", status=69)[1]
    assert "certificate" in pop3client(pop3_host, "alice", place, status=75)[1]
    assert "usage" in pop3client(pop3_host, "alice", status=64)[1]
    assert "usage" in pop3client(pop3_host, "-n", "0", "alice", place, status=64)[1]
    assert pop3client(pop3_host, "alice", f"localhost:{free_port()}", status=75)[1].startswith("pop3client: ")


def test_our_own_client_makes_load(pop3_host):
    stored_by(pop3_host, MESSAGES)
    out, _ = pop3client(pop3_host, "-p", "-a", "-n", "20", "alice", f"127.0.0.1:{pop3_host.pop3}")
    assert out.startswith("20 sessions in ")
    assert pop3_host.host.log_text().count("fetched=3") == 20
