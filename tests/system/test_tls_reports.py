"""A domain that asks for reports about TLS (RFC 8460) gets one a day, by mail: what its policy was, how many connections
were as it wants them, and what was wrong with the others."""
import email
import gzip
import json
import os

import pytest

import test_mta_sts
from host import wait_for
from network import made_for_module
from test_mta_sts import line_of

pytestmark = test_mta_sts.pytestmark

REPORTED = ["good-host", "no-tls", "wrong-name", "mode-none"]
RECORDS = "".join(f'_smtp._tls.{name}.test. TXT "v=TLSRPTv1; rua=mailto:box@pattern.test"\n' for name in REPORTED)


@pytest.fixture(scope="module")
def hosts():
    yield from made_for_module(test_mta_sts.Hosts, "postoffice-reports-")


@pytest.fixture(scope="module")
def reports(hosts):
    """The messages with reports about a day, by their domains."""
    hosts.dns.stop()
    hosts.dns.write_zone(".", test_mta_sts.zone() + RECORDS)
    hosts.dns.start()
    hosts.a.write_config(tls_reports="1")
    hosts.a.reload()
    for name, event in {"good-host": "delivered", "mode-none": "delivered", "pattern": "delivered", "no-tls": "deferred",
                        "wrong-name": "deferred"}.items():
        line_of(hosts.a, name, event)
    folder = os.path.join(hosts.a.spool, "tls-reports")
    with hosts.a.stopped():
        [today] = os.listdir(folder)
        os.rename(os.path.join(folder, today), os.path.join(folder, "2016-04-01"))
    good = next(host for host in hosts.started if getattr(host, "machine", None) and host.machine.name == "good")
    wait_for(lambda: len(found(good)) == len(REPORTED), what=lambda: f"{found(good)}; {os.listdir(folder)}; {hosts.a.log_text()[-3000:]}")
    assert not os.path.exists(folder) or not os.listdir(folder)  # nor do the reports count
    return found(good)


def found(host):
    messages = [email.message_from_bytes(text) for text in host.messages("Carol")]
    return {message["TLS-Report-Domain"].removesuffix(".test"): message for message in messages if message["TLS-Report-Domain"]}


def report_of(message):
    text, report = message.get_payload()
    assert text.get_content_type() == "text/plain" and report.get_content_type() == "application/tlsrpt+gzip"
    return json.loads(gzip.decompress(report.get_payload(decode=True)))


def test_the_message_is_the_one_of_section_5_3(reports):
    message = reports["good-host"]
    assert message.get_content_type() == "multipart/report" and message.get_param("report-type") == "tlsrpt"
    assert message["TLS-Report-Submitter"] == "a.test" and message["TLS-Required"] == "No"
    subject = " ".join(message["Subject"].split())
    assert subject == "Report Domain: good-host.test Submitter: a.test Report-ID: <2016-04-01_good-host.test@a.test>"
    assert message["From"].endswith("<postmaster@a.test>")
    assert message.get_payload(1).get_filename() == "a.test!good-host.test!1459468800!1459555199.json.gz"


def test_every_field_of_the_schema_is_there(reports):
    for name, message in reports.items():
        report = report_of(message)
        assert set(report) == {"organization-name", "date-range", "contact-info", "report-id", "policies"}
        assert report["date-range"] == {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"}
        for policy in report["policies"]:
            assert set(policy) - {"failure-details"} == {"policy", "summary"}
            assert policy["policy"]["policy-domain"] == f"{name}.test"
            assert policy["policy"]["policy-type"] in ("sts", "tlsa", "no-policy-found")
            counts = policy["summary"]
            assert set(counts) == {"total-successful-session-count", "total-failure-session-count"}
            details = policy.get("failure-details", [])
            assert sum(one["failed-session-count"] for one in details) == counts["total-failure-session-count"]


def test_success_and_failure_are_told_with_the_policy(reports):
    [good] = report_of(reports["good-host"])["policies"]
    assert good["policy"]["policy-type"] == "sts" and good["policy"]["mx-host"] == ["good.test"]
    assert good["policy"]["policy-string"] == ["version: STSv1", "mode: enforce", "mx: good.test", "max_age: 86400"]
    assert good["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    [plain] = report_of(reports["no-tls"])["policies"]
    [detail] = plain["failure-details"]
    assert detail == {"result-type": "starttls-not-supported", "sending-mta-ip": "192.0.2.1",
                      "receiving-mx-hostname": "plain.test", "receiving-ip": "192.0.2.3", "failed-session-count": 1}
    [wrong] = report_of(reports["wrong-name"])["policies"]
    assert wrong["failure-details"][0]["result-type"] == "certificate-host-mismatch"
    [none] = report_of(reports["mode-none"])["policies"]
    assert none["policy"] == {"policy-type": "no-policy-found", "policy-domain": "mode-none.test"}
