"""The daemon uses the name servers that /etc/resolv.conf names now, also if they come later than the daemon."""
import os
import re
import subprocess

import pytest

from conftest import needs_root
from dns import NameServer
from host import wait_for
from outsiders import outsiders  # noqa: F401
from processes import with_title

pytestmark = needs_root
ZONE = "@ SOA ns.sender.test. root.sender.test. 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n@ MX 1 ns\n"
ROOT = "@ SOA ns. root. 1 60 60 60 60\n@ NS ns.\nns. A 127.0.0.1\n"


def answer_to_a_stranger(outsiders):  # noqa: F811
    line = outsiders.greeted()
    line.ask("HELO client.test")
    answer = line.ask("MAIL FROM:<user@sender.test>")
    line.ask("QUIT")
    line.close()
    return answer[:3]


def link_local(machine):
    """The address that the kernel gave to its network card, once duplicate address detection is over."""
    def settled():
        told = subprocess.run([*machine.prefix, "ip", "-6", "address", "show", "dev", "eth0", "scope", "link"],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        return "tentative" not in told and re.search(r"inet6 (fe80:[0-9a-f:]+)/", told)
    return wait_for(settled, what="a link-local address")[1]


@pytest.mark.parametrize("where", ["loopback", "link-local"])
def test_a_later_resolv_conf_is_used(outsiders, folder, where):  # noqa: F811
    """Also by processes that are running by then."""
    address, given = "127.0.0.1", "127.0.0.1"
    if where == "link-local":
        address = f"{link_local(outsiders.server)}%eth0"
        given = "::0"
    resolv_conf = os.path.join(folder, "resolv.conf")

    def write(server):
        with open(resolv_conf, "w") as file:
            file.write(f"nameserver {server}\noptions timeout:1 attempts:1\n")

    write("127.0.0.9")  # no name server listens there
    subprocess.run(["mount", "--bind", resolv_conf, "/etc/resolv.conf"], check=True)
    server = NameServer(folder, {"sender.test.": ZONE, ".": ROOT}, addresses=(given,), prefix=outsiders.server.prefix)
    try:
        host = outsiders.start(nameserver=None, verify_from="1")
        assert answer_to_a_stranger(outsiders) == b"451"
        idle = wait_for(lambda: with_title(host, "session idle"), what="the session process")
        server.start()
        write(address)
        assert answer_to_a_stranger(outsiders) == b"250", host.log_text()
        assert set(idle) & set(wait_for(lambda: with_title(host, "session idle"), what="the session process"))
    finally:
        outsiders.end()
        server.stop()
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)
