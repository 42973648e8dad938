"""A program in a .forward file or an alias gets the message with the rights of its owner, never those of root, and
its exit status decides what happens to the message."""
import os
import stat

import pytest

from conftest import needs_root
from delivery_file_mail import send, waits
from homes import clean_homes, content, home_file  # noqa: F401
from host import wait_for

pytestmark = needs_root


def test_a_program_gets_the_message_as_its_user(host):
    home_file("alice", ".forward", '|(id -u; id -g; pwd; env; cat) > /home/alice/out.tmp && mv out.tmp out\n')
    host.start()
    send(host, "alice+lists@host.test")
    out = waits(host, "/home/alice/out", b"the end").decode()
    lines = out.splitlines()
    assert lines[:3] == ["7901", "7901", "/home/alice"]
    for line in ("SENDER=sender@example.org", "RECIPIENT=alice+lists@host.test", "EXTENSION=lists", "HOME=/home/alice",
                 "USER=alice", "LOGNAME=alice", "HOST=host.test", "LOCAL=alice+lists"):
        assert line in lines, out
    assert "\nFrom sender@example.org " in out and "\nReturn-Path: <sender@example.org>\n" in out
    assert "\n>From here on\n" in out
    assert os.stat("/home/alice/out").st_uid == 7901
    assert host.mailbox("alice") == b""
    host.wait_for_empty_queue()


def test_a_route_leads_to_the_program_of_an_alias(host):
    """As for a fax or a list of another domain. While the table or the alias has a mistake, the mail waits, and goes by what
    they say then."""
    routes = os.path.join(host.folder, "routes")

    def table(text):
        with open(routes, "w") as file:
            file.write(text)
        os.chmod(routes, 0o644)
    table("fax.test alias:fax\nlate.test smtp:[127.0.0.1]:1\n")
    host.write_config(routes=routes, alias_user="alice", relay_domains="fax.test", retry="1h")
    host.start()
    send(host, "+49-30@late.test")
    wait_for(lambda: "deferred to=<+49-30@late.test>" in host.log_text(), what=host.log_text)
    with host.smtp() as client:
        client.ehlo()
        client.mail("sender@example.org")
        assert client.rcpt("+49-30@fax.test")[0] == 451
    host.write_aliases('fax: "|(env; cat) > /home/alice/$HOST.tmp && mv /home/alice/$HOST.tmp /home/alice/$HOST"\n')
    send(host, "+49-30@fax.test")
    for line in (b"RECIPIENT=+49-30@fax.test", b"LOCAL=+49-30", b"SENDER=sender@example.org", b"LOGNAME=alice"):
        assert line in waits(host, "/home/alice/fax.test", b"the end").splitlines()
    table("fax.test alias:fax\nlate.test alias:fax\n")
    host.run("runq", "-qf", check=True)
    assert b"RECIPIENT=+49-30@late.test" in waits(host, "/home/alice/late.test", b"the end").splitlines()
    host.write_aliases('fax: "|cat > /home/alice/$LOCAL"\nboth: 1@fax.test, 2@fax.test\n')
    host.run("sendmail", "-i", "both", "3@fax.test", "4@fax.test", input=b"Subject: to four numbers\n\n", check=True)
    for number in "1234":
        waits(host, f"/home/alice/{number}", b"Subject: to four numbers")
    host.wait_for_empty_queue()
    traced = host.run("sendmail", "-bt", "x@fax.test").stdout.decode()
    assert f"route fax.test alias:fax ({routes}:1)" in traced and "alias fax -> " in traced, traced


@pytest.mark.parametrize("status, code", [(67, b"5.1.1"), (77, b"5.7.1"), (1, b"5.3.0"), (100, b"5.3.0")])
def test_a_program_that_fails_bounces_the_message_with_its_output(host, status, code):
    home_file("alice", ".forward", f'"|echo this is why; exit {status}"\n')
    host.start()
    send(host, "alice@host.test", sender="bob@host.test")
    bounce = host.wait_for_mail("bob", b"delivery-status")
    assert b"this is why" in bounce and b"Status: " + code in bounce
    host.wait_for_empty_queue()


@pytest.mark.parametrize("command", ["exit 75", "exit 111", "kill -9 $$", "exec /nowhere/program", "exit 71"])
def test_a_program_that_fails_temporarily_is_tried_again(host, command):
    home_file("alice", ".forward", f"|{command}\n")
    host.start()
    send(host, "alice@host.test", sender="bob@host.test")
    wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")
    assert host.mailbox("bob") == b""
    home_file("alice", ".forward", "|cat > out\n")  # the owner corrects it, so no later attempt runs the old command
    assert len([n for n in host.spool_files() if n.startswith("cm")]) == 1


def test_a_program_is_killed_after_command_timeout(make_host):
    host = make_host("host", command_timeout="1s")
    home_file("alice", ".forward", "|echo $$ > pid; exec sleep 600\n")
    host.start()
    send(host, "alice@host.test")
    wait_for(lambda: "took too long" in host.log_text(), what="the time limit")
    pid = int(content("/home/alice/pid"))
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "sleep" not in open(f"/proc/{pid}/cmdline").read(),
             what="the end of the program")


def test_a_program_delays_no_mailbox(host):
    home_file("alice", ".forward", "\\alice\n|sleep 3; exit 0\n")
    host.start()
    send(host, ["alice@host.test", "bob@host.test"])
    host.wait_for_mail("bob", b"Subject: hello", seconds=20)
    host.wait_for_mail("alice", b"Subject: hello")


def test_no_program_of_an_alias_runs_as_root(host):
    if os.path.exists("/root/.forward"):
        pytest.skip("root has a .forward here")
    # root's home is not the test's: its aliases are.
    host.write_aliases(f'prog: "|id > {host.folder}/was-run"\n')
    host.write_config(alias_user="root")
    done = host.run("smtpd", "-bC")
    assert done.returncode == 78 and b"never run as root" in done.stdout + done.stderr


def test_a_program_of_an_alias_runs_as_the_alias_user(make_host, folder):
    out = os.path.join(folder, "out")
    os.mkdir(out)
    os.chmod(out, 0o777)
    host = make_host("host")
    host.write_aliases(f'prog: "|(id -un; cat) > {out}/t && mv {out}/t {out}/mail"\narchive: {out}/box\nvoid: /dev/null\n')
    host.start()
    send(host, ["prog@host.test", "archive@host.test", "void@host.test"])
    assert waits(host, f"{out}/mail", b"the end").startswith(b"nobody\n")
    waits(host, f"{out}/box", b"the end")
    assert stat.S_IMODE(os.stat(f"{out}/box").st_mode) == 0o600
    host.wait_for_empty_queue()
