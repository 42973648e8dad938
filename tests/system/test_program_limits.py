"""Programs of one account that run long take at most the places of that account, and never those of other users."""
import os
import signal

import pytest

from conftest import needs_root
from host import wait_for
from processes import with_title
from virtual import VirtualDomains

pytestmark = needs_root
ALIASES = 12


def submit(host, to, subject):
    host.run("sendmail", to, input=f"Subject: {subject}\n\n".encode(), check=True)


@pytest.fixture
def busy(host, folder):
    """A domain of mallory with a dozen aliases whose programs sleep; mail for all of them is in delivery."""
    virtual = VirtualDomains(folder)
    aliases = "".join(f'sleep{i}: "|sleep 600"\n' for i in range(ALIASES))
    virtual.add("slow.test", "mallory", users=["vera"], aliases=aliases)
    host.write_config(agents="12", owner_programs="4", delivery_files=".forward", **virtual.settings())
    host.start()
    for i in range(ALIASES):
        submit(host, f"sleep{i}@slow.test", "sleeps")
    wait_for(lambda: len(with_title(host, "postoffice: deliver mallory")) >= 4, what="the programs")
    yield host
    for pid in with_title(host, "sleep 600"):
        os.kill(pid, signal.SIGKILL)


def test_a_session_and_a_program_of_another_user_find_places(busy, folder):
    with busy.smtp() as client:
        client.sendmail("a@example.org", ["bob@host.test"], b"Subject: by session\r\n\r\n")
    assert b"Subject: by session" in busy.mailbox("bob")
    taken = os.path.join(folder, "taken")
    os.mkdir(taken)
    os.chmod(taken, 0o777)
    busy.write_aliases(f'mine: "|cat >{taken}/it"\n')
    submit(busy, "mine", "by program")
    wait_for(lambda: os.path.exists(f"{taken}/it"), what=lambda: busy.log_text()[-2000:])
    assert len(with_title(busy, "postoffice: deliver mallory")) == 4, "the limit of one account"
