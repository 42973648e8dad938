"""Each row about names, routes, messages and the queue in "Settings" of docs/operation.md does what it says, tried by
a delivery. The rows about clients are in test_operation_clients.py."""
import os
import pwd
import re
import signal
import stat

import pytest

import test_operation_clients
from accounts import password_of
from conftest import needs_root, needs_tls
from homes import content, home_file
from host import wait_for
from sink import Sink
from strangers import ELSEWHERE, all_strangers, strangers  # noqa: F401
from trials import (SETTINGS, arrives, certificate, homes, is_open, is_taken, itself, log_in, relays, token,  # noqa: F401
                    wait_for_message)

pytestmark = needs_root

row = SETTINGS.row
SETTINGS.elsewhere("mailbox_transport = lmtp:...", "test_lmtp.py")
SETTINGS.elsewhere("smtp_sasl_password_maps", "test_relay_login.py")
SETTINGS.elsewhere("transport_maps", "test_routes.py")
SETTINGS.elsewhere("sender_dependent_relayhost_maps", "test_routes.py")
SETTINGS.elsewhere("relay_domains", "test_routes.py")
SETTINGS.elsewhere("smtp_bind_address, smtp_bind_address6", "test_transports.py")
SETTINGS.elsewhere("smtp_helo_name", "test_transports.py")
SETTINGS.elsewhere("a service of its own in master.cf", "test_transports.py")
SETTINGS.elsewhere("canonical_maps", "test_canonical.py")
SETTINGS.elsewhere("smtp_generic_maps", "test_rewriting.py")
SETTINGS.elsewhere("masquerade_domains", "test_rewriting.py")
SETTINGS.elsewhere("default_destination_rate_delay", "test_transports.py")
SETTINGS.elsewhere("default_destination_concurrency_limit", "test_remote_connection_limit.py")


def test_each_row_is_tried():
    assert test_operation_clients.row == row
    assert not SETTINGS.untried()


# -- names, and where mail goes

@row("myhostname", "`hostname=mail.example.org`")
def test_host_name(strangers):
    strangers.configure(hostname="mail.example.org")
    with strangers.talk("good") as talk:
        assert talk.greeting.startswith("220 mail.example.org ")
    arrives(strangers, "alice@mail.example.org", "alice")
    assert not is_taken(strangers.mail("good", "someone@good.test", "alice@host.test"))


@row("myorigin, /etc/mailname", "the domain of local users is `hostname=`")
def test_domain_of_local_users(strangers):
    subject = token()
    strangers.configure(hostname="mail.example.org")
    strangers.host.run("sendmail", "-f", "alice", "bob", input=f"Subject: {subject}\n\n".encode(), check=True)
    text = strangers.host.wait_for_mail("bob", subject.encode()).decode()
    assert re.search(rf"^From alice@mail\.example\.org .*^To: bob@mail\.example\.org$|^From alice@mail\.example\.org ", text,
                     re.MULTILINE | re.DOTALL), text


@row("mydestination", "`local-domain=example.org`; the host's own name and localhost always are")
def test_local_domains(strangers):
    assert not is_taken(strangers.mail("good", "someone@good.test", "alice@example.org"))
    strangers.configure(local_domain="example.org")
    for domain in ("example.org", "host.test", "localhost"):
        arrives(strangers, f"alice@{domain}", "alice")


@row("mynetworks", "`trusted=192.0.2.0/24`, `trusted=[2001:db8::/32]`; this host always is")
def test_networks_that_may_relay(strangers):
    assert not relays(strangers, "good") and not relays(strangers, "six")
    strangers.configure(trusted="192.0.2.0/24")
    assert relays(strangers, "good") and not relays(strangers, "six")
    strangers.configure(trusted="[2001:db8::/32]")
    assert relays(strangers, "six") and not relays(strangers, "good")
    strangers.configure(trusted=["192.0.2.8/29", "[2001:db8::/32]"])
    assert relays(strangers, "six") and relays(strangers, "good") and not relays(strangers, "both")
    strangers.configure()
    with itself(strangers) as talk:
        talk.say("EHLO host.test")
        assert is_taken(talk.send_mail("alice@host.test", "far@elsewhere.test"))


@needs_tls
@row("smtpd_relay_restrictions", "only trusted hosts and clients that logged in may relay")
def test_relaying(strangers, certificate):
    strangers.configure(tls_certificate=certificate)
    assert not relays(strangers, "good")
    with strangers.talk("good") as talk:
        log_in(talk, "alice", password_of("alice"))
        assert is_taken(talk.send_mail("alice@host.test", "far@elsewhere.test"))


@row("inet_interfaces", "`listen=127.0.0.1:25`")
def test_an_address_to_listen_at(strangers):
    strangers.configure(listen="127.0.0.1:25")
    wait_for(lambda: not is_open(strangers, "good"), what="the end of the other socket")
    with itself(strangers) as talk:
        assert talk.greeting.startswith("220")


@row("inet_protocols = ipv4", "`listen=0.0.0.0:25`")
def test_ipv4_alone(strangers):
    assert is_open(strangers, "six")
    strangers.configure(listen="0.0.0.0:25")
    wait_for(lambda: not is_open(strangers, "six"), what="the end of the other socket")
    assert is_open(strangers, "good")


@row("relayhost", "`relay-host=smart.example.org`, with `:587` for a port")
def test_a_relay_host(strangers):
    with strangers.machines["elsewhere"].inside():
        submission = Sink(ELSEWHERE, 587)
    with submission:
        for relay_host, sink in (("elsewhere.test", strangers.sink), ("elsewhere.test:587", submission)):
            strangers.configure(relay_host=relay_host)
            subject = token()
            strangers.host.run("sendmail", "far@good.test", input=f"Subject: {subject}\n\n".encode(), check=True)
            assert wait_for_message(sink, subject)[0][1] == ("far@good.test",)


@row("alias_maps", "`aliases=/etc/aliases`")
def test_alias_file(strangers, folder):
    path = os.path.join(folder, "aliases")
    with open(path, "w") as file:
        file.write("team: alice, bob\n")
    strangers.configure(aliases=path)
    strangers.host.run("newaliases", check=True)
    arrives(strangers, "team@host.test", "alice")
    arrives(strangers, "team@host.test", "bob")


@row("default_privs", "`alias-user=nobody`")
def test_rights_of_an_alias(strangers, folder):
    os.chmod(folder, 0o777)
    kept = os.path.join(folder, "kept")
    strangers.host.write_aliases(f"keep: |cat >{kept}\n")
    strangers.configure(alias_user="nobody")
    strangers.host.run("newaliases", check=True)
    assert is_taken(strangers.mail("good", "someone@good.test", "keep@host.test"))
    wait_for(lambda: b"Subject: hello" in content(kept), what=lambda: strangers.host.log_text()[-2000:])
    assert os.stat(kept).st_uid == pwd.getpwnam("nobody").pw_uid
    strangers.host.write_aliases("")
    strangers.host.run("newaliases", check=True)


@row("recipient_delimiter", "`recipient-delimiter=+`")
def test_extensions(strangers):
    home_file("alice", ".forward+lists", "bob\n")
    strangers.configure(recipient_delimiter="")
    assert not is_taken(strangers.mail("good", "someone@good.test", "alice+shop@host.test"))
    strangers.configure(recipient_delimiter="+")
    arrives(strangers, "alice+shop@host.test", "alice")
    arrives(strangers, "alice+lists@host.test", "bob")


@row("home_mailbox", "`home-mailbox=Maildir/`")
def test_maildir(strangers):
    strangers.configure(home_mailbox="Maildir/")
    assert is_taken(strangers.mail("good", "someone@good.test", "alice@host.test"))
    wait_for(lambda: os.path.isdir("/home/alice/Maildir/new") and os.listdir("/home/alice/Maildir/new"), what="the message")


@row("mail_spool_directory", "`mail-dir=/var/mail`")
def test_folder_of_mailboxes(strangers):
    strangers.configure(mail_dir="/var/mail")
    subject = token()
    assert is_taken(strangers.mail("good", "someone@good.test", "alice@host.test", text=f"Subject: {subject}\n\n"))
    wait_for(lambda: subject.encode() in content("/var/mail/alice"), what="the message")
    assert stat.S_IMODE(os.stat("/var/mail/alice").st_mode) & 0o007 == 0
    os.unlink("/var/mail/alice")


# -- limits of messages and deliveries

@row("mailbox_size_limit", "`mailbox-size=50m`")
def test_size_of_a_mailbox(strangers):
    strangers.configure(mailbox_size="20k")
    large = "Subject: large\n\n" + 400 * ("x" * 70 + "\n")
    assert strangers.mail("good", "someone@good.test", "Carol@host.test", text=large)[:3] in ("452", "552", "451")
    arrives(strangers, "Carol@host.test", "Carol")


@row("message_size_limit", "`size=50m`")
def test_size_of_a_message(strangers):
    strangers.configure(size="50m")
    with strangers.talk("good") as talk:
        assert f"SIZE {50 << 20}" in talk.say("EHLO good.test")
        assert talk.say(f"MAIL FROM:<someone@good.test> SIZE={(50 << 20) + 1}").startswith("552 5.3.4")
    strangers.configure(size="1k")
    assert strangers.mail("good", text="Subject: large\n\n" + 40 * ("x" * 70 + "\n")).startswith("552 5.3.4")


@row("command_time_limit", "`command-timeout=10m`")
def test_time_of_a_program(strangers):
    strangers.configure(command_timeout="1s")
    home_file("alice", ".forward", "|sleep 100\n")
    assert is_taken(strangers.mail("good", "someone@good.test", "alice@host.test"))
    wait_for(lambda: "The program took too long" in str(strangers.host.queue()), what=lambda: str(strangers.host.queue()))
    empty_queue(strangers.host)


def empty_queue(host):
    """Removes messages again while attempts are in progress, which keep or deliver theirs."""
    wait_for(lambda: not [host.run("sendmail", "-Mrm", entry["queue_id"]) for entry in host.queue()], what="the removal")


@pytest.fixture
def waiting(strangers):
    """wait(options): the host with these options; its queue has mail of bob that elsewhere.test defers."""
    def wait(**options):
        strangers.configure(retry="1s,1h", **options)
        strangers.sink.verdict = lambda address: "451 4.3.0 later"
        strangers.host.run("sendmail", "-f", "bob", "far@elsewhere.test", input=b"Subject: waits\n\n", check=True)
        return strangers.host
    usual = strangers.sink.verdict
    yield wait
    strangers.sink.verdict = usual
    empty_queue(strangers.host)


@row("maximal_queue_lifetime", "`qreturn=5d`")
def test_time_in_the_queue(waiting):
    assert b"Action: failed" in waiting(qreturn="1s").wait_for_mail("bob", b"far@elsewhere.test")


@row("delay_warning_time", "`delay-warning=4h`")
def test_a_warning_of_a_delay(waiting):
    waiting(delay_warning="1s").wait_for_mail("bob", b"Action: delayed")


@row("minimal_backoff_time", "`retry=5m,10m,20m`")
def test_time_of_the_next_attempt(waiting):
    host = waiting()
    wait_for(lambda: b"deferred, 2 attempts, next" in host.run("mailq", "-v").stdout, what=lambda: host.run("mailq", "-v"))


@row("queue_minfree", "`minfree=10m`")
def test_free_space(strangers):
    strangers.configure(minfree="100000g")
    assert strangers.mail("good").startswith("452 4.3.1")


@row("hopcount_limit", "`hops=100`")
def test_hops(strangers):
    strangers.configure(hops="3")
    fields = "".join(f"Received: from a{n}.test by b{n}.test; Mon, 1 Jan 2024 00:00:00 +0000\n" for n in range(4))
    assert strangers.mail("good", text=f"{fields}Subject: loop\n\n").startswith("554 5.4.6")
    assert is_taken(strangers.mail("good"))


@row("maillog_file", "`log=/var/log/postoffice.log`; syslog without it")
def test_log(strangers, folder):
    path = os.path.join(folder, "own.log")
    strangers.host.write_config(log=path)
    strangers.host.process.send_signal(signal.SIGHUP)
    wait_for(lambda: b"reloaded" in content(path), what="the line that begins the log")
    assert is_taken(strangers.mail("good", "someone@good.test", "alice@host.test"))
    wait_for(lambda: b"from=<someone@good.test>" in content(path), what="lines of the log")
