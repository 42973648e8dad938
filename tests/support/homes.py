"""Files in the homes of the tests' accounts."""
import os
import shutil

import pytest

from accounts import PEOPLE

UIDS = {name: uid for name, uid, _ in PEOPLE if name != "postoffice"}


def home_file(user, name, text, mode=0o600, owner=None):
    """Writes a file of the user's, or of `owner`; its path."""
    path = f"/home/{user}/{name}"
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    uid = UIDS[owner or user]
    os.chown(path, uid, uid)
    return path


def content(path):
    """The octets of a file; none if it is not there, or is no file (a FIFO would have to be waited for)."""
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def clear_homes():
    """Homes are empty again, and as they were made."""
    for user, uid in UIDS.items():
        home = f"/home/{user}"
        os.chmod(home, 0o750)
        os.chown(home, uid, uid)
        for entry in os.scandir(home):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


@pytest.fixture(autouse=True)
def clean_homes():
    """For each test of a module that imports it."""
    yield
    clear_homes()
