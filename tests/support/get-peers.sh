#!/bin/sh
# Unpacks mail programs of Debian that tests talk to, without installing them: below build/peers, or below $1.
# Once there, they are not fetched again.
set -e
peers=${1:-build/peers}
mkdir -p "$peers"
cd "$peers"

# unpack FOLDER PACKAGE...: the packages' files below FOLDER.
unpack() {
    folder=$1
    shift
    [ -d "$folder" ] && return
    scratch=$(mktemp -d)
    (cd "$scratch" && apt-get -qq download "$@" 2>/dev/null)
    for package in "$scratch"/*.deb; do dpkg -x "$package" "$folder.part"; done
    rm -rf "$scratch"
    mv "$folder.part" "$folder"
}

unpack postfix postfix
unpack aiosmtpd python3-aiosmtpd python3-attr python3-public
