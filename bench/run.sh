#!/bin/sh
# make bench: the programs (compare.py) and TLS (tls.py), ours and Debian's Postfix in one run each, alternating, with
# Postfix's own load tools; mail to other hosts (outgoing.py); mail through filters (filters.py); memory of silent clients
# beside OpenSMTPD (idle.py); POP3 beside Dovecot (pop3.py); then what a header costs (header.cc), and the greylist alone
# (greylist.cc). Needs root (a private mount namespace) and Debian's archive the first time. Prints medians and ratios;
# asserts nothing.
set -e
"${PYTHON:-/usr/bin/python3}" bench/compare.py "$@"
"${PYTHON:-/usr/bin/python3}" bench/tls.py "$@"
"${PYTHON:-/usr/bin/python3}" bench/outgoing.py
"${PYTHON:-/usr/bin/python3}" bench/filters.py
"${PYTHON:-/usr/bin/python3}" bench/idle.py "$@"
"${PYTHON:-/usr/bin/python3}" bench/pop3.py
"${BUILD:-build}/bench-header"
exec "${BUILD:-build}/bench-greylist"
