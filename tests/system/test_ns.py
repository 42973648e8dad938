"""ns shows what the resolver of the server finds."""
import os

import pytest

from dns import NSD, NameServer
from host import free_port


@pytest.mark.skipif(NSD is None, reason="NEEDS nsd")
def test_ns_shows_addresses_names_and_mail_hosts(host, folder):
    zone = """@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
mail.far.test. A 192.0.2.10
mail.far.test. AAAA 2001:db8::10
far.test. MX 10 mail.far.test.
alias.test. CNAME mail.far.test.
text.test. TXT "v=spf1 -all"
10.2.0.192.in-addr.arpa. PTR mail.far.test.
"""
    os.mkdir(os.path.join(folder, "dns"))
    port = free_port()
    server = NameServer(os.path.join(folder, "dns"), {".": zone}, port=port).start()
    try:
        host.write_config(nameserver=f"127.0.0.1:{port}")

        def ns(*words):
            done = host.run("ns", *words)
            return done.returncode, done.stdout.decode()
        assert ns("far.test", "mx") == (0, "far.test. MX 10 mail.far.test.\n")
        assert ns("Mail.Far.Test.", "AAAA") == (0, "mail.far.test. AAAA 2001:db8::10\n")
        assert ns("alias.test", "a") == (0, "mail.far.test. A 192.0.2.10\n")
        assert ns("text.test", "txt") == (0, 'text.test. TXT "v=spf1 -all"\n')
        assert ns("192.0.2.10") == (0, "10.2.0.192.in-addr.arpa. PTR mail.far.test.\n")
        status, text = ns("mail.far.test")
        assert status == 0 and "mail.far.test. A 192.0.2.10\n" in text and "mail.far.test. AAAA 2001:db8::10\n" in text
        assert ns("gone.test", "a")[0] == 68
        assert ns("far.test", "srv")[0] == 64
        assert host.run("ns", "-s", "127.0.0.1:9", "far.test", "mx").returncode == 75
    finally:
        server.stop()
