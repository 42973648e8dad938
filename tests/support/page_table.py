"""A table of docs/operation.md, and the tests that try its rows."""
import os

from host import TOP


class PageTable:
    """The table below this heading of the page whose first column has this title."""

    def __init__(self, heading, title):
        with open(os.path.join(TOP, "docs", "operation.md")) as file:
            text = file.read().split(f"\n### {heading}\n")[1]
        lines = text[text.index(f"\n| {title} "):].lstrip("\n").split("\n\n")[0].splitlines()
        self.rows = {}
        for line in lines[2:]:
            cells = line.replace("\\|", "\0").strip("| ").split(" | ")
            self.rows[cells[0].replace("`", "").strip()] = cells[-1].strip(" |").replace("\0", "|")
        self._tried = {}

    def row(self, name, says):
        """Decorates a test that tries this row, whose last column contains the text `says`."""
        assert says in self.rows.get(name, ""), f"docs/operation.md: no row {name} that says {says}: {self.rows.get(name)}"
        self._tried[name] = says
        return lambda test: test

    def elsewhere(self, name, file):
        """The row is tried by tests of another file."""
        assert os.path.exists(os.path.join(TOP, "tests", "system", file))
        self._tried[name] = file

    def untried(self):
        return sorted(set(self.rows) - set(self._tried))
