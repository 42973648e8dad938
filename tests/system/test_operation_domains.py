"""Each row of the table of virtual domains in docs/operation.md, "Aliases, lists, users", does what its first column
says."""
import os
import subprocess

import pytest

from accounts import hash_of
from conftest import needs_root
from homes import content
from host import wait_for
from page_table import PageTable
from sink import Sink

pytestmark = needs_root

DOMAINS = PageTable("Aliases, lists, users", "Postfix")
DOMAINS.elsewhere("virtual_transport = lmtp:...", "test_lmtp.py")
row = DOMAINS.row


def test_each_row_is_tried():
    assert not DOMAINS.untried()


class Domains:
    """A host that is configured as the page says before its first domain is made; other hosts are the sink."""

    def __init__(self, host, folder):
        self.host, self.sink = host, Sink()
        self.etc, self.spool = os.path.join(folder, "virtual"), os.path.join(folder, "vmail")
        self.count = 0
        host.write_config(vhost_dir=self.etc, vhost_spool=self.spool, hostname="mail.example.org",
                          relay_host=self.sink.endpoint)

    def do(self, *commands, **options):
        """The commands, with the server running afterwards."""
        self.host.write_config(**options)
        for name, *arguments in commands:
            self.host.run(name, *arguments, check=True)
        done = self.host.run("sendmail", "-bC")
        assert done.returncode == 0, done.stdout + done.stderr
        self.host.start()

    def send(self, to):
        self.count += 1
        with self.host.smtp() as client:
            client.sendmail("someone@far.test", [to], f"Subject: trial {self.count}\r\n\r\n".encode())
        return f"Subject: trial {self.count}".encode()

    def goes_out(self, to, address):
        text = self.send(to)
        wait_for(lambda: [1 for _, recipients, message in self.sink.messages if text in message and recipients == (address,)],
                 what=lambda: f"mail for {address}: {self.sink.messages}, {self.host.log_text()[-2000:]}")

    def is_kept(self, to, *name):
        text = self.send(to)
        wait_for(lambda: text in content(os.path.join(self.spool, *name)), what=self.host.log_text)


@pytest.fixture
def domains(host, folder):
    made = Domains(host, folder)
    with made.sink:
        yield made


CLUB = ("vdomain", "create", "club.example", "root")
SHOP = ("vdomain", "create", "shop.example", "root")


def with_user(domains, *more, **options):
    domains.host.write_config(**options)
    domains.host.run(*SHOP, check=True)
    done = domains.host.run("vpasswd", "-a", "vera@shop.example", input=b"a secret word\na secret word\n")
    assert done.returncode == 0, done.stdout + done.stderr
    domains.do(*more)


@row("virtual_alias_domains = club.example", "`vhost-dir=/etc/virtual`, then `vdomain create club.example root`")
@row("info@club.example bob@example.org in virtual_alias_maps", "`valias info@club.example bob@example.org`")
def test_an_address(domains):
    domains.do(CLUB, ("valias", "info@club.example", "bob@example.org"))
    domains.goes_out("info@club.example", "bob@example.org")


@row("info@club.example alice: an account", "`valias info@club.example alice@mail.example.org`")
def test_an_account(domains):
    domains.do(CLUB, ("valias", "info@club.example", "alice@mail.example.org"))
    domains.host.wait_for_mail("alice", domains.send("info@club.example"))


@row("@club.example bob@example.org", "`valias '*@club.example' bob@example.org`")
def test_all_addresses(domains):
    domains.do(CLUB, ("valias", "*@club.example", "bob@example.org"))
    domains.goes_out("anything@club.example", "bob@example.org")


@row("@old.example @club.example", "`valias '*@old.example' '*@club.example'`")
def test_another_name_of_a_domain(domains):
    domains.do(CLUB, ("vdomain", "create", "old.example", "root"), ("valias", "info@club.example", "bob@example.org"),
               ("valias", "*@old.example", "*@club.example"))
    domains.goes_out("info@old.example", "bob@example.org")


@row("virtual_mailbox_domains = shop.example", "`vdomain create shop.example root`")
@row("vera@shop.example shop.example/vera/ in virtual_mailbox_maps", "`vpasswd -a vera@shop.example`")
@row("virtual_mailbox_base = /var/vmail", "`vhost-spool=/var/vmail`; a mailbox is always `DOMAIN/USER` below it")
def test_a_mailbox(domains):
    with_user(domains)
    domains.is_kept("vera@shop.example", "shop.example", "vera")


@row("the same, for a user without a login", "a line `vera:*` in `/etc/virtual/shop.example/passwd`")
def test_a_user_without_a_password(domains):
    domains.host.run(*SHOP, check=True)
    with open(os.path.join(domains.etc, "shop.example", "passwd"), "a") as file:
        file.write("vera:*\n")
    domains.do()
    domains.is_kept("vera@shop.example", "shop.example", "vera")


@row("passwords in a passwd-file of Dovecot, vera:{SHA512-CRYPT}$6$...", "the same lines in that file")
def test_passwords_of_dovecot(domains):
    domains.host.run(*SHOP, check=True)
    with open(os.path.join(domains.etc, "shop.example", "passwd"), "a") as file:
        file.write(f"vera:{{SHA512-CRYPT}}{hash_of('her word')}\n")
    domains.do()
    with domains.host.smtp() as client:
        client.login("vera@shop.example", "her word")
    domains.is_kept("vera@shop.example", "shop.example", "vera")


@row("virtual_uid_maps = static:5000, virtual_gid_maps", "`vhost-user=vmail:vmail`")
def test_the_account_of_mailboxes(domains):
    with_user(domains, vhost_user="bob:bob")
    domains.is_kept("vera@shop.example", "shop.example", "vera")
    told = subprocess.run(["stat", "-c", "%U %G %a", f"{domains.spool}/shop.example/vera"], capture_output=True, text=True)
    assert told.stdout == "bob bob 600\n"


@row("mailboxes that end with /", "`vhost-maildir=1`, for all of them")
def test_maildirs(domains):
    with_user(domains, vhost_maildir="1")
    domains.send("vera@shop.example")
    new = os.path.join(domains.spool, "shop.example", "vera", "new")
    wait_for(lambda: os.path.isdir(new) and os.listdir(new), what=domains.host.log_text)
