"""A host that accepts only some of our connections gets all its mail through those."""
import smtplib

from host import wait_for

MESSAGES = 40


def test_all_mail_goes_out_through_the_connections_that_the_host_accepts(make_host):
    there = make_host("there", client_connections="2")
    there.start()
    here = make_host("here", relay_host=f"127.0.0.1:{there.port}", retry="1h", destination_agents="10", immediate="0")
    here.start()
    with smtplib.SMTP("127.0.0.1", here.port) as client:
        for number in range(MESSAGES):
            client.sendmail("alice@here.test", ["you@elsewhere.test"], f"Subject: {number}\r\n\r\n")
    here.run("runq", check=True)
    wait_for(lambda: here.log_text().count(" delivered to=") + here.log_text().count(" deferred to=") >= MESSAGES,
             what=here.log_text)
    assert "deferred to=" not in here.log_text()
