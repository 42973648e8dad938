# The private host of an ordinary user, below PREFIX: its configuration, and the files that are removed with it.
# shellcheck shell=sh

# The value of an option in the configuration in use, or the default $2.
configured() {
    value=$(sed -n "s/^[ \t]*$1[ \t]*=[ \t]*//p" "$DESTDIR$CONFDIR/postoffice.cf" 2>/dev/null | tail -n 1)
    echo "${value:-$2}"
}

private_aliases() { printf '# aliases(5); after a change: newaliases\npostmaster: %s\n' "$(id -un)"; }

# make_private SAMPLE: sets what has to differ from a system's defaults, where the sample has these options.
make_private() {
    mkdir -p "$PREFIX/var/mail" "$PREFIX/var/lib" "$PREFIX/var/log"
    sed -e "s#^\#listen=:25\$#listen=127.0.0.1:2525#" -e "s#^\#mail-dir=.*#mail-dir=$PREFIX/var/mail#" \
        -e "s#^\#aliases=.*#aliases=$CONFDIR/aliases#" -e "s#^\#db-dir=.*#db-dir=$PREFIX/var/lib#" \
        -e "s#^\#log=syslog\$#log=$PREFIX/var/log/postoffice.log#" "$1" >"$1.new"
    mv -f "$1.new" "$1"
    [ -e "$CONFDIR/aliases" ] || private_aliases >"$CONFDIR/aliases"
}

# remove_if_same FILE: removes the file unless it was changed since it was installed. Standard input has its first form.
remove_if_same() {
    ! cmp -s - "$1" || rm -f "$1"
}

# Removes files without work and without mail of the user, and names the files that stay.
remove_private() {
    remove_if_same "$CONFDIR/postoffice.cf" <"$CONFDIR/postoffice.cf.sample"
    rm -f "$CONFDIR/postoffice.cf.sample"
    private_aliases | remove_if_same "$CONFDIR/aliases"
    rm -f "$CONFDIR/aliases.postoffice.db" "$PREFIX/var/log/postoffice.log" "$QUEUEDIR/pid" \
        "$QUEUEDIR/control"
    find "$PREFIX" -depth -type d -empty -delete
    [ ! -d "$PREFIX" ] || { echo "what stays:" && find "$PREFIX" ! -type d | sed 's/^/  /'; }
}
