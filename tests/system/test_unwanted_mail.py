"""spam= decides in the same way about all mail that is called unwanted, whatever the verdict is from and whenever it comes."""
import os

import pytest

from conftest import needs_root
from policy_daemon import PolicyDaemon
from scripted_filter import ACCEPT, Filter, add_field, packet, reply_code
from strangers import all_strangers, strangers  # noqa: F401

pytestmark = needs_root

STAGES_OF_SERVICES = ["rcpt", "data", "end-of-message"]
STAGES_OF_FILTERS = {"connect": "C", "helo": "H", "mail": "M", "rcpt": "R", "data": "T", "end of header": "N",
                     "end of message": "E"}
VERDICTS = ["a DNS list", "av", *(f"a service at {stage}" for stage in STAGES_OF_SERVICES),
            *(f"a filter at {stage}" for stage in STAGES_OF_FILTERS)]
WORDS = "looks bad"


@pytest.fixture
def source(strangers, folder):  # noqa: F811
    """A function that makes what gives this verdict, and returns the options of the host."""
    made = []

    def make(verdict):
        kind, _, stage = verdict.partition(" at ")
        path = os.path.join(folder, kind.split()[-1])
        if kind == "a DNS list":
            return {"dnsbl": "bad.test"}
        if kind == "av":
            with open(path, "w") as file:
                file.write(f"#!/bin/sh\necho {WORDS}\nexit 1\n")
            os.chmod(path, 0o755)
            return {"av": path}
        if kind == "a service":
            made.append(PolicyDaemon(f"554 5.7.1 {WORDS}", path=path))
            return {"policy_service": f"{path}, stages={stage}, refusal=spam"}
        made.append(Filter(path, answers={STAGES_OF_FILTERS[stage]: reply_code(f"550 5.7.1 {WORDS}")}))
        made.append(Filter(path + "-2", answers={"E": add_field("X-Second", "yes") + packet(ACCEPT)}))
        return {"filter": [f"{path}, refusal=spam", made[-1].path]}
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("verdict", VERDICTS)
def test_unwanted_mail_is_refused_marked_or_put_into_a_folder(strangers, source, verdict):  # noqa: F811
    options = source(verdict)
    client, reason = ("listed", "192.0.2.13 is on bad.test") if verdict == "a DNS list" else ("good", WORDS)
    box = strangers.host.mailbox_path("bob")

    def send(spam):
        strangers.configure(spam=spam, **options)
        for path in (box, box + ":junk"):
            if os.path.exists(path):
                os.truncate(path, 0)
        return strangers.mail(client, "ann@good.test", text="Subject: hello\nX-Spam: theirs\n\nbody\n")

    refused = send("bounce")
    assert refused.startswith("55") and reason in refused, refused
    refused = send("bounce:see host.test")
    assert refused.startswith("55") and refused.endswith("see host.test") and reason not in refused, refused
    for spam, user in (("accept", "bob"), ("folder:junk", "bob:junk")):
        assert send(spam).startswith("250")
        text = strangers.host.wait_for_mail(user, b"Subject: hello")
        assert f"\nX-Spam: {reason}".encode() in text and text.count(b"\nX-Spam: ") == 1
        assert b"\nX-Spam-Original: theirs\n" in text
        assert b"\nX-Second: yes\n" in text or not verdict.startswith("a filter")
        assert f"mark=SPAM client={client}.test" in strangers.host.log_text()


def test_the_first_verdict_is_the_reason(strangers, source):  # noqa: F811
    options = {**source("a service at end-of-message"), **source("av"), "dnsbl": "bad.test"}
    strangers.configure(spam="accept", **options)
    assert strangers.mail("listed", "ann@good.test", text="Subject: several\n\n").startswith("250")
    text = strangers.host.wait_for_mail("bob", b"Subject: several")
    assert b"X-Spam: 192.0.2.13 is on bad.test" in text and text.count(b"\nX-Spam: ") == 1
