"""Mail passes the filters of filter= as postoffice-filter(5) says, from clients and from this host; what a filter refuses,
holds, changes or throws away is refused, held, changed or thrown away."""
import os
import re
import smtplib
import socket
import ssl
import threading

import pytest

from certificates import authority  # noqa: F401
from conftest import needs_root
from host import local_user, wait_for
from login_host import login_host  # noqa: F401
from scripted_filter import (ACCEPT, DISCARD, REJECT, TEMPFAIL, Filter, add_field, insert_field, packet, reply_code)

pytestmark = needs_root

USER = local_user()
MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


@pytest.fixture
def filtered(host, folder):
    """Makes a started host with filters: filtered(answers={...}, option="...")."""
    made = []

    def make(*settings, **options):
        lines = []
        for number, setting in enumerate(settings or [{}]):
            words = setting.pop("words", "")
            made.append(Filter(os.path.join(folder, f"filter{number}"), **setting))
            lines.append(made[-1].path + words)
        host.write_config(filter=lines, debug="1", **options)
        host.start()
        return made[-1] if len(made) == 1 else made

    yield make
    for one in made:
        one.close()


def journal(host):
    path, = host.paths_in_spool("cm")
    with open(path) as file:
        return file.read()


def refusal(host, *recipients):
    """Code and text of the first refusal of a message."""
    with host.smtp() as client:
        try:
            client.sendmail("ann@far.test", list(recipients) or [USER], MESSAGE)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            return error.smtp_code, error.smtp_error.decode()
        except smtplib.SMTPRecipientsRefused as error:
            return tuple(error.recipients.values())[0]
    return None


def test_all_stages_are_asked_with_one_id_and_the_header_is_changed(host, filtered):
    asked = filtered({"answers": {"E": insert_field(1, "X-Seen", "yes") + packet(ACCEPT)}})
    assert refusal(host) is None
    text = host.wait_for_mail(USER, b"X-Seen: yes")
    assert text.index(b"X-Seen: yes\n") > text.index(b"Received: ")
    assert asked.stages()[0].startswith("OCHMRTL")
    ids = {macros["i"] for _, _, macros in asked.sessions[0] if "i" in macros}
    assert len(ids) == 1 and f"id {ids.pop()}".encode() in text
    assert asked.heard("M") == ["<ann@far.test>|size=24"]
    names = [field.split("|")[0] for field in asked.heard("L")]
    assert sorted(names) == ["Date", "From", "Message-ID", "Subject"]
    assert "filtered filter=" in host.log_text() and "changes=\"1 field\"" in host.log_text()


@pytest.mark.parametrize("stage, answer, code, text", [
    ("C", packet(REJECT), 550, "Refused by a filter"),
    ("H", packet(TEMPFAIL), 451, "please try again later"),
    ("M", reply_code("550 5.7.1 no %%such senders"), 550, "no %such senders"),
    ("R", packet(TEMPFAIL), 451, ""),
    ("T", packet(REJECT), 550, ""),
    ("N", reply_code("452 4.2.1 later\x01"), 452, "later?"),
    ("E", packet(REJECT), 550, ""),
    ("E", reply_code("550-5.7.1 two\r\n550 5.7.1 lines"), 550, "two\n5.7.1 lines"),
])
def test_a_refusal_at_each_stage_reaches_the_client(host, filtered, stage, answer, code, text):
    filtered({"answers": {stage: answer}})
    got = refusal(host)
    assert got[0] == code
    assert text in (got[1] if isinstance(got[1], str) else got[1].decode())
    assert not host.mailbox(USER) and not host.spool_files()


def test_one_recipient_is_refused_and_another_one_gets_the_message(host, filtered):
    filtered({"answers": {"R": lambda data: packet(REJECT if b"root" in data else b"c")}})
    with host.smtp() as client:
        refused = client.sendmail("ann@far.test", ["root@host.test", USER], MESSAGE)
    assert list(refused) == ["root@host.test"]
    host.wait_for_mail(USER, b"Subject: hello")


def test_a_message_that_is_discarded_is_accepted_and_goes_nowhere(host, filtered):
    for stage in "MRTE":
        answers = {stage: packet(DISCARD)}
        if host.process is None:
            asked = filtered({"answers": answers})
        asked.answers = answers
        assert refusal(host) is None
    assert host.log_text().count(" discarded ") == 4
    assert not host.mailbox(USER) and not host.spool_files()


def test_quarantine_holds_the_message_in_the_queue_until_it_is_released(host, filtered):
    filtered({"answers": {"E": packet(b"q", b"looks odd\0") + packet(ACCEPT)}})
    assert refusal(host) is None
    listed = host.queue()
    assert len(listed) == 1 and listed[0]["queue_name"] == "hold"
    assert b"looks odd" in host.run("mailq", "-v").stdout
    assert re.search(r"\nverdict: filter \S+filter0: accept, \d+ ms\nhold: looks odd\n", journal(host))
    assert not host.mailbox(USER)
    host.run("sendmail", "-Mt", listed[0]["queue_id"], check=True)
    host.wait_for_mail(USER, b"Subject: hello")


def test_a_message_without_a_reason_to_hold_it_is_held_all_the_same(host, filtered):
    filtered({"answers": {"E": packet(b"q", b"\0") + packet(ACCEPT)}})
    assert refusal(host, USER, "root") is None
    assert [entry["queue_name"] for entry in host.queue()] == ["hold"]
    assert not host.mailbox(USER)


def test_a_recipient_that_is_there_already_gets_one_copy(host, filtered):
    host.write_aliases(f"other: {USER}\n")
    filtered({"answers": {"E": b"".join(packet(b"+", f"<{name}@HOST.test>\0".encode()) for name in (USER, "other")) +
                          packet(ACCEPT)}})
    assert refusal(host) is None
    assert host.wait_for_mail(USER, b"Subject: hello").count(b"Subject: hello") == 1


def test_recipients_and_sender_are_changed(host, filtered):
    host.write_aliases(f"archive: {USER}\n")
    filtered({"answers": {"E": packet(b"-", b"<root@host.test>\0") + packet(b"+", b"<archive@host.test>\0") +
                          packet(b"+", b"<missing@host.test>\0") + packet(b"e", b"<new@far.test>\0") +
                          packet(b"b", b"another body\r\n") + packet(ACCEPT)}})
    assert refusal(host, "root@host.test") is None
    text = host.wait_for_mail(USER, b"another body")
    assert text.startswith(b"From new@far.test ") and b"\nbody\n" not in text
    assert "filter-recipient-unknown to=<missing@host.test>" in host.log_text()


def test_filters_are_asked_in_order_and_see_what_those_before_changed(host, filtered):
    first, second = filtered({"answers": {"E": add_field("X-One", "1") + packet(ACCEPT)}}, {})
    assert refusal(host) is None
    assert "X-One|1" in second.heard("L") and "X-One|1" not in first.heard("L")


def test_several_messages_pass_one_connection(host, filtered):
    asked = filtered()
    with host.smtp() as client:
        for _ in range(2):
            client.sendmail("ann@far.test", [USER], MESSAGE)
        client.mail("ann@far.test")
        client.rset()
        assert re.search(rf"filter: {asked.path}: connected;\s(2.0.0 )?accept, \d+ ms", client.docmd("DEBUG")[1].decode())
        client.docmd("XYZZY", "now")
    wait_for(lambda: asked.stages() and asked.stages()[0].endswith("Q"), what="the goodbye")
    fields = "L" * 4
    assert asked.stages() == [f"OCHMRT{fields}NBEMRT{fields}NBEMAUQ"]
    assert asked.heard("U") == ["XYZZY now"]


def test_a_filter_that_has_failed_is_left_out_for_the_session(host, filtered):
    asked = filtered({"answers": {"M": b"\xff\xff\xff\xffc"}})
    with host.smtp() as client:
        for _ in range(2):
            client.sendmail("ann@far.test", [USER], MESSAGE)
        client.helo()
        assert f"filter: {asked.path}: failed" in client.docmd("DEBUG")[1].decode()
    assert asked.stages() == ["OCHM"]
    assert host.log_text().count("filter-failed") == 1
    assert refusal(host) is None
    assert len(asked.sessions) == 2


@pytest.mark.parametrize("words, code", [("", None), (",on-failure=tempfail", 451), (",on-failure=reject", 550)])
def test_an_option_says_what_happens_without_the_filter(host, folder, words, code):
    host.write_config(filter=f"{folder}/nothing{words}")
    host.start()
    got = refusal(host)
    assert (got and got[0]) == code


def test_some_clients_skip_filters(host, filtered):
    asked = filtered({"words": ",skip=trusted"})
    assert refusal(host) is None
    assert not asked.sessions


def test_submissions_of_this_host_pass_filters(host, filtered):
    asked = filtered({"answers": {"E": add_field("X-Signed", "yes") + packet(ACCEPT)}})
    host.run("sendmail", USER, input=b"Subject: local\n\nbody\n", check=True)
    host.wait_for_mail(USER, b"X-Signed: yes")
    assert asked.heard("C")[0].startswith("localhost|4") and asked.heard("H") == ["host.test"]
    asked.answers = {"E": reply_code("550 5.7.1 not this one")}
    host.run("sendmail", "-f", USER, USER, input=b"Subject: refused\n\nbody\n", check=True)
    host.wait_for_mail(USER, b"not this one")
    asked.answers = {"R": packet(TEMPFAIL)}
    host.run("sendmail", USER, input=b"Subject: deferred\n\nbody\n", check=True)
    wait_for(lambda: "submission-deferred" in host.log_text(), what="the deferral")
    assert len(os.listdir(os.path.join(host.spool, "drop"))) == 1


def test_an_option_makes_bounces_pass_filters(host, filtered):
    asked = filtered({"answers": {"E": add_field("X-Signed", "yes") + packet(ACCEPT)}}, filter_bounces="1")
    host.run("sendmail", "-N", "success", "-f", f"{USER}@host.test", USER, input=b"Subject: one\n\nbody\n",
             check=True)
    wait_for(lambda: "report-on=" in host.log_text(), what="the report")
    host.run("runq")  # which looks at the submissions, too
    text = host.wait_for_mail(USER, b"multipart/report")
    assert b"X-Signed: yes" in text.split(b"\n\n")[0]
    assert "<>" in asked.heard("M")


def test_an_option_lets_logins_skip_filters(login_host, folder):  # noqa: F811
    asked = Filter(os.path.join(folder, "filter"))
    login_host.write_config(filter=asked.path)
    for safe, sessions in (("0", 1), ("1", 1)):
        login_host.write_config(safe=safe)
        login_host.reload()
        with smtplib.SMTP("127.0.0.1", login_host.submission_port, local_hostname="client.test") as client:
            client.starttls(context=ssl._create_unverified_context())
            client.login("vera@virtual.test", "v pass")
            client.sendmail("vera@virtual.test", [f"{USER}@host.test"], MESSAGE)
        assert len(asked.sessions) == sessions
    macros = [macros for kind, _, macros in asked.sessions[0] if kind in "HM"]
    assert macros[0]["{tls_version}"].startswith("TLS") and macros[0]["{cipher_bits}"] in ("128", "256")
    assert macros[1]["{auth_authen}"] == "vera@virtual.test" and macros[1]["{auth_type}"]
    asked.close()


def test_filters_on_tcp_are_found_by_name_and_by_ipv6(host):
    filters = [Filter()]
    lines = [f"inet:{filters[0].port}@localhost"]
    try:
        filters.append(Filter(address="::1"))
        lines.append(f"[::1]:{filters[1].port}")
    except OSError:
        pass  # no IPv6 here
    host.write_config(filter=lines)
    host.start()
    assert refusal(host) is None
    for one in filters:
        assert len(one.sessions) == 1
        one.close()


def test_a_wrong_filter_is_an_error_of_the_configuration(host):
    host.write_config(filter="/run/f.sock,on-failure=maybe")
    said = host.run("sendmail", "-bC")
    assert said.returncode == 78 and b"on-failure" in said.stdout + said.stderr


def test_a_filter_that_waits_delays_no_other_client(host, filtered):
    asked = filtered()
    waiting, release = [], threading.Event()
    asked.answers = {"M": lambda data: (waiting.append(1), release.wait(20), packet(b"c"))[2] if b"slow" in data
                     else packet(b"c")}
    with socket.create_connection(("127.0.0.1", host.port), timeout=30) as slow:
        slow.sendall(b"HELO a\r\nMAIL FROM:<slow@far.test>\r\n")
        wait_for(lambda: waiting, what="the slow question")
        assert refusal(host) is None
        release.set()
