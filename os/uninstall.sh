#!/bin/sh
# make uninstall: removes the files of make install, and puts back the files that it moved aside. Configuration, spool and
# account are kept, since they may have mail and work of an administrator.
set -eu
: "${DESTDIR=}" "${PRIVATE=no}" "$SRC" "$BUILD" "$EXECDIR" "$SBINDIR" "$LIBDIR" "$MANDIR" "$CONFDIR" "$QUEUEDIR"
. "$SRC/os/names.sh"
. "$SRC/os/beside.sh"
. "$SRC/os/queues.sh"
. "$SRC/os/private.sh"

# Only our own unit: the one that starts the program removed here.
remove_units() {
    for folder in /etc/systemd/system /usr/lib/systemd/system; do
        unit=$DESTDIR$folder/postoffice.service
        if [ -f "$unit" ] && grep -q "^ExecStart=$SBINDIR/postoffice " "$unit"; then rm -f "$unit"; fi
    done
    if live && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

remove_logrotate() {
    rules=$DESTDIR/etc/logrotate.d/postoffice
    [ ! -f "$rules" ] || sed "s#/var/spool/postoffice#$QUEUEDIR#g" "$SRC/os/logrotate" | remove_if_same "$rules"
}

# A server that runs on has its program removed, and keeps its port.
tell_running() {
    pid=$(server_pid "$1")
    [ -n "$pid" ] || return 0
    echo "the server still runs: 'systemctl disable --now postoffice', or 'kill $pid'"
}

spool=$(configured queue-dir "$QUEUEDIR")
aliases=$(configured aliases /etc/aliases)
[ -n "$DESTDIR" ] || tell_running "$spool"
# shellcheck disable=SC2046
find_packages $(our_links; foreign_files)
for path in $(our_links; if live; then foreign_files; fi); do put_back "$path"; done
rm -f "$DESTDIR$SBINDIR/postoffice" "$DESTDIR$SBINDIR/postoffice.debug"
rm -f "$DESTDIR$CONFDIR/postoffice.cf.accepted"
completions=$DESTDIR${SBINDIR%/sbin}/share/bash-completion/completions
for name in $(completed_names); do
    if [ "$(readlink "$completions/$name" || :)" = postoffice ]; then rm -f "$completions/$name"; fi
done
rm -f "$completions/postoffice"
for page in "$SRC"/man/*.[1-9]; do
    rm -f "$DESTDIR$MANDIR/man${page##*.}/$(basename "$page")"
done
remove_units
remove_logrotate
[ -n "$DESTDIR" ] || rm -f "$aliases.postoffice.db"
if [ "$PRIVATE" = yes ]; then
    remove_private
    echo "postoffice is removed"
else
    rm -f "$DESTDIR$CONFDIR/postoffice.cf.sample"
    echo "postoffice is removed; $CONFDIR/postoffice.cf, $spool and the account postoffice stay"
fi
[ -n "$DESTDIR" ] || tell_our_queue "$spool" "$BUILD/postoffice"
