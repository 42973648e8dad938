"""The owner of a domain chooses how slow its name servers and mail hosts are. Mail for it waits; mail for others does not."""
from host import wait_for
from sick_nameserver import SickNameServer


def submit(host, *recipients, subject="one"):
    host.run("sendmail", "-i", *recipients, input=f"Subject: {subject}\n\n".encode(), check=True)


def test_a_domain_that_leads_on_and_on_is_asked_for_a_limited_number_of_times(host):
    """Twenty mail hosts, each an alias of an alias of an alias."""
    with SickNameServer("endless") as server:
        host.write_config(nameserver=server.address)
        host.start()
        submit(host, "a@endless.test")
        wait_for(lambda: "too many questions to DNS" in host.log_text(), what=lambda: host.log_text()[-2000:])
        assert 20 < server.asked <= 41


def test_all_questions_of_an_attempt_have_one_deadline(host):
    """A name server that never answers: the first question alone would take ten seconds."""
    with SickNameServer("silent") as server:
        host.write_config(nameserver=server.address, lookup_timeout="1s")
        host.start()
        submit(host, "a@silent.test")
        wait_for(lambda: "deferred to=<a@silent.test>" in host.log_text(), what=lambda: host.log_text()[-2000:])
        assert server.asked == 1
