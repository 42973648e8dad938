"""The systemd unit works under systemd: it is enabled, started, reloaded and stopped, and leaves users' programs the
privileges that they need.

Not part of `make check`: `make check-roots`, as root on Debian. The program is that of the build folder.
"""
import os
import re
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "support")]
import ours  # noqa: E402
from host import TOP, wait_for  # noqa: E402
from root import Root  # noqa: E402

pytestmark = pytest.mark.timeout(900)

CONFIGURATION = "hostname=host.test\nload=1000\nminfree=1k\n"

#: The highest permitted result of `systemd-analyze security`, in tenths.
EXPOSURE = 43
EXPOSURE_OF_A_GATEWAY = 20

#: Tasks that users' programs must be able to do; prints "all done" at the end.
PROGRAM = """#!/bin/sh
exec >"$HOME/said" 2>&1
set -ex
grep -w 'NoNewPrivs:.0' /proc/self/status
cat >"$HOME/message"
echo text >/tmp/of-a-program
mkdir -p "$HOME/shared" && chmod 2775 "$HOME/shared" && [ -g "$HOME/shared" ]
nice -n 5 true
sh -c 'ulimit -n 100'
python3 -c 'import socket; socket.getaddrinfo("localhost", 25); socket.create_connection(("127.0.0.1", 25)).recv(3)'
printf 'Subject: by the program\\n\\nbody\\n' | /usr/sbin/sendmail -i bob
echo all done
"""

LOGIN = """
import smtplib
server = smtplib.SMTP("127.0.0.1")
print(server.login("alice", "password of alice")[0])
"""

#: A sink in the background that keeps one message.
LMTP_SERVER = """
import os, socket
waiting = socket.create_server(("127.0.0.1", 2424))
if os.fork():
    os._exit(0)
os.setsid()
os.closerange(0, 3)
client, _ = waiting.accept()
lines = client.makefile("rwb", buffering=0)
lines.write(b"220 here\\r\\n")
for line in lines:
    verb = line[:4].upper()
    if verb == b"DATA":
        lines.write(b"354 go on\\r\\n")
        while lines.readline() != b".\\r\\n":
            pass
    lines.write(b"250 2.0.0 kept\\r\\n")
    if verb == b"QUIT":
        break
"""


@pytest.fixture(scope="module")
def system():
    with Root(name="host.test") as root:
        root.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
        root.install("systemd", "systemd-sysv", "procps", "python3", *ours.LIBRARIES)
        root.run("rm", "/usr/sbin/policy-rc.d")
        root.add_user("alice")
        root.add_user("bob")
        root.run("chpasswd", input="alice:password of alice\n")
        root.boot()
        root.write("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 host.test host\n")
        ours.bring(root)
        ours.make(root, "install")
        root.write("/etc/postoffice.cf", CONFIGURATION)
        root.run("systemctl", "enable", "postoffice")
        yield root


@pytest.fixture
def served(system):
    """The unit is started."""
    system.write("/etc/postoffice.cf", CONFIGURATION)
    restart(system)
    yield system


def restart(root):
    """Also if there were many starts in a short time."""
    told = root.shell("systemctl daemon-reload; systemctl reset-failed postoffice; systemctl restart postoffice", check=False)
    assert told.status == 0, told + log(root)


def properties(root):
    told = root.run("systemctl", "show", "-p", "ActiveState,SubState,NRestarts,ExecMainStatus,MainPID", "postoffice")
    return dict(line.split("=", 1) for line in told.split())


def arrives(root, subject, to="bob"):
    root.run("/usr/sbin/sendmail", "-i", to, user="alice", input=f"Subject: {subject}\n\nbody\n")
    wait_for(lambda: f"Subject: {subject}\n" in root.run("cat", f"/var/mail/{to}", check=False), what=lambda: log(root))


def log(root):
    return root.shell("systemctl status --no-pager postoffice; journalctl --no-pager -n 40", check=False)


def test_the_unit_serves(served):
    arrives(served, "hello")
    assert served.run("systemctl", "is-enabled", "postoffice").strip() == "enabled"
    assert 'Status: "Serving"' in served.run("systemctl", "status", "--no-pager", "postoffice")
    assert "is running" in served.run("postoffice", "status")


def test_a_reload_checks_the_configuration_first(served):
    before = properties(served)["MainPID"]
    served.write("/etc/postoffice.cf", "hostnam=other.test\n")
    told = served.run("systemctl", "reload", "postoffice", check=False)
    assert told.status != 0 and 'unknown option "hostnam"; did you mean hostname?' in log(served)
    assert properties(served)["ActiveState"] == "active"
    arrives(served, "while it is broken")
    served.write("/etc/postoffice.cf", CONFIGURATION + "size=1m\n")
    served.run("systemctl", "reload", "postoffice")
    wait_for(lambda: "reloaded" in log(served), what=lambda: log(served))
    assert properties(served)["MainPID"] == before and "size=1m" in served.run("postoffice", "-P", "-n")


def test_a_start_with_a_mistake_fails_once(served):
    served.write("/etc/postoffice.cf", "hostnam=other.test\n")
    assert served.run("systemctl", "restart", "postoffice", check=False).status != 0
    found = properties(served)
    assert (found["ActiveState"], found["ExecMainStatus"], found["NRestarts"]) == ("failed", "78", "0"), found


def test_a_server_that_is_killed_is_started_again(served):
    before = properties(served)["MainPID"]
    served.run("kill", "-KILL", before)
    wait_for(lambda: (now := properties(served))["ActiveState"] == "active" and now["MainPID"] not in (before, "0"), seconds=60,
             what=lambda: log(served))
    arrives(served, "after the kill")


def test_a_stop_leaves_no_process(served):
    served.run("systemctl", "stop", "postoffice")
    assert properties(served)["ActiveState"] == "inactive"
    assert not served.run("pgrep", "-f", "^postoffice:", check=False)


def test_an_upgrade_says_that_a_restart_is_needed(served):
    told = ours.make(served, "install")
    assert "The server still runs the program from before: 'systemctl restart postoffice'" in told, told
    arrives(served, "by the program from before")
    served.run("systemctl", "stop", "postoffice")
    assert "What is left to do" in ours.make(served, "install")


def test_programs_of_users_work_under_the_unit(served):
    """Also with set-group-id sendmail in them, and a login by PAM."""
    served.write("/usr/local/bin/program", PROGRAM, mode=0o755)
    served.shell("echo '|/usr/local/bin/program' >.forward", user="alice")
    served.run("/usr/sbin/sendmail", "-i", "alice", user="bob", input="Subject: to the program\n\nbody\n")
    said = wait_for(lambda: (text := served.run("cat", "/home/alice/said", check=False)).endswith("all done\n") and text,
                    what=lambda: served.run("cat", "/home/alice/said", check=False) + log(served))
    assert "Subject: to the program\n" in served.text("/home/alice/message"), said
    wait_for(lambda: "Subject: by the program\n" in served.text("/var/mail/bob"), what=lambda: log(served))
    served.shell("rm .forward", user="alice")
    assert served.run("python3", "-c", LOGIN) == "235\n"


@pytest.fixture
def gateway(served):
    """With the drop-in of docs/operation.md for hosts without local delivery."""
    with open(os.path.join(TOP, "docs", "operation.md")) as file:
        page = file.read()
    ports, drop_in = (block.split("```")[0] for block in page.split("```ini\n")[2:4])
    served.shell("mkdir -p /etc/systemd/system/postoffice.service.d; systemctl stop postoffice")
    served.write("/etc/systemd/system/postoffice.socket", ports)
    served.write("/etc/systemd/system/postoffice.service.d/gateway.conf", drop_in)
    served.shell("systemctl daemon-reload; systemctl enable --now postoffice.socket")
    served.shell(re.search(r"`(install -d [^`]*)`", page)[1])
    served.write("/etc/postoffice.cf", CONFIGURATION + "local-transport=lmtp:127.0.0.1:2424\ndelivery-files=\ngreylist=1\n")
    restart(served)
    yield served
    served.shell("systemctl disable --now postoffice.socket; systemctl stop postoffice; "
                 "rm -r /etc/systemd/system/postoffice.service.d /etc/systemd/system/postoffice.socket; systemctl daemon-reload")


def test_the_drop_in_for_gateways_takes_more_privileges(gateway):
    since = gateway.run("date", "+%F %T").strip()
    told = gateway.run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE_OF_A_GATEWAY}", "postoffice",
                       check=False)
    assert told.status == 0, told[-200:]
    gateway.run("/usr/sbin/sendmail", "-i", "bob", user="alice", input="Subject: by LMTP\n\nbody\n")
    wait_for(lambda: "cannot be reached now" in gateway.run("mailq", "-v"), what=lambda: log(gateway))
    gateway.run("/usr/bin/python3", "-c", LMTP_SERVER)
    gateway.run("systemctl", "reload", "postoffice")
    assert "delivered: 250 2.0.0 kept" in gateway.run("runq", "-v", "-qf")
    gateway.run("systemctl", "restart", "postoffice")
    said = gateway.run("journalctl", "--no-pager", "-b", "-u", "postoffice", "--since", since)
    assert not re.search("unusable|not permitted|not-started|no-session|Killing process|timed out", said), said
    assert said.count(": stopped\n") == 1, said


def test_the_exposure_does_not_grow(served):
    told = served.run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE}", "postoffice", check=False)
    assert told.status == 0, told[-200:]
