"""rspamd as Debian ships it: its proxy as a milter, which scans by itself. It knows nothing but the test texts of its
own, which it refuses or wants to be marked."""
import os
import re
import shutil
import subprocess

import pytest

from host import wait_for

#: GTUBE as everyone has it, and as rspamd has it for mail that is only marked.
REFUSED = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
MARKED = b"YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

#: Without the lists of top level domains and languages, which take seconds to load, and without DNS.
CONFIG = """
options {{
  tempdir = "{folder}"; pidfile = "{folder}/rspamd.pid"; history_file = "{folder}/rspamd.history";
  control_socket = "{folder}/rspamd.control mode=0600"; url_tld = "{folder}/domains";
  filters = []; enable_test_patterns = true; disable_hyperscan = true;
  dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
}}
lang_detection {{ languages = "{folder}/languages"; }}
logging {{ type = "console"; level = "info"; }}
worker "rspamd_proxy" {{
  bind_socket = "{folder}/rspamd.sock mode=0666"; milter = yes; timeout = 20s; count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
actions {{ reject = 15; add_header = 6; }}
"""


class Rspamd:
    """Listens at `socket`."""

    def __init__(self, folder):
        program = shutil.which("rspamd")
        if program is None:
            pytest.skip("NEEDS rspamd (./configure.sh --get-deps=check installs it)")
        os.mkdir(os.path.join(folder, "languages"))
        with open(os.path.join(folder, "domains"), "w") as file:
            file.write("test\nexample\n")
        config = os.path.join(folder, "rspamd.conf")
        with open(config, "w") as file:
            file.write(CONFIG.format(folder=folder))
        self.socket = os.path.join(folder, "rspamd.sock")
        self._output = os.path.join(folder, "rspamd.out")
        self._process = subprocess.Popen([program, "-i", "-f", "-c", config], stdin=subprocess.DEVNULL,
                                         stdout=open(self._output, "w"), stderr=subprocess.STDOUT)
        wait_for(lambda: os.path.exists(self.socket) or self._process.poll() is not None, 30, "rspamd")
        assert self._process.poll() is None, open(self._output).read()

    def seen(self):
        """(queue id, address of the client, sender, first recipient) of each message."""
        with open(self._output) as file:
            return re.findall(r"qid: <(.*?)>, ip: (.*?),.*? from: <(.*?)>,.* rcpts?: <(.*?)>", file.read())

    def close(self):
        self._process.terminate()
        self._process.wait(20)
