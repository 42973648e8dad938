"""Each row about clients in "Settings" of docs/operation.md does what it says, tried by a dialogue."""
import os
import socket

import scripted_filter
from accounts import password_of
from conftest import needs_libwrap, needs_pam, needs_root, needs_tls
from host import wait_for
from proxy_header import proxy_header
from strangers import CLIENTS, HOST, all_strangers, strangers  # noqa: F401
from talk import Talk, trusting
from trials import SETTINGS, arrives, certificate, homes, is_taken, log_in  # noqa: F401
from virtual import VirtualDomains

pytestmark = needs_root

row = SETTINGS.row


# -- TLS and users

@needs_tls
@row("smtpd_tls_cert_file, _key_file", "with them STARTTLS is offered")
def test_tls(strangers, certificate):
    with strangers.talk("good") as talk:
        assert "STARTTLS" not in talk.say("EHLO good.test")
    strangers.configure(tls_certificate=certificate, tls_key=certificate)
    with strangers.talk("good") as talk:
        assert "STARTTLS" in talk.say("EHLO good.test")
        assert talk.say("STARTTLS").startswith("220")
        talk.begin_tls(trusting())
        talk.say("EHLO good.test")
        assert is_taken(talk.send_mail("someone@good.test", "alice@host.test"))


@needs_tls
@needs_pam
@row("smtpd_sasl_auth_enable", "always, under TLS: accounts by PAM (service smtp), virtual users by their passwd")
def test_logins(strangers, certificate, folder):
    domains = VirtualDomains(folder)
    domains.add("virtual.test", "root", users=["vera"])
    strangers.configure(tls_certificate=certificate, **domains.settings())
    for user, password in (("alice", password_of("alice")), ("vera@virtual.test", "vera pass")):
        with strangers.talk("good") as talk:
            assert "AUTH" not in talk.say("EHLO client.test")
            log_in(talk, user, password)


@needs_tls
@row("service submission", "`listen=:587,submission`, beside `listen=:25`")
def test_submission(strangers, certificate):
    strangers.configure(tls_certificate=certificate, listen=[":25", ":587,submission"])
    arrives(strangers, "alice@host.test", "alice")
    machine = strangers.machines["good"]
    with machine.inside():
        talk = Talk(HOST, 587)
    with talk:
        talk.say("EHLO good.test")
        assert talk.say("MAIL FROM:<someone@good.test>").startswith("530 5.7.")
        log_in(talk, "alice", password_of("alice"))
        assert is_taken(talk.send_mail("alice@host.test", "far@elsewhere.test"))


@needs_tls
@row("service smtps", "`listen=:465,tls,submission`")
def test_tls_from_the_beginning(strangers, certificate):
    strangers.configure(tls_certificate=certificate, listen=[":25", ":465,tls,submission"])
    with strangers.machines["good"].inside():
        talk = Talk(HOST, 465, tls=trusting())
    with talk:
        assert talk.greeting.startswith("220 host.test")
        assert "AUTH PLAIN" in talk.say("EHLO good.test")
        assert talk.say("MAIL FROM:<someone@good.test>").startswith("530 5.7.0")


# -- clients that may send

@row("reject_rbl_client", "`dnsbl=zen.example`")
def test_a_list_of_addresses(strangers):
    strangers.configure(dnsbl="bad.test")
    assert strangers.mail("listed").startswith("55")
    assert is_taken(strangers.mail("good"))


@row("smtpd_milters", "`filter=inet:localhost:8891`, one line each, in Postfix's or sendmail's form")
def test_filters(strangers):
    with strangers.machines["host"].inside():
        asked = [scripted_filter.Filter(answers={"M": scripted_filter.packet(scripted_filter.REJECT) if is_second else scripted_filter.packet(b"c")})
                 for is_second in (False, True)]
    strangers.configure(filter=[f"inet:localhost:{asked[0].port}", f"inet:{asked[1].port}@localhost"])
    assert strangers.mail("good").startswith("550 5.7.1")
    assert all(len(one.sessions) == 1 for one in asked)
    for one in asked:
        one.close()


@row("reject_unknown_client_hostname", "`paranoid=1`, `dnscheck=1`")
def test_clients_without_a_name(strangers):
    assert is_taken(strangers.mail("nameless")) and is_taken(strangers.mail("liar"))
    for option in ("paranoid", "dnscheck"):
        strangers.configure(**{option: "1"})
        assert not is_taken(strangers.mail("nameless")) and is_taken(strangers.mail("good"))
    assert not is_taken(strangers.mail("liar"))


@row("reject_unknown_sender_domain", "`verify-from=1`, the default")
def test_senders_that_do_not_exist(strangers):
    assert not is_taken(strangers.mail("good", "someone@nosuch.test"))
    strangers.configure(verify_from="0")
    assert is_taken(strangers.mail("good", "someone@nosuch.test"))


@row("postgrey", "`greylist=1`")
def test_greylist(strangers, folder):
    strangers.configure(greylist="1", delay="1s", db_dir=os.path.join(folder, "db"))
    assert strangers.mail("good").startswith("451 4.7.1")
    wait_for(lambda: is_taken(strangers.mail("good")), what="the second attempt")


@needs_libwrap
@row("check_client_access", "`/etc/hosts.deny`, with `forbidden=`")
def test_clients_that_are_refused(strangers):
    strangers.tables.write(deny=f"smtp: {CLIENTS['good']}\n")
    assert strangers.mail("good").startswith("554") and is_taken(strangers.mail("listed"))
    strangers.configure(forbidden="accept")
    strangers.tables.write(deny=f"smtp: {CLIENTS['good']}: setenv DENY no\n")
    assert strangers.mail("good").startswith("521")


@row("strict_rfc821_envelopes", "`strict-addresses=1`")
def test_form_of_addresses(strangers):
    for strict, code in (("0", "250"), ("1", "501")):
        strangers.configure(strict_addresses=strict)
        with strangers.talk("good") as talk:
            talk.say("EHLO good.test")
            assert talk.say("MAIL FROM: someone@good.test").startswith(code)


# -- limits of clients

@row("default_process_limit", "`clients=100`")
def test_number_of_clients(strangers):
    strangers.configure(clients="2")
    with strangers.talk("good") as one, strangers.talk("listed") as two, strangers.talk("both") as three:
        assert one.greeting.startswith("220") and two.greeting.startswith("220") and three.greeting.startswith("421")


@row("smtpd_client_connection_count_limit", "`client-connections=10`")
def test_connections_of_a_client(strangers):
    strangers.configure(client_connections="1")
    with strangers.talk("good") as one, strangers.talk("good") as two, strangers.talk("listed") as other:
        assert one.greeting.startswith("220") and two.greeting.startswith("421") and other.greeting.startswith("220")


@row("smtpd_client_message_rate_limit", "`rate-messages=100/1h`")
def test_messages_of_a_client(strangers):
    strangers.configure(rate_messages="2/1h")
    assert is_taken(strangers.mail("customer")) and is_taken(strangers.mail("customer"))
    assert strangers.mail("customer").startswith("450 4.7.1")
    assert is_taken(strangers.mail("neighbour"))


@row("smtpd_recipient_limit", "`recipients=1000`")
def test_number_of_recipients(strangers):
    strangers.configure(recipients="100")
    with strangers.talk("good") as talk:
        talk.say("EHLO good.test")
        talk.say("MAIL FROM:<someone@good.test>")
        replies = [talk.say(f"RCPT TO:<alice+{n}@host.test>")[:3] for n in range(101)]
    assert replies == ["250"] * 100 + ["452"]


@row("smtpd_hard_error_limit", "`errors=20`")
def test_number_of_errors(strangers):
    strangers.configure(errors="3")
    with strangers.talk("good") as talk:
        assert [talk.say("NONSENSE")[:3] for _ in range(3)] == ["500"] * 3
        assert talk.reply().startswith("421")


@row("smtpd_upstream_proxy_protocol", "`proxy=192.0.2.9`, for version 2 of the protocol")
def test_a_front_end(strangers):
    strangers.configure(proxy=CLIENTS["good"])
    with strangers.machines["good"].inside():
        connection = socket.create_connection((HOST, 25), timeout=30)
    with connection:
        connection.sendall(proxy_header("203.0.113.9"))
        assert b"[203.0.113.9]" in connection.recv(1000)
