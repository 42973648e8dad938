"""The greylist defers mail of unknown clients for a time that a postmaster can see and change with authexpire."""
import os
import re
import stat
import time

import pytest

from conftest import needs_root
from host import wait_for
from strangers import all_strangers, strangers  # noqa: F401

pytestmark = needs_root


def configure(strangers, folder, **more):
    """Names of options with a hyphen are spelled with an underscore."""
    strangers.configure(greylist="1", delay="2s", db_dir=os.path.join(folder, "db"), **more)


def attempt(strangers, client, sender, subject, recipient="alice@host.test"):
    """The replies to MAIL, RCPT and DATA; the message is sent if DATA is accepted."""
    with strangers.talk(client) as talk:
        talk.say(f"EHLO {client}.test")
        replies = [talk.say(f"MAIL FROM:<{sender}>"), talk.say(f"RCPT TO:<{recipient}>"), talk.say("DATA")]
        if replies[-1].startswith("354"):
            replies[-1] = talk.say(f"Subject: {subject}\r\n\r\nx\r\n.")
        talk.say("QUIT")
    return replies


def codes(replies):
    return [int(reply[:3]) for reply in replies]


TAKEN, LATER = [250, 250, 250], [250, 250, 451]


def outcome(strangers, client, sender, **more):
    return codes(attempt(strangers, client, sender, "x", **more))


def test_an_unknown_client_waits_and_is_known_then(strangers, folder):
    configure(strangers, folder)
    replies = attempt(strangers, "good", "a@good.test", "first")
    assert codes(replies) == [250, 250, 451], replies
    assert re.match(r"451 4\.7\.1 .*again in [12] seconds", replies[2])
    wait_for(lambda: codes(attempt(strangers, "good", "a@good.test", "later")) == [250, 250, 250], what="the end")
    lines = [line for line in strangers.host.log_text().splitlines() if "reason=greylist" in line]
    assert re.search(r"refused command=DATA client=good\.test\[192\.0\.2\.10\] from=<a@good\.test> to=<alice@host\.test> "
                     r'nrcpt=1 reason=greylist reply="451 4\.7\.1 ', lines[0]), lines
    strangers.host.wait_for_mail("alice", b"Subject: later")
    assert b"Subject: first" not in strangers.host.mailbox("alice")
    assert codes(attempt(strangers, "listed", "b@good.test", "neighbour")) == [250, 250, 250], "another address of its network"


def test_a_blacklisted_client_is_refused(strangers, folder):
    configure(strangers, folder)
    assert strangers.host.run("authexpire", "-b", "a@good.test").returncode == 0
    assert codes(attempt(strangers, "good", "A@good.test", "x")) == [250, 250, 554]
    assert strangers.host.log_text().count("reason=blacklist") == 1
    assert strangers.host.run("authexpire", "-a", "a@good.test[192.0.2.0/24]").returncode == 0
    assert codes(attempt(strangers, "good", "A@good.test", "x")) == [250, 250, 554], "the address alone counts more"


def test_a_known_sender_of_a_virus_waits_again(strangers, folder):
    configure(strangers, folder, av="grep -q VIRUS && exit 1; exit 0")
    wait_for(lambda: outcome(strangers, "good", "a@good.test") == TAKEN, what="the end of the wait")
    assert codes(attempt(strangers, "good", "a@good.test", "VIRUS")) == [250, 250, 550]
    assert outcome(strangers, "good", "a@good.test") == LATER


def test_the_wait_depends_on_facts_about_the_client(strangers, folder):
    configure(strangers, folder, greylist_unnamed="3", greylist_null="50", greylist_null_unnamed="70")

    def wait(client, sender):
        return int(re.search(r"again in (\d+) seconds", attempt(strangers, client, sender, "x")[2])[1])

    assert wait("good", "a@good.test") == 2 and wait("nameless", "b@good.test") == 6
    assert wait("good", "") == 100
    assert 100 < wait("nameless", "") <= 140, "in the same network: part of the time may be over"


def test_with_greylist_from_a_sender_is_known_from_all_networks(strangers, folder):
    configure(strangers, folder, greylist_from="1", greylist_spf="0")
    assert outcome(strangers, "good", "a@good.test") == LATER
    wait_for(lambda: outcome(strangers, "six", "a@good.test") == TAKEN, what="the end, from another network")
    assert [line.split("\t")[0] for line in authexpire(strangers.host, "-l").stdout.decode().splitlines()
            if line.startswith("a@")] == ["a@good.test"]


def test_an_entry_by_authexpire_spares_the_wait(strangers, folder):
    configure(strangers, folder)
    assert strangers.host.run("authexpire", "-a", "c@good.test[192.0.2.0/24]").returncode == 0
    assert codes(attempt(strangers, "good", "c@good.test", "x")) == [250, 250, 250]


def test_clients_on_a_dns_whitelist_never_wait(strangers, folder):
    configure(strangers, folder, dnswl="fine.test")
    assert codes(attempt(strangers, "both", "d@good.test", "x")) == [250, 250, 250]


def test_all_hosts_of_an_spf_record_count_as_one(strangers, folder):
    configure(strangers, folder)
    assert outcome(strangers, "good", "a@farm.test") == LATER
    wait_for(lambda: outcome(strangers, "six", "a@farm.test") == TAKEN, what="the end, by another host")
    assert outcome(strangers, "good", "b@farm.test") == TAKEN, "one of its hosts came back"
    assert outcome(strangers, "customer", "b@farm.test") == LATER, "that one is not its host"
    listed = authexpire(strangers.host, "-l").stdout.decode()
    assert "\n[farm.test]\t" in "\n" + listed and "a@farm.test[farm.test]\t" in listed


def test_without_greylist_spf_each_network_waits_for_itself(strangers, folder):
    configure(strangers, folder, greylist_spf="0")
    assert outcome(strangers, "good", "a@farm.test") == LATER
    wait_for(lambda: outcome(strangers, "good", "a@farm.test") == TAKEN, what="the end")
    assert outcome(strangers, "six", "a@farm.test") == LATER
    assert "[farm.test]" not in authexpire(strangers.host, "-l").stdout.decode()


@pytest.mark.parametrize("sender", ["a@everybody.test", "a@broken.test", "a@bare.test"])
def test_without_a_useful_spf_record_the_network_counts(strangers, folder, sender):
    configure(strangers, folder, verify_from="0")
    assert outcome(strangers, "good", sender) == LATER
    assert f"{sender}[192.0.2.0/24]\t" in authexpire(strangers.host, "-l").stdout.decode()


def user_writes(strangers, sender, recipient, by_smtp):
    """A message of a local user to the recipient; waits for the note, which is made when the message is accepted."""
    host = strangers.host
    if by_smtp:
        with strangers.machines["host"].inside():
            with host.smtp() as client:
                client.sendmail(sender, [recipient], "Subject: hello\r\n\r\n")
    else:
        host.run("sendmail", "-f", sender, recipient, input=b"Subject: hello\n\n", check=True)
    wait_for(lambda: authexpire(host, "--explain", f"to:{recipient}").returncode == 0, what="the note")


@pytest.mark.parametrize("by_smtp", [True, False], ids=["smtp", "sendmail"])
def test_an_answer_to_a_local_user_does_not_wait(strangers, folder, by_smtp):
    configure(strangers, folder)
    assert outcome(strangers, "good", "pal@elsewhere.test") == LATER
    user_writes(strangers, "alice@host.test", "pal@elsewhere.test", by_smtp)
    assert outcome(strangers, "six", "Pal@elsewhere.test", recipient="bob@host.test") == TAKEN
    assert outcome(strangers, "six", "other@elsewhere.test") == LATER
    explained = authexpire(strangers.host, "--explain", "to:pal@elsewhere.test").stdout
    assert b"its mail need not wait until" in explained


def test_with_greylist_written_0_an_answer_waits(strangers, folder):
    configure(strangers, folder, greylist_written="0")
    user_writes(strangers, "alice@host.test", "pal@elsewhere.test", by_smtp=True)
    assert outcome(strangers, "good", "pal@elsewhere.test") == LATER


@pytest.mark.parametrize("by_smtp", [True, False], ids=["smtp", "sendmail"])
def test_a_bounce_to_a_user_that_sent_mail_does_not_wait(strangers, folder, by_smtp):
    configure(strangers, folder)
    assert outcome(strangers, "good", "") == LATER
    user_writes(strangers, "alice@host.test", "unknown@elsewhere.test", by_smtp)
    assert outcome(strangers, "good", "") == TAKEN
    assert outcome(strangers, "good", "", recipient="bob@host.test") == LATER, "bob has sent nothing"
    strangers.configure(greylist="1", db_dir=os.path.join(folder, "db"), greylist_bounces="0")
    assert outcome(strangers, "good", "") == LATER


def test_mail_from_outside_makes_no_recipient_known(strangers, folder):
    configure(strangers, folder, trusted="[192.0.2.30]", relay="1")
    assert authexpire(strangers.host, "-a", "[192.0.2.0/24]").returncode == 0
    assert outcome(strangers, "good", "spam@good.test", recipient="pal@elsewhere.test") == TAKEN
    keys = [line.split("\t")[0] for line in authexpire(strangers.host, "-l").stdout.decode().splitlines()]
    assert sorted(keys) == ["[192.0.2.0/24]", "spam@good.test[192.0.2.0/24]"]


def test_without_its_database_no_client_waits(strangers, folder):
    configure(strangers, folder)
    os.rename(os.path.join(folder, "db"), os.path.join(folder, "db.gone"))
    assert codes(attempt(strangers, "good", "e@good.test", "x")) == [250, 250, 250]
    assert "greylist" in strangers.host.log_text()


def test_authexpire_explains_what_happens_to_mail(strangers, folder):
    configure(strangers, folder)

    def explain(*arguments):
        done = authexpire(strangers.host, "--explain", *arguments)
        return done.returncode, done.stdout.decode()

    assert outcome(strangers, "good", "a@farm.test") == LATER
    status, text = explain("a@farm.test", "2001:db8::14")
    assert status == 0
    assert "a@farm.test[farm.test]\n" in text and "SPF: pass, by a:six.test of farm.test\n" in text
    assert re.search(r"mail from <a@farm.test> that six.test\[2001:db8::14\] brings (is taken|has to wait [12]s)\n", text)
    _, text = explain("a@everybody.test", "192.0.2.11")
    assert "SPF: pass, as for all clients, by all of everybody.test\n" in text.replace("+all", "all")
    assert "unknown[192.0.2.11] brings has to wait 4s" in text
    assert authexpire(strangers.host, "-b", "[2001:db8::/64]").returncode == 0
    assert "is refused for good\n" in explain("x@good.test", "2001:db8::14")[1]
    assert "has to wait 8s" in explain("<>", "192.0.2.10")[1]
    assert explain("a@b@c", "192.0.2.10")[0] == explain("a@b", "farm.test")[0] == 64
    assert explain("a@b", "192.0.2.10", "x")[0] == 64


@pytest.fixture
def grey(make_host, folder):
    return make_host("host", greylist="1", db_dir=os.path.join(folder, "db")).start()


def authexpire(host, *arguments):
    return host.run("authexpire", *arguments)


def test_authexpire_lists_and_changes_entries(grey):
    assert authexpire(grey, "-a", "Known@far.example[198.51.100.0/24]").returncode == 0
    assert authexpire(grey, "-b", "bad@far.example").returncode == 0
    listed = authexpire(grey, "-l").stdout.decode().splitlines()
    assert sorted(line.split("\t")[0] for line in listed) == ["bad@far.example", "known@far.example[198.51.100.0/24]"]
    assert "bad@far.example\t*" in listed
    assert b"blacklisted" in authexpire(grey, "--explain", "bad@far.example").stdout
    assert b"mail is taken" in authexpire(grey, "--explain", "known@far.example[198.51.100.0/24]").stdout
    unknown = authexpire(grey, "--explain", "unknown@far.example")
    assert unknown.returncode == 69 and b"never seen" in unknown.stdout
    assert b"0 would be removed, 2 kept" in authexpire(grey, "-n", "-v", "1d").stdout
    assert b"1 removed, 1 kept" in authexpire(grey, "-E", "-v").stdout
    for wrong in (["30s"], ["soon"], ["1d", "2d"], ["-x"]):
        assert authexpire(grey, *wrong).returncode == 64


def test_the_server_expires_entries_once_a_day(make_host, folder):
    """At its start, if there is no sign that it was done today; blacklisted entries stay."""
    host = make_host("host", greylist="1", db_dir=os.path.join(folder, "db"), greylist_keep="1s").start()
    wait_for(lambda: "greylist-expired removed=0 kept=0" in host.log_text(), what="the first expiry")
    assert authexpire(host, "-a", "known@far.example[198.51.100.0/24]").returncode == 0
    assert authexpire(host, "-b", "bad@far.example").returncode == 0
    host.stop()
    os.unlink(os.path.join(folder, "db", "greylist.expired"))
    time.sleep(2)
    host.start()
    wait_for(lambda: "greylist-expired removed=1 kept=1" in host.log_text(), what="the second expiry")
    assert authexpire(host, "-l").stdout == b"bad@far.example\t*\n"


def test_the_folder_belongs_to_the_service(grey):
    status = os.stat(grey.settings["db-dir"])
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (7900, 0o750)
