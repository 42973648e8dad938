# Files of another mail system that stand where ours go: moved aside, NAME to NAME.before-postoffice, and put back. Where dpkg
# manages the files of packages it is told (dpkg-divert), so that the next update of the other mail system unpacks its
# files there, too, instead of over ours.
# shellcheck shell=sh

there() { [ -e "$1" ] || [ -L "$1" ]; }
is_root() { [ "$(id -u)" = 0 ]; }
# On this machine, not below DESTDIR for a package.
live() { [ -z "$DESTDIR" ] && is_root; }
is_ours() { [ -L "$1" ] && [ "$(readlink "$1")" = "$SBINDIR/postoffice" ]; }

dpkg_manages() {
    live && command -v dpkg-divert >/dev/null || return 1
    case $1 in /usr/local/*) return 1 ;; /usr/* | /bin/* | /sbin/* | /lib/*) return 0 ;; *) return 1 ;; esac
}
# Where PATH is kept. A page gets a name of its own: man(1) complains about others that begin like a page.
kept_as() {
    case $1 in
    */man/man*) echo "${1%/*}/before-postoffice.${1##*/}" ;;
    *) echo "$1.before-postoffice" ;;
    esac
}
is_diverted() { [ "$(dpkg-divert --truename "$1")" != "$1" ]; }
is_diverted_by_us() { [ "$(dpkg-divert --truename "$1")" = "$(kept_as "$1")" ]; }

# Which of the paths in $* belong to a package, for has_package.
find_packages() {
    owned=
    if ! live || ! command -v dpkg-query >/dev/null; then return 0; fi
    owned=$(dpkg-query -S "$@" 2>/dev/null | sed -n '/diversion/!s/.*: //p') || :
}
has_package() {
    printf '%s\n' "$owned" | grep -qxF -- "$1"
}

# The first free of NAME.1, NAME.2, ...
free_name() {
    number=1
    while there "$1.$number"; do number=$((number + 1)); done
    echo "$1.$number"
}

# move_aside PATH: what stands there and is not ours is the newest of the other mail system, so it is what is put back
# one day. What was moved aside before is an older file of the same package, or is kept under a number.
move_aside() {
    path=$DESTDIR$1
    if ! there "$path" || is_ours "$path"; then return 0; fi
    kept=$DESTDIR$(kept_as "$1")
    if dpkg_manages "$1" && is_diverted_by_us "$1"; then
        # The package has its file at $kept: this one was made by the administrator.
        kept=$(free_name "$kept")
    elif there "$kept" && ! has_package "$1"; then
        mv "$kept" "$(free_name "$kept")"
    fi
    # A copy: the name stays good until ours takes its place.
    cp -a --remove-destination "$path" "$kept"
    echo "$1 of another mail system is kept as ${kept#"$DESTDIR"}"
}

# divert PATH: from now on dpkg unpacks that path of any package to where we keep it.
divert() {
    dpkg_manages "$1" || return 0
    if must_not_be_diverted "$1"; then return 0; fi
    if ! has_package "$1" && ! known_elsewhere "$1"; then return 0; fi
    if is_diverted_by_us "$1"; then return 0; fi
    if is_diverted "$1"; then
        echo "$1 is already diverted for something else ('dpkg-divert --list'): an update may take it back"
        return 0
    fi
    dpkg-divert --local --no-rename --quiet --divert "$(kept_as "$1")" --add "$1"
}

# put_back PATH: removes what is ours there, and brings back what was there before.
put_back() {
    path=$DESTDIR$1
    kept=$DESTDIR$(kept_as "$1")
    if dpkg_manages "$1" && is_diverted_by_us "$1"; then
        dpkg-divert --local --no-rename --quiet --remove "$1"
    fi
    if there "$path" && ! is_ours "$path"; then
        ! there "$kept" || echo "$1 is not ours any more and stays; what was there before us is ${kept#"$DESTDIR"}"
    elif there "$kept"; then
        mv -fT "$kept" "$path"
    else
        rm -f "$path"
    fi
}
