#!/bin/sh
# make install: copies the program, its names, its manual and a first configuration. With DESTDIR it only lays out
# the files, for a package; without, and as root, it also makes the account and the spool, and moves aside files of another
# mail system with our names (os/beside.sh); os/uninstall.sh puts them back. An ordinary user's PRIVATE host has
# everything below its prefix.
set -eu
: "${DESTDIR=}" "${VHOSTDIR=}" "${VHOSTSPOOL=/var/spool/virtual}" "${VHOSTUSER=mail}" "${PRIVATE=no}" "${SYMBOLS=no}"
: "$SRC" "$BUILD" "$EXECDIR" "$SBINDIR" "$LIBDIR" "$MANDIR" "$CONFDIR" "$QUEUEDIR"
. "$SRC/os/names.sh"
. "$SRC/os/beside.sh"
. "$SRC/os/queues.sh"
. "$SRC/os/private.sh"
account=postoffice

# Before anything is copied.
check_rights() {
    folder=$DESTDIR$SBINDIR
    while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
    [ -w "$folder" ] || {
        echo "make install: $folder is closed to $(id -un): be root, or configure with a --prefix in a folder of yours" >&2
        exit 1
    }
}

make_account() {
    getent group $account >/dev/null || {
        groupadd --system $account
        echo "made the system group $account, which may put mail into the spool"
    }
    getent passwd $account >/dev/null || {
        useradd --system --gid $account --home-dir / --no-create-home --shell /usr/sbin/nologin $account
        echo "made the system user $account, which runs all processes that use the network"
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

# One of our names: a link to the program. It takes the place of another one in a single step.
install_name() {
    link=$DESTDIR$1
    mkdir -p "$(dirname "$link")"
    move_aside "$1"
    divert "$1"
    ! is_ours "$link" || return 0
    ln -s "$SBINDIR/postoffice" "$link.new"
    mv -fT "$link.new" "$link"
}

# A file that would be found before ours.
hide() {
    move_aside "$1"
    divert "$1"
    rm -f "$DESTDIR$1"
}

# Symbols are of use to a debugger alone: without them the program has a twentieth of the size.
copy_program() {
    ${STRIP:-strip} -o "$1" "$BUILD/postoffice" 2>/dev/null || cp "$BUILD/postoffice" "$1"
    [ "$SYMBOLS" = yes ] || return 0
    objcopy --only-keep-debug "$BUILD/postoffice" "$DESTDIR$SBINDIR/postoffice.debug"
    chmod 644 "$DESTDIR$SBINDIR/postoffice.debug"
    objcopy --add-gnu-debuglink="$DESTDIR$SBINDIR/postoffice.debug" "$1"
}

install_program() {
    mkdir -p "$DESTDIR$SBINDIR"
    # Never opened for writing in place: it may be running.
    copy_program "$DESTDIR$SBINDIR/postoffice.new"
    if live; then chgrp $account "$DESTDIR$SBINDIR/postoffice.new"; fi
    # Set-gid, so that sendmail may write into the spool; nothing is set-uid. A packager gives the group.
    if live; then mode=2755; else mode=755; fi
    chmod $mode "$DESTDIR$SBINDIR/postoffice.new"
    mv -f "$DESTDIR$SBINDIR/postoffice.new" "$DESTDIR$SBINDIR/postoffice"
}

install_config() {
    sample=$DESTDIR$CONFDIR/postoffice.cf.sample
    install_text "$SRC/postoffice.cf.sample" "$sample"
    [ "$PRIVATE" = no ] || make_private "$sample"
    [ -e "${sample%.sample}" ] || cp "$sample" "${sample%.sample}"
}

# bash-completion looks for a file with the name of the command.
install_completion() {
    folder=$DESTDIR${SBINDIR%/sbin}/share/bash-completion/completions
    mkdir -p "$folder"
    cp "$SRC/os/completion.bash" "$folder/postoffice"
    chmod 644 "$folder/postoffice"
    for name in $(completed_names); do
        [ -e "$folder/$name" ] || [ -L "$folder/$name" ] || ln -s postoffice "$folder/$name"
    done
}

# Files in the spool are made with the account's rights: a captured process of the account could put a link in their place.
# Existing files are left to the account, too.
install_spool() {
    if live; then
        [ -d "$QUEUEDIR" ] || install -d -o $account -g $account -m 0750 "$QUEUEDIR"
        # shellcheck disable=SC2016
        setpriv --reuid=$account --regid=$account --clear-groups sh -ceu '
            [ -d "$1" ] || mkdir -m 0700 "$1"
            chmod 3730 "$1"' sh "$QUEUEDIR/drop" || {
            echo "make install: $QUEUEDIR has to belong to $account, with a folder drop in it" >&2
            exit 1
        }
    else
        mkdir -p "$DESTDIR$QUEUEDIR/drop"
        chmod 0750 "$DESTDIR$QUEUEDIR"
        chmod 3730 "$DESTDIR$QUEUEDIR/drop"
    fi
}

install_unit() {
    # systemd looks in /etc and /usr/lib; a unit below another prefix would not be found.
    unit_folder=/etc/systemd/system
    case $SBINDIR in /usr/sbin | /sbin) unit_folder=/usr/lib/systemd/system ;; esac
    install_text "$SRC/os/systemd/postoffice.service" "$DESTDIR$unit_folder/postoffice.service"
    if live; then systemctl daemon-reload; fi
}

# An administrator's changes stay.
install_logrotate() {
    rules=$DESTDIR/etc/logrotate.d/postoffice
    [ -e "$rules" ] || install_text "$SRC/os/logrotate" "$rules"
}

# The database has a name of its own and has not been there before, or is one of an earlier version.
make_aliases() {
    file=$(configured aliases /etc/aliases)
    [ -e "$file" ] || return 0
    "$EXECDIR/newaliases" || cat <<END
  The alias file has mistakes, see above, and so there is no database of it yet. Until 'newaliases' succeeds its text is
  used, and mail for names with a mistake waits.
END
}

say_what_is_left() {
    pid=$([ -n "$DESTDIR" ] || server_pid "$(configured queue-dir "$QUEUEDIR")")
    if [ -n "$pid" ]; then
        printf '\npostoffice is installed. The server still runs the program from before: %s\n' \
            "'systemctl restart postoffice', or 'kill $pid' and '$SBINDIR/smtpd -q5m'"
        return
    fi
    cat <<END

postoffice is installed. What is left to do:
  * edit $CONFDIR/postoffice.cf, then let '$SBINDIR/sendmail -bC' check it
  * after changes of the aliases run '$EXECDIR/newaliases': another mail system's database of them is not read
END
    if [ "$PRIVATE" = yes ]; then
        echo "  * start it: '$SBINDIR/smtpd -q5m'; stop it: 'kill \$(cat $QUEUEDIR/pid)'"
    else
        echo "  * stop the other mail system, if any, and start this one: 'systemctl enable --now postoffice',"
        echo "    or '$SBINDIR/smtpd -q5m'"
    fi
    [ "$PRIVATE" = yes ] || live || cat <<END
  * as root: make a system user and group 'postoffice', then
      chgrp postoffice $SBINDIR/postoffice && chmod 2755 $SBINDIR/postoffice
      chown -R postoffice:postoffice $QUEUEDIR
END
}

check_rights
if live; then make_account; fi
install_program
# shellcheck disable=SC2046
find_packages $(our_links; foreign_files)
for link in $(our_links); do install_name "$link"; done
if live; then for file in $(foreign_files); do hide "$file"; done; fi
for page in "$SRC"/man/*.[1-9]; do
    install_text "$page" "$DESTDIR$MANDIR/man${page##*.}/$(basename "$page")"
done
install_config
install_completion
install_spool
if [ -n "$DESTDIR" ] || { live && [ -d /run/systemd/system ]; }; then install_unit; fi
if [ -n "$DESTDIR" ] || { live && [ -d /etc/logrotate.d ]; }; then install_logrotate; fi
if live || { [ -z "$DESTDIR" ] && [ "$PRIVATE" = yes ]; }; then make_aliases; fi
say_what_is_left
if live; then tell_other_queues; fi
