"""A filter may misbehave in any way at any stage: mail goes on unchanged, is deferred or refused, as on-failure= says, and no
message is lost, doubled or half changed."""
import contextlib
import itertools
import os
import re
import signal
import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tracked
from conftest import needs_root
from failing_filter import MISBEHAVIOURS, STAGES, FailingFilter
from host import wait_for
from scripted_filter import GO_ON, Filter, add_field, packet

pytestmark = needs_root

USERS = ["alice", "bob"]
SUBMITTER = "mallory"
CASES = list(itertools.product(STAGES, MISBEHAVIOURS))
MESSAGE_CASES = [case for case in CASES if case[0] != "negotiation"]
CODES = {"accept": 250, "tempfail": 451, "reject": 550}


def token_of(case):
    return re.sub(r"[^a-z0-9]+", "-", " with ".join(case).lower())


def address_of(case):
    """The client of a case has an address of its own: so the filter knows from the first question how to misbehave."""
    return f"127.9.9.{CASES.index(case) + 1}"


class Scene:
    """A host and its filter, which misbehaves until it is healed."""

    def __init__(self, host, folder, on_failure):
        self.host = host
        self.is_healed = False
        self.negotiates = None  # a name in MISBEHAVIOURS; at that stage nothing is known of the client
        self.filter = FailingFilter(os.path.join(folder, "filter"), self.case_of)
        host.write_aliases(f"root: {SUBMITTER}\n")
        self.filter_line = f"{self.filter.path}, on-failure={on_failure}"
        host.write_config(filter=self.filter_line + ", timeout=1s, message-timeout=1s", rate_connections="0",
                          rate_messages="0")
        host.start()

    def heal(self):
        """From now on the filter works, and has time for it."""
        self.is_healed, self.negotiates = True, None
        self.host.write_config(filter=self.filter_line)
        self.host.reload()

    def case_of(self, session):
        """By the address of the client, or, of a submission, by the token in its file."""
        if session[-1][0] == "O":
            return self.negotiates and ("negotiation", self.negotiates)
        if self.is_healed:
            return None
        _, connect, macros = session[1] if session[0][0] == "O" else session[0]
        address = connect.rstrip(b"\0").split(b"\0")[-1][3:].decode()
        if address.startswith("127.9."):
            return CASES[int(address.split(".")[-1]) - 1]
        with open(os.path.join(self.host.spool, "drop", macros["i"]), errors="replace") as file:
            token = re.search("^X-Token: (.*)$", file.read(), re.MULTILINE)[1]
        return next(case for case in CASES if token_of(case) == token)

    def send(self, case):
        """A message to both users; each code that the client got."""
        text = tracked.for_smtp(tracked.make(token_of(case)))
        with self.host.smtp(source_address=(address_of(case), 0)) as client:
            try:
                refused = client.sendmail("sender@example.org", [f"{user}@host.test" for user in USERS], text)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
            except smtplib.SMTPResponseException as error:
                return {error.smtp_code}
        return {code for code, _ in refused.values()} | ({250} if len(refused) < len(USERS) else set())

    def submit(self, case):
        self.host.run("sendmail", "-i", "-t", "-f", f"{SUBMITTER}@host.test", check=True,
                      input=tracked.make(token_of(case), to=", ".join(USERS)))

    def deferred(self):
        """Submissions that stay in drop/ for a while."""
        return len(set(re.findall(r" (\S+): submission-deferred ", self.host.log_text())))

    def tokens(self, user):
        path = self.host.mailbox_path(user)
        return sorted(tracked.in_mbox(path)[0]) if os.path.exists(path) else []

    def check(self, tokens, are_changed):
        """Each user has each message once, whole, and as the filter wants it or as it came."""
        for user in USERS:
            wait_for(lambda: len(self.tokens(user)) >= len(tokens), what=lambda: f"{self.tokens(user)}")
        self.host.wait_for_empty_queue()
        for user in USERS:
            assert self.tokens(user) == sorted(tokens)
            text = self.host.mailbox(user)
            assert b"X-Half" not in text and b"\nhalf\n" not in text
            assert text.count(b"\nX-Filtered: yes\n") == (len(tokens) if are_changed else 0)


@pytest.fixture
def scene(host, folder):
    made = []

    def make(on_failure):
        made.append(Scene(host, folder, on_failure))
        return made[-1]
    yield make
    for one in made:
        one.filter.close()


def for_all(cases, function):
    """Many at the same time, since some wait for a time limit."""
    with ThreadPoolExecutor(20) as pool:
        return dict(zip(cases, pool.map(function, cases)))


@pytest.mark.parametrize("on_failure", CODES)
def test_a_client_gets_the_answer_that_on_failure_names(scene, on_failure):
    made = scene(on_failure)
    assert for_all(MESSAGE_CASES, made.send) == {case: {CODES[on_failure]} for case in MESSAGE_CASES}
    assert made.host.log_text().count("filter-failed ") == len(MESSAGE_CASES)
    made.heal()
    if on_failure == "tempfail":
        assert for_all(MESSAGE_CASES, made.send) == {case: {250} for case in MESSAGE_CASES}
    arriving = [] if on_failure == "reject" else [token_of(case) for case in MESSAGE_CASES]
    made.check(arriving, are_changed=on_failure == "tempfail")


@pytest.mark.parametrize("on_failure", CODES)
def test_a_submission_arrives_waits_or_returns_as_on_failure_says(scene, on_failure):
    made = scene(on_failure)
    for_all(MESSAGE_CASES, made.submit)
    tokens = [token_of(case) for case in MESSAGE_CASES]
    if on_failure == "tempfail":
        wait_for(lambda: made.deferred() == len(tokens), 30, what=lambda: made.host.log_text()[-2000:])
        assert not any(made.tokens(user) for user in USERS)
        made.heal()
        made.host.run("runq", check=True)
    made.check([] if on_failure == "reject" else tokens, are_changed=on_failure == "tempfail")
    reports = re.findall(rb"^X-Token: (.*)$", made.host.mailbox(SUBMITTER), re.MULTILINE)
    assert sorted(reports) == (sorted(token.encode() for token in tokens) if on_failure == "reject" else [])


@pytest.mark.parametrize("on_failure", CODES)
def test_a_negotiation_that_fails_is_tried_anew_in_the_next_session(scene, on_failure):
    made = scene(on_failure)
    cases = [case for case in CASES if case[0] == "negotiation"]
    for made.negotiates in MISBEHAVIOURS:
        assert made.send(("negotiation", made.negotiates)) == {CODES[on_failure]}
    made.heal()
    if on_failure != "accept":
        assert for_all(cases, made.send) == {case: {250} for case in cases}
    made.check([token_of(case) for case in cases], are_changed=on_failure != "accept")


@pytest.fixture
def waiting_host(host, folder):
    """Its first filter changes each message; the second one waits at the end of the first message that it sees. Gives
    the host, and a function that kills the process that takes in this message."""
    first = Filter(os.path.join(folder, "first"), answers={"E": add_field("X-Filtered", "yes") + packet(GO_ON)})
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer(_):
        if not is_asked.is_set():
            is_asked.set()
            may_answer.wait(30)
        return packet(GO_ON)
    second = Filter(os.path.join(folder, "second"), answers={"E": answer})
    host.write_config(filter=[first.path, second.path])
    host.start()

    def kill():
        assert is_asked.wait(20)
        os.kill(second.pids[0], signal.SIGKILL)
        may_answer.set()
    yield host, kill
    for one in (first, second):
        one.close()


def test_a_session_that_is_killed_behind_a_change_has_accepted_nothing(waiting_host):
    host, kill = waiting_host
    text = tracked.for_smtp(tracked.make("one"))
    killer = threading.Thread(target=kill)
    killer.start()
    with host.smtp() as client, contextlib.suppress(smtplib.SMTPServerDisconnected):
        client.sendmail("sender@example.org", ["bob@host.test"], text)
        raise AssertionError("the message was accepted")
    killer.join()
    assert not host.mailbox("bob") and not host.spool_files()
    with host.smtp() as client:
        client.sendmail("sender@example.org", ["bob@host.test"], text)
    assert host.wait_for_mail("bob", b"END one").count(b"X-Filtered: yes") == 1
    assert tracked.in_mbox(host.mailbox_path("bob")) == (["one"], 0)


def test_a_submission_whose_worker_is_killed_behind_a_change_is_changed_once(waiting_host):
    host, kill = waiting_host
    host.run("sendmail", "-i", "bob", input=tracked.make("one"), check=True)
    kill()
    wait_for(lambda: "pickup-worker-ended" in host.log_text(), what="the end of the worker")
    host.run("runq", check=True)
    assert host.wait_for_mail("bob", b"END one").count(b"X-Filtered: yes") == 1
    host.wait_for_empty_queue()
    assert tracked.in_mbox(host.mailbox_path("bob")) == (["one"], 0)
