"""Programs and cron jobs submit mail by the sendmail command, each called as the program calls it by default."""
import os
import re
import shutil
import subprocess

import pytest

from host import local_user, wait_for


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"NEEDS {program}")


@pytest.fixture
def sendmail(host, folder):
    """The sendmail of the started host, for programs that accept a path and no options."""
    host.start()
    path = os.path.join(folder, "sendmail")
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nexec {host.command("sendmail")} -C {host.config} "$@"\n')
    os.chmod(path, 0o755)
    return path


def send(folder, *command, text="body of the message\n", check=True, **environment):
    """Runs a program in a home of its own; fails for output, which cron would mail."""
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "HOME": home, "LANG": "C", **environment})
    assert not check or done.returncode == 0, done.stderr.decode()
    return done


@needs("bsd-mailx")
def test_bsd_mailx_submits(host, sendmail, folder):
    send(folder, "bsd-mailx", "-s", "from mailx", "-b", "nobody-sees@remote.test", local_user(),
         MAILRC=make_rc(folder, f"set sendmail={sendmail}\n"))
    text = host.wait_for_mail(local_user(), b"Subject: from mailx")
    assert b"nobody-sees" not in text.split(b"body of the message")[0]


@needs("s-nail")
def test_s_nail_submits(host, sendmail, folder):
    send(folder, "s-nail", "-n", "-S", f"mta={sendmail}", "-S", "sendwait", "-s", "from s-nail", local_user(), MAILRC="/dev/null")
    host.wait_for_mail(local_user(), b"Subject: from s-nail")


@needs("mutt")
def test_mutt_submits(host, sendmail, folder):
    send(folder, "mutt", "-n", "-F", make_rc(folder, f'set sendmail="{sendmail} -oem -oi"\nset copy=no\n'),
         "-s", "from mutt", "--", f"{local_user()}@host.test", text="a dot alone:\n.\nand more\n")
    assert b"\n.\nand more\n" in host.wait_for_mail(local_user(), b"Subject: from mutt")


def git_sends_email():
    try:
        return subprocess.run(["perl", "-MMail::Address", "-e", "exit(!-e '/usr/lib/git-core/git-send-email')"],
                              capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not git_sends_email(), reason="NEEDS git send-email")
def test_git_send_email_submits(host, sendmail, folder):
    patch = os.path.join(folder, "0001-x.patch")
    with open(patch, "w") as file:
        file.write("From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                   "From: Ann <ann@host.test>\nSubject: [PATCH] from git\n\nbody\n---\n")
    send(folder, "git", "send-email", f"--sendmail-cmd={sendmail}", "--from=ann@host.test", f"--to={local_user()}@host.test",
         "--suppress-cc=all", "--confirm=never", "--quiet", patch, GIT_CONFIG_NOSYSTEM="1",
         **{f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ann"), ("EMAIL", "ann@host.test"))})
    host.wait_for_mail(local_user(), b"from git")


GIT_WAYS = {"command": lambda host, sendmail: [f"--sendmail-cmd={sendmail}"],
            "path": lambda host, sendmail: [f"--smtp-server={sendmail}"],
            "SMTP": lambda host, sendmail: ["--smtp-server=127.0.0.1", f"--smtp-server-port={host.port}"]}
GIT_AUTHOR = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
              for what, value in (("NAME", "Änne Müller"), ("EMAIL", "ann@host.test"))}
SERIES = """set -e
git init -q -b main work && cd work && git config core.autocrlf false
printf 'one\\n' >file && git add file && git commit -qm base && cp -r . ../other
printf 'two\\n.\\n..\\nFrom the start\\n' >>file && git commit -qam 'a dot, and a line like a separator'
printf 'tabs\\tand blanks   \\nno end of line: \303\244' >>file && git commit -qam 'octets: \303\244\303\266' -m 'Cc: Bob <bob@host.test>'
seq 1 2000 >long && git add long && git commit -qm 'a long one'
git format-patch -q -o ../out --cover-letter --cover-from-description=none -3
sed -i 's/[*][*][*] [A-Z]* HERE [*][*][*]/a series/' ../out/0000*
"""


@pytest.mark.skipif(not git_sends_email(), reason="NEEDS git send-email")
@pytest.mark.parametrize("way", GIT_WAYS)
def test_a_series_of_git_can_be_applied_where_it_arrives(host, sendmail, folder, way):
    environment = {"GIT_CONFIG_NOSYSTEM": "1", "PWD": folder, **GIT_AUTHOR}
    send(folder, "sh", "-c", f"cd {folder}; {SERIES}", **environment)
    out = os.path.join(folder, "out")
    patches = [os.path.join(out, name) for name in sorted(os.listdir(out))]
    send(folder, "git", "send-email", *GIT_WAYS[way](host, sendmail), "--from=ann@host.test", "--envelope-sender=auto",
         f"--to={local_user()}@host.test", "--suppress-cc=all", "--confirm=never", "--quiet", *patches, **environment)
    for subject in ("a series", "separator", "a long one"):
        host.wait_for_mail(local_user(), subject.encode())
    wait_for(lambda: host.mailbox(local_user()).count(b"\nX-Mailer: git-send-email") == 4, what="all four messages")
    messages = re.split(rb"^(?=From ann@host\.test )", host.mailbox(local_user()), flags=re.MULTILINE)[1:]
    box = os.path.join(folder, "box")
    with open(box, "wb") as file:
        file.writelines(sorted(messages, key=lambda message: re.search(rb"PATCH (\d)", message)[1])[1:])
    trees = send(folder, "sh", "-c", f"cd {folder}/other && git am -q --patch-format=mboxrd {box} && "
                 "git rev-parse HEAD^{tree} && git -C ../work rev-parse HEAD^{tree}", **environment).stdout.split()
    assert trees[0] == trees[1]


@needs("php")
def test_php_mail_submits(host, sendmail, folder):
    code = f"exit(mail('{local_user()}@host.test', 'from php', \"one\\r\\ntwo\\r\\n\", 'X-Kind: web', '-fweb@host.test') ? 0 : 1);"
    send(folder, "php", "-n", "-d", f"sendmail_path={sendmail} -t -i", "-r", code, text="")
    text = host.wait_for_mail(local_user(), b"Subject: from php")
    assert b"\r" not in text
    assert b"X-Kind: web\n" in text and b"\none\ntwo\n" in text


def test_a_shell_command_like_that_of_php_submits(host, sendmail, folder):
    send(folder, "/bin/sh", "-c", f"{sendmail} -t -i -fweb@host.test",
         text=f"To: {local_user()}\r\nSubject: from sh\r\n\r\nbody\r\n")
    assert b"\nBcc:" not in host.wait_for_mail(local_user(), b"Subject: from sh\n")


CRON = [("debian", ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "USER"]),
        ("vixie", ["-FCronDaemon", "-odi", "-oem", "-oi", "-t"]),
        ("old", ["-FCronDaemon", "-odi", "-oem", "-or0s", "USER"]),
        ("cronie", ["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "<>"]),
        ("busybox", ["-ti"]), ("anacron", ["-FAnacron", "-odi", "USER"]), ("sudo", ["-t"])]


@pytest.mark.parametrize("name,words", CRON, ids=[name for name, _ in CRON])
def test_the_command_lines_of_cron_submit(host, sendmail, folder, name, words):
    words = [local_user() if word == "USER" else word for word in words]
    done = send(folder, sendmail, *words,
                text=f"From: root (Cron Daemon)\nTo: {local_user()}\nSubject: Cron {name}\n\nout\n")
    assert done.stdout == b"" and done.stderr == b""
    text = host.wait_for_mail(local_user(), f"Subject: Cron {name}".encode())
    assert b"From: root@host.test (Cron Daemon)\n" in text


def test_a_session_on_standard_input_submits(host, sendmail, folder):
    lines = ["EHLO localhost", "MAIL FROM:<web@host.test>", f"RCPT TO:<{local_user()}@host.test>", "DATA",
             "Subject: from a session", "", "body", ".", "QUIT", ""]
    done = send(folder, sendmail, "-bs", "-odb", "-oem", text="\r\n".join(lines))
    assert done.stdout.splitlines()[-1].startswith(b"221 ")
    host.wait_for_mail(local_user(), b"Subject: from a session")
    told = re.search(rb"^250 2\.0\.0 (\w+) Message accepted", done.stdout, re.MULTILINE)[1].decode()
    delivered = rf'\b{told}: delivered to=<{local_user()}@host\.test>.* submitter="uid {os.getuid()} '
    wait_for(lambda: re.search(delivered, host.log_text()), what="the id in the reply")
    assert re.search(rf"\b{told}: received .*\buid={os.getuid()} ", host.log_text())


def test_the_header_of_a_session_on_standard_input_is_completed(host, sendmail, folder):
    lines = ["EHLO localhost", "MAIL FROM:<web@host.test>", f"RCPT TO:<{local_user()}@host.test>", "DATA",
             "From a@b Sat Jan  1 00:00:00 2000", "From: web", f"To: {local_user()}", "Bcc: hidden@elsewhere.test",
             "Subject: from a session", "", "body", ".", "QUIT", ""]
    send(folder, sendmail, "-bs", text="\r\n".join(lines))
    text = host.wait_for_mail(local_user(), b"Subject: from a session").partition(b"\n")[2]
    header = text.partition(b"\n\n")[0] + b"\n"
    assert b"From: web@host.test\n" in header and f"To: {local_user()}@host.test\n".encode() in header
    assert b"hidden" not in text and b"Sat Jan  1 00:00:00 2000" not in text


@pytest.mark.parametrize("output", [b"a\0b\n", b"\0", b"x" * 5000 + b"\n", b"a\rb\n", b"\xff\xfe\n", b"no newline", b"",
                                    b"key: value\n" * 100_000],
                         ids=["nul", "only-nul", "long", "cr", "eight-bit", "no-newline", "empty", "like-a-header"])
def test_any_output_of_a_job_arrives(host, sendmail, folder, output):
    header = f"From: root (Cron Daemon)\nTo: {local_user()}\nSubject: Cron job\n\n".encode()
    for text in (header + output, output):  # some programs write no header
        done = subprocess.run([sendmail, "-i", "-FCronDaemon", "-oem", local_user()], input=text, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    kept = output.replace(b"\r", b"")
    wait_for(lambda: host.mailbox(local_user()).count(b"Message-ID: ") == 2, what=host.log_text)
    assert host.mailbox(local_user()).count(kept[:4000] if kept else b"\n\n") >= 2


def test_output_of_a_job_that_is_too_large_is_reported_by_mail(make_host, folder):
    host = make_host("small", size="10k")
    host.start()
    done = host.run("sendmail", "-i", "-FCronDaemon", "-oem", "-f", local_user(), local_user(),
                    input=b"Subject: Cron job\n\n" + b"x\n" * 10_000)
    assert done.returncode == 65
    report = host.wait_for_mail(local_user(), b"could not be sent")
    assert b"larger than 10240 octets" in report


def test_an_unknown_user_is_reported_by_mail_with_oem(host, sendmail, folder):
    done = send(folder, sendmail, "-i", "-oem", "-f", f"{local_user()}@host.test", "nosuch", check=False,
                text="Subject: lost\n\nbody\n")
    assert (done.returncode, done.stderr) == (67, b"")
    assert b"nosuch: unknown user" in host.wait_for_mail(local_user(), b"could not be sent")


def test_a_message_waits_for_the_server(host, folder):
    """sendmail accepts it without a server, and it is delivered when there is one."""
    host.start()
    host.stop()
    host.run("sendmail", local_user(), input=b"Subject: early\n\nbody\n", check=True)
    host.start()
    host.wait_for_mail(local_user(), b"Subject: early")


def make_rc(folder, text):
    path = os.path.join(folder, "rc")
    with open(path, "w") as file:
        file.write(text)
    return path
