"""Mail that is forwarded in a circle is cut at the second pass, with a report to its sender."""
import os
import smtplib

import pytest

from conftest import needs_root
from homes import home_file
from host import local_user, wait_for
from virtual import VirtualDomains

pytestmark = needs_root


@pytest.fixture
def pair(make_host):
    """a.test and b.test, each the relay host of the other."""
    a, b = make_host("a", hostname="a.test", retry="1s"), make_host("b", hostname="b.test", retry="1s")
    a.write_config(relay_host=f"[127.0.0.1]:{b.port}")
    b.write_config(relay_host=f"[127.0.0.1]:{a.port}")
    return a, b


@pytest.fixture
def delivery_file():
    """write(user, text): a .forward file that is removed after the test."""
    made = []

    def write(user, text, name=".forward"):
        made.append(home_file(user, name, text))
    yield write
    for path in made:
        os.unlink(path)


def send(host, to, body="x\n"):
    host.run("sendmail", "-f", "carol@a.test", to, input=f"Subject: round and round\n\n{body}".encode(), check=True)


def report(host):
    """The only report that the sender gets."""
    text = host.wait_for_mail("Carol", b"multipart/report")
    assert text.count(b"multipart/report") == 1
    return text


def words(text):
    return b" ".join(text.split())


def hops(text):
    """How often the returned message was received by a host, and which users forwarded it."""
    returned = text[text.rindex(b"message/rfc822"):] if b"message/rfc822" in text else text
    return returned.count(b"\nReceived: "), [line[14:] for line in returned.splitlines()
                                              if line.startswith(b"Delivered-To: ")]


def test_two_users_that_forward_to_each_other_are_a_loop(pair, delivery_file):
    a, b = pair
    delivery_file("alice", "bob@b.test\n")
    delivery_file("bob", "alice@a.test\n")
    for host in pair:
        host.start()
    send(a, "alice@a.test")
    text = report(a)
    assert b"Status: 5.4.6" in text
    assert b"Mail loop" in words(text)
    received, by = hops(text)
    assert received == 2 and by == [b"alice@a.test"], "the host where it comes back refuses it"
    for host in pair:
        host.wait_for_empty_queue()


@pytest.mark.parametrize("second", ["an alias", "a list"])
def test_a_loop_through_an_alias_or_list_is_cut(pair, delivery_file, second):
    a, b = pair
    delivery_file("alice", "bob@b.test\n")
    b.write_aliases("bob: alice@a.test\n" + ("owner-bob: carol@a.test\n" if second == "a list" else ""))
    for host in pair:
        host.start()
    send(a, "ALICE@a.test")
    text = words(report(a))
    assert b"Mail loop" in text, text.decode()
    for host in pair:
        host.wait_for_empty_queue()


def test_a_loop_through_a_virtual_domain_is_cut(pair, folder):
    a, b = pair
    domains = VirtualDomains(folder)
    domains.add("own.test", "alice", [], "*: *@b.test\n")
    a.write_config(**domains.settings())
    b.write_aliases("any: any@own.test\n")
    for host in pair:
        host.start()
    send(a, "any@own.test")
    assert b"Mail loop" in words(report(a))


def test_a_loop_of_one_recipient_affects_no_other(pair, delivery_file):
    """A message that is forwarded once is not a loop, however often the same message is sent."""
    a, b = pair
    delivery_file("alice", "bob@b.test, \\alice\n")
    delivery_file("bob", "alice@a.test, \\bob\n")
    for host in pair:
        host.start()
    send(a, "alice@a.test")
    text = words(report(a))
    assert b"Mail loop" in text, text.decode()
    for host in pair:
        host.wait_for_empty_queue()
    # The message that comes back is refused as a whole: each recipient has it from the first time.
    assert a.mailbox("alice").count(b"Subject: round and round\n") == 1
    assert b.mailbox("bob").count(b"Subject: round and round\n") == 1


def test_recipients_of_one_forwarding_address_share_a_transaction(pair, make_host):
    """The fields of their copy name no other forwarding address."""
    a, b = pair
    a.write_aliases("team: one@b.test, two@b.test\nother: two@b.test, three@b.test\n")
    b.write_aliases("one: bob\ntwo: bob\nthree: carol\n")
    for host in pair:
        host.start()
    a.run("sendmail", "team", "other", "carol@b.test", input=b"Subject: for many\n\nx\n", check=True)
    for host in pair:
        host.wait_for_empty_queue()
    copies = [copy for user in ("bob", "Carol") for copy in b.mailbox(user).split(b"\nFrom ")]
    assert len(copies) == 3  # one for bob, and two for Carol, one of them addressed to Carol
    by = [sorted(line[14:].decode() for line in copy.splitlines() if line.startswith(b"Delivered-To: "))
          for copy in copies]
    assert sorted(by) == [["bob@b.test", "team@a.test"], ["carol@b.test"], ["carol@b.test", "other@a.test"]], by


def test_a_program_that_cannot_send_is_told_of_it_once(host, folder, delivery_file):
    """Its sendmail reports an error by mail, which is delivered to the program; the next error is printed."""
    host.start()
    host.permit_submission()
    runs = os.path.join(folder, "runs")
    program = os.path.join(folder, "program")
    with open(runs, "w"), open(program, "w") as file:
        file.write(f"""#!/bin/sh
echo "from <$SENDER>" >>{runs}
test "$(wc -l <{runs})" -lt 9 || exit 0
{host.command("sendmail")} -C {host.config} -oem no-such-user 2>>{runs}
exit 0
""")
    os.chmod(runs, 0o666)
    os.chmod(program, 0o755)
    delivery_file("alice", f"|{program}\n")
    host.run("sendmail", "-f", "carol@example.org", "alice", input=b"Subject: x\n\nx\n", check=True)

    def lines():
        host.run("runq")  # which that sendmail cannot trigger here
        with open(runs) as file:
            return file.read().split("\n")[:-1]
    wait_for(lambda: len(lines()) > 2, what=lambda: f"{lines()}; {host.log_text()}")
    host.wait_for_empty_queue()
    assert lines() == ["from <carol@example.org>", "from <>", "sendmail: no-such-user: unknown user"]


def test_a_message_with_too_many_hops_is_refused(host):
    host.write_config(hops="5")
    host.start()
    traces = b"Received: from a by b; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
    with host.smtp() as client:
        client.sendmail("a@example.org", [local_user()], traces * 5 + b"Subject: near\r\n\r\n")
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", [local_user()], traces * 6 + b"Subject: far\r\n\r\n")
    assert refused.value.smtp_code == 554 and refused.value.smtp_error.startswith(b"5.4.6")
    assert b"Subject: far" not in host.mailbox(local_user())
