"""The trace, the reply to RCPT and the delivery agree under each option that changes a route. A new option must be
put into one of the lists here or into another table."""
import os
import re

import pytest

import test_trace
import test_trace_virtual
from conftest import needs_root
from host import TOP
from trace_table import Case, keeps, table_of
from virtual import VirtualDomains

UNKNOWN = "550 5.1.1"
ALIASES = "list: bob, you@elsewhere.test\nowner-list: alice\npart: bob, gone\npostmaster: Carol\nabuse: postmaster\n"
HOMES = {"alice": {".forward": "bob\n"}}
#: Addresses that lead to the same destinations with any of these options.
USUAL = {
    "alice": ["bob"],
    "bob": ["bob"],
    "list": ["bob", "you@elsewhere.test"],
    "part": ["bob"],
    "abuse": ["Carol"],
    "MAILER-DAEMON": ["Carol"],
    "nosuch": UNKNOWN,
    "you@elsewhere.test": ["you@elsewhere.test"],
}


def usual(**options):
    return Case(options, ALIASES, HOMES, USUAL)


CASES = {
    "hide-recipients": usual(hide_recipients="1"),
    "relay": usual(relay="1"),
    "forward-all": usual(forward_all="1"),
    "localmx": usual(localmx="1"),
    "remote-port, which a relay host with a port overrides": usual(remote_port="1"),
    "alias-user": Case({"alias_user": "bob"}, f"keep: |{keeps('bob')}\n", {}, {"keep": [f"|{keeps('bob')}"]}),
    "no extensions": usual(recipient_delimiter=""),
    "delivery-files": Case({"delivery_files": ".qmail"}, ALIASES, {"alice": {".forward": "bob\n", ".qmail": "&Carol\n"}},
                           {"alice": ["Carol"], "list": ["bob", "you@elsewhere.test"]}),
    "no delivery file": Case({"delivery_files": ".qmail"}, "", {}, {"bob+x": UNKNOWN}),
}
ALL = [(name, address) for name, case in CASES.items() for address in case.addresses]

#: Tested in other files: the delivery needs another server, or each test has its own.
ELSEWHERE = {"local-transport": "test_lmtp.py", "mail-dir": "test_mail_arrives.py", "aliases": "test_trace.py",
             "hostname": "test_host_name.py", "relay-host": "trace_table.py", "routes": "test_routes.py",
             "sender-relay": "test_routes.py", "relay-domains": "test_routes.py", "mxpool": "test_mxpool.py", "canonical": "test_canonical.py", "verify-from": "test_access.py",
             "nameserver": "test_resolv_conf.py", "vhost-dir": "test_trace_virtual.py"}
NO_ROUTE = set("""
    user trusted queue-dir control log listen msp clients client-connections load hops recipients size minfree timeout
    tls-certificate tls-key auth-plaintext auth-scram auth-failures vhost-form audit debug bare-newline relaxed-order etrn
    forbidden spam paranoid dnscheck dnsbl dnswl checkhelo nodaemon no-soliciting greylist greylist-from delay
    greylist-unnamed greylist-null greylist-null-unnamed greylist-spf greylist-written greylist-bounces db-dir
    rate-connections rate-messages rate-recipients errors tarpit data-rate data-time coal-command coal proxy
    command-timeout escape-from dot-lock immediate retry qreturn future-release stranger-priority login-senders masquerade
    srs-key delay-warning agents destination-agents destination-rate transport source-address helo-name generics
    owner-programs lookup-timeout remote-tls remote-tls-policy remote-tls-authorities mta-sts tls-reports dnssec
    untrusted-set-sender trusted-users delivery-wait strict-addresses vhost-user header-size notify-success greylist-keep
    log-format relay-password-file relay-token-command filter filter-bounces safe av av-timeout
    policy-service pop3 pop3s pop3-timeout pop3-login-delay pop3-status pop-before-smtp
    """.split())


def names_of_options():
    with open(os.path.join(TOP, "postoffice.cf.sample")) as file:
        return set(re.findall(r"^#([a-z-]+)=", file.read(), re.MULTILINE))


@needs_root  # mailboxes of its own
def test_each_option_that_changes_a_route_is_tested(tmp_path):
    tables = [case[0] for case in test_trace.CASES.values()]
    tables += [case.options for case in [*test_trace_virtual.CASES.values(), *CASES.values()]]
    tried = {name.replace("_", "-") for options in tables for name in options} | set(VirtualDomains(str(tmp_path)).settings())
    tried = {name.replace("_", "-") for name in tried}
    missing = names_of_options() - NO_ROUTE - set(ELSEWHERE) - tried
    assert not missing, f"in no table, and not in NO_ROUTE: {sorted(missing)}"


@pytest.fixture(scope="module")
def table(module_folder):
    with table_of(CASES, module_folder) as made:
        yield made


@needs_root
@pytest.mark.parametrize("name,address", ALL, ids=[f"{name}: {address}" for name, address in ALL])
def test_trace_reply_and_delivery_agree(table, name, address):
    table.check(name, address)


def traced(host, address, **options):
    return host.run("sendmail", "-bt", address, **options).stdout.decode()


def test_the_trace_shows_refusals_that_rcpt_hides(host):
    host.write_config(hide_recipients="1", trusted=None)
    text = traced(host, "nosuch")
    assert re.search(r"RCPT from a stranger: +250 2.1.5 Recipient OK; the message is answered 550 5.1.1", text), text
    assert "RCPT from a trusted host: 550 5.1.1" in text


def test_an_address_of_this_host_with_another_port_is_another_host(host):
    host.write_config(local_domain=["ours.test"], remote_port="2525")
    assert "by [127.0.0.2], port 2525" in traced(host, "you@[127.0.0.2]")
    host.write_config(remote_port=str(host.port))
    done = host.run("sendmail", "-bt", "you@[127.0.0.2]")
    assert done.returncode == 68, done.stdout.decode()


@needs_root
def test_the_trace_says_that_there_is_no_delivery_file(host):
    host.write_config(delivery_files=".qmail", recipient_delimiter="-")
    assert "=> bounce, there is no delivery file" in traced(host, "alice-box")
    host.write_config(delivery_files=".forward")
    assert "no delivery file" not in traced(host, "nosuch")
