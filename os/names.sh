# Shared by make install and make uninstall: our names, files of other mail systems in their place, and the server.
# shellcheck shell=sh

# Every name of the program, with its path.
our_links() {
    for name in sendmail send-mail smtpd pop3d runq authexpire dbm ndbm gdbm ns vdomain virtdomain; do
        echo "$SBINDIR/$name"
    done
    for name in mailq newaliases vpasswd valias pop3client; do echo "$EXECDIR/$name"; done
    echo "$LIBDIR/sendmail"
}

# Names, beside that of the program, that os/completion.bash completes.
completed_names() { echo sendmail smtpd pop3d mailq runq newaliases authexpire valias vdomain vpasswd virtdomain; }

# Files that would be found before ours: names in the other folder, pages of the same section or of section 1, which man(1)
# shows first.
foreign_files() {
    for name in mailq newaliases; do [ "$EXECDIR" = "$SBINDIR" ] || echo "$SBINDIR/$name"; done
    for page in "$SRC"/man/*.[1-9]; do
        name=${page##*/}
        echo "$MANDIR/man${name##*.}/$name.gz"
        case $name in *.8) echo "$MANDIR/man1/${name%.8}.1.gz" ;; esac
    done
}

# Names that some mail system among Debian's packages has, whether or not it is installed now.
known_elsewhere() {
    case $1 in */sendmail | */smtpd | */runq | */mailq | */newaliases) return 0 ;; *) return 1 ;; esac
}

# Postfix's package diverts it itself while it is installed or updated, and fails if it is diverted.
must_not_be_diverted() { [ "${1##*/}" = smtpd.8.gz ]; }

# server_pid SPOOL: the number of the server of this spool, if it runs our program, or one that was installed before it.
# A service has mounts of its own: in a changed root its path may have more in front.
server_pid() {
    [ -s "$1/pid" ] || return 0
    pid=$(cat "$1/pid")
    case $(readlink "/proc/$pid/exe" || :) in *"$SBINDIR/postoffice" | *"$SBINDIR/postoffice (deleted)") echo "$pid" ;; esac
}
