#!/bin/sh
# make bench: programs (compare.py) and TLS (tls.py), ours and Debian's Postfix in one run, alternating, with Postfix's own load tools. Needs root (a private
# mount namespace) and Debian's archive the first time. Prints medians and ratios; asserts nothing.
set -e
"${PYTHON:-/usr/bin/python3}" bench/compare.py "$@"
"${PYTHON:-/usr/bin/python3}" bench/tls.py "$@"
