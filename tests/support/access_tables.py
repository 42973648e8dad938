"""/etc/hosts.allow and /etc/hosts.deny of the test, mounted over those of the machine."""
import os
import subprocess

import pytest

ALLOW, DENY = "/etc/hosts.allow", "/etc/hosts.deny"


class AccessTables:
    """Needs the private mount namespace of the tests. A change counts for the next client."""

    def __init__(self, folder):
        missing = [path for path in (ALLOW, DENY) if not os.path.exists(path)]
        if missing:
            pytest.skip(f"NEEDS {' and '.join(missing)} to bind others over (package libwrap0)")
        self._bound = {}
        for path in (ALLOW, DENY):
            own = os.path.join(folder, os.path.basename(path))
            open(own, "w").close()
            os.chmod(own, 0o644)
            subprocess.run(["mount", "--bind", own, path], check=True)
            self._bound[path] = own

    def write(self, deny="", allow=""):
        for path, text in ((ALLOW, allow), (DENY, deny)):
            with open(self._bound[path], "w") as file:
                file.write(text)

    def end(self):
        for path in self._bound:
            subprocess.run(["umount", path], check=True)
