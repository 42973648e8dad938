"""A filter written with Debian's python3-milter, which has libmilter itself under it: py_milter.py SOCKET. It makes each
change that there is, as the subject of a message asks."""
import sys

import Milter


class Editor(Milter.Base):
    connections = clients = 0

    def envfrom(self, address, *parameters):
        self.is_plain = address.startswith("<plain@")
        return Milter.CONTINUE

    def eom(self):
        if self.is_plain:
            self.addheader("X-Served", f"{Editor.clients} clients on {Editor.connections} connections")
            return Milter.CONTINUE  # then libmilter lets another client follow
        self.addheader("X-Id", self.getsymval("i") or "none")
        self.addheader("X-Client", self.getsymval("{client_addr}") or "none")
        self.addheader("X-Headers", str(len(self.fields)))
        self.chgheader("Subject", 1, "changed")
        self.chgheader("X-Gone", 1, "")
        self.replacebody(b"line one\r\n" * 20000)
        self.replacebody(b"the end\r\n")
        self.addrcpt("<postmaster@host.test>")
        self.chgfrom("<new@far.test>", "RET=HDRS")
        return Milter.ACCEPT

    def negotiate(self, options):
        Editor.connections += 1
        self._ctx.setsymlist(Milter.M_CONNECT, "{client_addr}")  # that of Base passes octets, which is refused
        return Milter.Base.negotiate(self, options)

    def connect(self, name, family, address):
        Editor.clients += 1
        self.fields = []
        return Milter.CONTINUE

    @Milter.nocallback
    def hello(self, name):
        return Milter.CONTINUE

    def envrcpt(self, address, *parameters):
        if "refuse" in address:
            self.setreply("550", "5.7.1", "not 100%% welcome", "on two lines")
            return Milter.REJECT
        return Milter.CONTINUE

    @Milter.noreply
    def header(self, name, value):
        self.fields.append(name)
        return Milter.CONTINUE

    def body(self, chunk):
        return Milter.SKIP


if __name__ == "__main__":
    Milter.factory = Editor
    Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.CHGFROM |
                     Milter.SETSYMLIST)
    Milter.runmilter("editor", sys.argv[1], 20)
