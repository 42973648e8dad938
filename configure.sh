#!/bin/sh
# Writes config.mk and Makefile for this host.
set -e
cat > config.mk <<EOF
CXX := ${CXX:-g++}
CXXFLAGS := ${CXXFLAGS:--O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS -fPIE}
CPPFLAGS := -DPOSTOFFICE_VERSION='"0.1"' -DPOSTOFFICE_CONFDIR='"/etc"' -DPOSTOFFICE_QUEUEDIR='"/var/spool/postoffice"'
LDFLAGS := -pie -Wl,-z,relro,-z,now
LIBS := -lfmt -lgdbm -lresolv
EOF
cp Makefile.in Makefile
