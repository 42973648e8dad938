"""A client that misbehaves is reported once to the program of coal-command=, which may block it; no other client is
reported."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import needs_root
from host import TOP, wait_for
from processes import helpers, kill, status
from outsiders import CROWD, CROWD6, SERVER, outsiders  # noqa: F401

pytestmark = needs_root

NOTES = """#!/bin/sh
# What it was told, and what it has.
{ printf '%s|' "$#" "$@"; id -u; env | sort | tr '\\n' ' '; ls /proc/self/fd | tr '\\n' ' '; echo; } >>FOLDER/named
"""


def program(folder, text):
    """Writes a program below a folder that only root can write; its path."""
    path = os.path.join(folder, "coal")
    with open(path, "w") as file:
        file.write(text.replace("FOLDER", folder))
    os.chmod(path, 0o755)
    return path


def named(folder):
    try:
        with open(os.path.join(folder, "named")) as file:
            return [line for line in file.read().split("\n")[:-1] if "|" in line]
    except FileNotFoundError:
        return []


def speak_http(outsiders, source):
    line = outsiders.greeted(source)
    assert line.ask("GET / HTTP/1.1").startswith(b"421")
    line.close()


def test_a_client_that_misbehaves_is_reported_once(outsiders, folder):
    host = outsiders.start(coal_command=program(folder, NOTES), coal="40/1h")
    speak_http(outsiders, CROWD[0])
    speak_http(outsiders, CROWD[1])
    assert named(folder) == []
    speak_http(outsiders, CROWD[0])
    wait_for(lambda: named(folder), what=lambda: f"an address; log: {host.log_text()}")
    told, uid = named(folder)[0].rsplit("|", 1)
    assert (told, uid) == (f"1|{CROWD[0]}", "0")
    with open(os.path.join(folder, "named")) as file:
        environment, *_ = wait_for(lambda: file.seek(0) == 0 and file.read().split("\n")[1:-1],
                                   what="the environment")
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin" in environment
    assert len(re.findall(r"\b[A-Z_]+=", environment)) <= 3, environment  # the shell adds PWD and the like
    for _ in range(3):  # enough penalties again, but within a minute
        speak_http(outsiders, CROWD[0])
    speak_http(outsiders, CROWD6[0])
    speak_http(outsiders, CROWD6[1])  # of the same network of 64 bits
    wait_for(lambda: len(named(folder)) > 1, what=lambda: f"the next; log: {host.log_text()}")
    assert named(folder)[1].startswith(f"1|{CROWD6[1]}|")
    assert len(named(folder)) == 2
    assert re.search(rf"coal-run client=unknown.{CROWD[0]}. command=\S+ status=\"exit 0\"", host.log_text())


def test_this_host_and_trusted_clients_are_never_reported(outsiders, folder):
    host = outsiders.start(coal_command=program(folder, NOTES), coal="20/1h", trusted=f"[{CROWD[0]}]")
    for source, options in ((CROWD[0], {}), ("127.0.0.1", {"address": "127.0.0.1", "machine": outsiders.server}),
                            (SERVER, {"address": SERVER, "machine": outsiders.server})):
        line = outsiders.greeted(source, **options)
        assert line.ask("GET / HTTP/1.1").startswith(b"421")
    speak_http(outsiders, CROWD[1])
    wait_for(lambda: named(folder), what=lambda: f"the stranger; log: {host.log_text()}")
    assert [line.split("|")[1] for line in named(folder)] == [CROWD[1]]


def test_a_program_that_others_can_write_is_not_run(outsiders, folder):
    path = program(folder, NOTES)
    host = outsiders.start(coal_command=path, coal="20/1h")
    os.chmod(path, 0o777)
    speak_http(outsiders, CROWD[0])
    wait_for(lambda: "can be written by all users" in host.log_text(), what="the log line")
    assert named(folder) == []


def test_the_process_that_runs_the_program_is_replaced(outsiders, folder):
    host = outsiders.start(coal_command=program(folder, NOTES), coal="20/1h")
    before = helpers(host, "coal runner")
    assert len(before) == 1 and status(before[0])["Uid"].split()[0] == "0"
    kill(before[0])
    wait_for(lambda: helpers(host, "coal runner") not in ([], before), what="another one")
    speak_http(outsiders, CROWD[0])
    wait_for(lambda: named(folder), what="an address")
    host.reload()
    wait_for(lambda: len(helpers(host, "coal runner")) == 1, what="one runner after a reload")
    speak_http(outsiders, CROWD[1])
    wait_for(lambda: len(named(folder)) == 2, what=lambda: f"the next; log: {host.log_text()}")


def test_without_a_command_there_is_no_such_process(outsiders):
    host = outsiders.start()
    assert helpers(host, "coal runner") == []


def examples_of_the_manual():
    with open(os.path.join(TOP, "man", "postoffice.cf.5")) as file:
        section = file.read().split(".Sh COAL")[1].split(".Sh ")[0]
    return re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", section, re.DOTALL)


@pytest.mark.skipif(not shutil.which("nft"), reason="NEEDS nftables")
def test_the_packet_filter_of_the_manual_blocks_clients(outsiders, folder):
    filter_setup, script = examples_of_the_manual()
    done = subprocess.run([*outsiders.server.prefix, "sh", "-c", filter_setup], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"NEEDS a kernel with nf_tables: {done.stderr}")
    host = outsiders.start(coal_command=program(folder, script), coal="20/1h")
    for source in (CROWD[0], CROWD6[0]):
        speak_http(outsiders, source)
        wait_for(lambda: re.search(rf"coal-run client=unknown.{source}. .*status=\"exit 0\"", host.log_text()),
                 what=lambda: f"{source} in the set; log: {host.log_text()}")
        with pytest.raises(TimeoutError):
            outsiders.call(source, timeout=2)
    outsiders.greeted(CROWD[1])
