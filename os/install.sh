#!/bin/sh
# make install: copies the program, its names, its manual and a first configuration. With DESTDIR it only lays out
# the files, for a package; without, and as root, it also makes the account and the spool. What stood in the place of
# one of our names is kept as NAME.before-postoffice, and os/uninstall.sh puts it back.
set -eu
: "${DESTDIR=}" "${VHOSTDIR=}" "${VHOSTSPOOL=/var/spool/virtual}" "${VHOSTUSER=mail}"
: "$SRC" "$BUILD" "$EXECDIR" "$SBINDIR" "$LIBDIR" "$MANDIR" "$CONFDIR" "$QUEUEDIR"
. "$SRC/os/names.sh"
account=postoffice

is_root() { [ "$(id -u)" = 0 ]; }
live() { [ -z "$DESTDIR" ] && is_root; }

make_account() {
    getent group $account >/dev/null || {
        groupadd --system $account
        echo "made the system group $account, which may put mail into the spool"
    }
    getent passwd $account >/dev/null || {
        useradd --system --gid $account --home-dir / --no-create-home --shell /usr/sbin/nologin $account
        echo "made the system user $account, who runs what faces the network"
    }
}

# install -D for text: paths in the documents are those that configure.sh was given.
install_text() {
    mkdir -p "$(dirname "$2")"
    sed -e "s#/etc/postoffice\\.cf#$CONFDIR/postoffice.cf#g" -e "s#/var/spool/postoffice#$QUEUEDIR#g" \
        -e "s#/usr/local/sbin#$SBINDIR#g" -e "s#/var/spool/virtual#$VHOSTSPOOL#g" \
        -e "s%^#vhost-user=mail\$%#vhost-user=$VHOSTUSER%" \
        -e "s%^\(\.It Cm vhost-user .*default : Ql \)mail\$%\1$VHOSTUSER%" \
        ${VHOSTDIR:+-e "s%^#vhost-dir=(unset)\$%#vhost-dir=$VHOSTDIR%"} \
        ${VHOSTDIR:+-e "s%^\(\.It Cm vhost-dir .*default : \)unset\$%\1Ql $VHOSTDIR%"} "$1" >"$2.new"
    chmod "${3:-644}" "$2.new"
    mv -f "$2.new" "$2"
}

# One of our names: a link to the program.
install_name() {
    link=$DESTDIR$1
    [ "$1" != "$SBINDIR/postoffice" ] || return 0
    mkdir -p "$(dirname "$link")"
    if [ -L "$link" ] && [ "$(readlink "$link")" = "$SBINDIR/postoffice" ]; then return 0; fi
    if [ -e "$link" ] || [ -L "$link" ]; then
        # The first one kept is the original.
        if [ -e "$link.before-postoffice" ] || [ -L "$link.before-postoffice" ]; then
            rm -f "$link"
        else
            mv "$link" "$link.before-postoffice"
            echo "$1 of another mail system is kept as $1.before-postoffice"
        fi
    fi
    ln -s "$SBINDIR/postoffice" "$link"
}

install_program() {
    mkdir -p "$DESTDIR$SBINDIR"
    # Never opened for writing in place: it may be running.
    cp "$BUILD/postoffice" "$DESTDIR$SBINDIR/postoffice.new"
    if live; then chgrp $account "$DESTDIR$SBINDIR/postoffice.new"; fi
    # Set-gid, so that sendmail may write into the spool; nothing is set-uid. A packager gives the group.
    if live; then mode=2755; else mode=755; fi
    chmod $mode "$DESTDIR$SBINDIR/postoffice.new"
    mv -f "$DESTDIR$SBINDIR/postoffice.new" "$DESTDIR$SBINDIR/postoffice"
}

install_config() {
    install_text "$SRC/postoffice.cf.sample" "$DESTDIR$CONFDIR/postoffice.cf.sample"
    [ -e "$DESTDIR$CONFDIR/postoffice.cf" ] ||
        install_text "$SRC/postoffice.cf.sample" "$DESTDIR$CONFDIR/postoffice.cf"
}

install_spool() {
    if live; then
        install -d -o $account -g $account -m 0750 "$QUEUEDIR"
        install -d -o $account -g $account -m 3730 "$QUEUEDIR/drop"
    else
        mkdir -p "$DESTDIR$QUEUEDIR/drop"
        chmod 0750 "$DESTDIR$QUEUEDIR"
        chmod 3730 "$DESTDIR$QUEUEDIR/drop"
    fi
}

if live; then make_account; fi
install_program
for name in $admin_names; do install_name "$SBINDIR/$name"; done
for name in $user_names; do install_name "$EXECDIR/$name"; done
install_name "$LIBDIR/sendmail"
for page in "$SRC"/man/*.[1-9]; do
    install_text "$page" "$DESTDIR$MANDIR/man${page##*.}/$(basename "$page")"
done
install_config
install_spool
# systemd looks in /etc and /usr/lib; a unit below another prefix would not be found.
if [ -n "$DESTDIR" ] || { live && [ -d /run/systemd/system ]; }; then
    unit_folder=/etc/systemd/system
    case $SBINDIR in /usr/sbin | /sbin) unit_folder=/usr/lib/systemd/system ;; esac
    install_text "$SRC/os/systemd/postoffice.service" "$DESTDIR$unit_folder/postoffice.service"
fi

cat <<END

postoffice is installed. What is left to do:
  * edit $CONFDIR/postoffice.cf, then let '$SBINDIR/sendmail -bC' check it
  * run '$EXECDIR/newaliases': the alias database of another mail system cannot be read
  * stop the other mail system, if any, and start this one: 'systemctl enable --now postoffice',
    or '$SBINDIR/smtpd -q5m'
END
live || cat <<END
  * as root: make a system user and group 'postoffice', then
      chgrp postoffice $SBINDIR/postoffice && chmod 2755 $SBINDIR/postoffice
      chown -R postoffice:postoffice $QUEUEDIR
END
