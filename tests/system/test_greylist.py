"""The greylist as a stranger meets it, and authexpire as its administrator uses it."""
import os
import re
import stat

import pytest

from conftest import needs_root
from host import wait_for
from strangers import all_strangers, strangers  # noqa: F401

pytestmark = needs_root


def configure(strangers, folder, **more):
    """Names of options with a hyphen are spelled with an underscore."""
    strangers.configure(greylist="1", delay="2s", db_dir=os.path.join(folder, "db"), **more)


def attempt(strangers, client, sender, subject):
    """The replies to MAIL, RCPT and DATA; the message itself is sent if it is wanted."""
    with strangers.talk(client) as talk:
        talk.say(f"EHLO {client}.test")
        replies = [talk.say(f"MAIL FROM:<{sender}>"), talk.say("RCPT TO:<alice@host.test>"), talk.say("DATA")]
        if replies[-1].startswith("354"):
            replies[-1] = talk.say(f"Subject: {subject}\r\n\r\nx\r\n.")
        talk.say("QUIT")
    return replies


def codes(replies):
    return [int(reply[:3]) for reply in replies]


def test_a_stranger_waits_and_is_known_then(strangers, folder):
    configure(strangers, folder)
    replies = attempt(strangers, "good", "a@good.test", "first")
    assert codes(replies) == [250, 250, 451], replies
    assert re.match(r"451 4\.7\.1 .*again in [12] seconds", replies[2])
    wait_for(lambda: codes(attempt(strangers, "good", "a@good.test", "later")) == [250, 250, 250], what="the end")
    strangers.host.wait_for_mail("alice", b"Subject: later")
    assert b"Subject: first" not in strangers.host.mailbox("alice")
    assert codes(attempt(strangers, "listed", "b@good.test", "neighbour")) == [250, 250, 250], "its network came back"


def test_who_is_blacklisted_hears_no(strangers, folder):
    configure(strangers, folder)
    assert strangers.host.run("authexpire", "-b", "a@good.test").returncode == 0
    assert codes(attempt(strangers, "good", "A@good.test", "x")) == [250, 250, 554]
    assert strangers.host.run("authexpire", "-a", "a@good.test[192.0.2.0/24]").returncode == 0
    assert codes(attempt(strangers, "good", "A@good.test", "x")) == [250, 250, 554], "the address alone counts more"


def test_authorised_beforehand(strangers, folder):
    configure(strangers, folder)
    assert strangers.host.run("authexpire", "-a", "c@good.test[192.0.2.0/24]").returncode == 0
    assert codes(attempt(strangers, "good", "c@good.test", "x")) == [250, 250, 250]


def test_known_good_clients_never_wait(strangers, folder):
    configure(strangers, folder, dnswl="fine.test")
    assert codes(attempt(strangers, "both", "d@good.test", "x")) == [250, 250, 250]


def test_without_its_database_nobody_waits(strangers, folder):
    configure(strangers, folder)
    os.rename(os.path.join(folder, "db"), os.path.join(folder, "db.gone"))
    assert codes(attempt(strangers, "good", "e@good.test", "x")) == [250, 250, 250]
    assert "greylist" in strangers.host.log_text()


@pytest.fixture
def grey(make_host, folder):
    return make_host("host", greylist="1", db_dir=os.path.join(folder, "db")).start()


def authexpire(host, *arguments):
    return host.run("authexpire", *arguments)


def test_authexpire(grey):
    assert authexpire(grey, "-a", "Known@far.example[198.51.100.0/24]").returncode == 0
    assert authexpire(grey, "-b", "bad@far.example").returncode == 0
    listed = authexpire(grey, "-l").stdout.decode().splitlines()
    assert sorted(line.split("\t")[0] for line in listed) == ["bad@far.example", "known@far.example[198.51.100.0/24]"]
    assert "bad@far.example\t*" in listed
    assert b"blacklisted" in authexpire(grey, "--explain", "bad@far.example").stdout
    assert b"mail is taken" in authexpire(grey, "--explain", "known@far.example[198.51.100.0/24]").stdout
    nobody = authexpire(grey, "--explain", "nobody@far.example")
    assert nobody.returncode == 69 and b"never seen" in nobody.stdout
    assert b"0 would be removed, 2 kept" in authexpire(grey, "-n", "-v", "1d").stdout
    assert b"1 removed, 1 kept" in authexpire(grey, "-E", "-v").stdout
    for wrong in (["30s"], ["soon"], ["1d", "2d"], ["-x"]):
        assert authexpire(grey, *wrong).returncode == 64


def test_the_folder_is_the_services_own(grey):
    status = os.stat(grey.settings["db-dir"])
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (7900, 0o750)
