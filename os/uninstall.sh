#!/bin/sh
# make uninstall: removes what make install laid out, and puts back what it had moved aside. Configuration, spool and
# account stay, since there may be mail in the one and somebody's work in the other.
set -eu
: "${DESTDIR=}" "$SRC" "$EXECDIR" "$SBINDIR" "$LIBDIR" "$MANDIR" "$CONFDIR" "$QUEUEDIR"
. "$SRC/os/names.sh"

remove_name() {
    link=$DESTDIR$1
    if [ -L "$link" ] && [ "$(readlink "$link")" = "$SBINDIR/postoffice" ]; then rm -f "$link"; fi
    if [ -e "$link.before-postoffice" ] || [ -L "$link.before-postoffice" ]; then
        [ -e "$link" ] || [ -L "$link" ] || mv "$link.before-postoffice" "$link"
    fi
}

for name in $admin_names; do remove_name "$SBINDIR/$name"; done
for name in $user_names; do remove_name "$EXECDIR/$name"; done
remove_name "$LIBDIR/sendmail"
rm -f "$DESTDIR$SBINDIR/postoffice" "$DESTDIR$CONFDIR/postoffice.cf.sample"
for page in "$SRC"/man/*.[1-9]; do
    rm -f "$DESTDIR$MANDIR/man${page##*.}/$(basename "$page")"
done
for folder in /etc/systemd/system /usr/lib/systemd/system; do
    unit=$DESTDIR$folder/postoffice.service
    # Only our own unit: the one that starts the program removed here.
    if [ -f "$unit" ] && grep -q "^ExecStart=$SBINDIR/postoffice " "$unit"; then rm -f "$unit"; fi
done
echo "postoffice is removed; $CONFDIR/postoffice.cf, $QUEUEDIR and the account postoffice stay"
