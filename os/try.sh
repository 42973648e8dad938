#!/bin/sh
# make try: a private mail host in a folder of its own, run by an ordinary user, and a tour through it. On a terminal
# the host is left running, to play on; otherwise it is stopped at the end, and the exit status tells whether every
# step did what it should. The host delivers to one user alone and has no name server: no mail leaves this machine.
#   BUILD   where the program was built [build]
#   PYTHON  shows the SMTP dialogues [python3]
# With the word clean it only stops and removes what an earlier tour has left.
set -eu
BUILD=${BUILD:-$PWD/build}
PYTHON=${PYTHON:-python3}
here=$PWD

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR+set}" ]; then
    bold=$(printf '\033[1m') dim=$(printf '\033[2m') green=$(printf '\033[32m') red=$(printf '\033[31m')
    plain=$(printf '\033[0m')
else
    bold='' dim='' green='' red='' plain=''
fi

# --- Words to the reader

step_number=0
step() {
    step_number=$((step_number + 1))
    printf '\n%s%2d. %s%s\n' "$bold" $step_number "$1" "$plain"
}
say() { printf '    %s\n' "$@"; }
indented() { sed 's/^/    /'; }
command_line() { printf '    %s$ %s%s\n' "$bold" "$1" "$plain"; }
good() { printf '    %s✓ %s%s\n' "$green" "$1" "$plain"; }

fail() {
    printf '\n    %s✗ %s%s\n' "$red" "$1" "$plain"
    if [ -s "$T/log" ]; then
        echo "    the end of the log:"
        tail -n 20 "$T/log" | indented
    fi
    exit 1
}

# wait_until WHAT COMMAND...: until the command succeeds, or for half a minute.
wait_until() {
    what=$1
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "$what: did not happen"
        sleep 0.1
    done
}

# --- Whose host, and where

# Root gives itself up: the tour is one of an ordinary user.
T=$BUILD/try
as_user=
if [ "$(id -u)" = 0 ]; then
    user=nobody
    [ -z "${SUDO_USER:-}" ] || [ "$SUDO_USER" = root ] || user=$SUDO_USER
    as_user="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups --no-new-privs"
else
    user=$(id -un)
fi

# What an earlier tour, or this one, has left, wherever it is.
remove_folder() {
    if [ -d "$BUILD/try" ]; then
        (T=$(cd "$BUILD/try" && pwd -P) && stop_host && rm -rf "$T")
    fi
    rm -rf "$BUILD/try"
}

# Leaves an empty folder and its true name in T. Where $user cannot reach the build tree it is a link.
make_folder() {
    remove_folder
    mkdir -p "$T"
    if [ -n "$as_user" ] && ! $as_user test -x "$T"; then
        elsewhere=$(mktemp -d /tmp/postoffice-try.XXXXXX)
        rmdir "$T"
        ln -s "$elsewhere" "$T"
    fi
    T=$(cd "$T" && pwd -P)
    chmod 755 "$T"
}

is_running() {
    [ -s "$T/spool/pid" ] && pid=$(cat "$T/spool/pid") && [ -d "/proc/$pid" ] &&
        [ "$(readlink "/proc/$pid/exe")" = "$T/bin/postoffice" ]
}

stop_host() {
    if is_running; then sh "$T/stop" >/dev/null; fi
}

# make clean.
if [ "${1:-}" = clean ]; then
    remove_folder
    exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/postoffice-tour.XXXXXX")
input=$work/input
output=$work/output
keep=no
at_exit() {
    status=$?
    trap - EXIT
    rm -rf "$work"
    [ $keep = yes ] || stop_host
    exit $status
}
trap at_exit EXIT
trap 'exit 1' HUP INT TERM

free_port() {
    "$PYTHON" - <<'END'
import socket
for port in (2525, 2526, 2527, 0):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
END
}

write_files() {
    cat >"$T/etc/postoffice.cf" <<END
# A private mail host, for trying. postoffice.cf(5) explains the options.
hostname=try.example
listen=127.0.0.1:$port
queue-dir=$T/spool
mail-dir=$T/mail
aliases=$T/etc/aliases
log=$T/log
# No name server answers there: no mail leaves this machine.
nameserver=127.0.0.1:9
minfree=1m
load=1000
END
    cat >"$T/etc/aliases" <<END
# aliases(5); after a change: newaliases
postmaster: $user
team: $user, friend@unreachable.example
END
    cat >"$T/env" <<END
# . $T/env: sendmail, mailq and the others are those of the private host
POSTOFFICE_CONFIG=$T/etc/postoffice.cf
PATH=$T/bin:\$PATH
export POSTOFFICE_CONFIG PATH
END
    cat >"$T/stop" <<END
#!/bin/sh
# Stops the private mail host.
pid=\$(cat $T/spool/pid 2>/dev/null)
if [ -z "\$pid" ] || [ "\$(readlink "/proc/\$pid/exe")" != $T/bin/postoffice ]; then
    echo "the host is not running"
    exit 0
fi
kill "\$pid"
while [ -e "/proc/\$pid/exe" ]; do sleep 0.1; done
echo "the host has stopped; its files are in $T, 'make try' begins anew"
END
}

make_host() {
    make_folder
    mkdir -m 755 "$T/bin" "$T/etc" "$T/mail"
    mkdir -m 750 "$T/spool"
    : >"$T/log"
    # A copy: that user may not reach the build tree, and it can be built anew meanwhile. Without symbols it is small.
    strip -o "$T/bin/postoffice" "$BUILD/postoffice" || cp "$BUILD/postoffice" "$T/bin/postoffice"
    for name in smtpd sendmail mailq runq newaliases; do ln -s postoffice "$T/bin/$name"; done
    port=$(free_port)
    write_files
    # What the host writes is the user's; the rest, scripts among it, stays root's.
    [ -z "$as_user" ] || chown -R "$user:" "$T/spool" "$T/mail" "$T/etc" "$T/log"
    cd "$T"
    # shellcheck source=/dev/null
    . "$T/env"
}

# Shows a command and runs it as the user; standard input is its input. Its exit status is in $status.
run() {
    command_line "$*"
    status=0
    $as_user "$@" >"$output" 2>&1 || status=$?
    indented <"$output"
}

# --- The tour

start_host() {
    step "A mail host of your own"
    say "It lives in $T" \
        "and takes mail on 127.0.0.1, port $port, for the only user it knows: $user."
    [ -z "$as_user" ] || say "(You are root; the host is not, it runs as $user.)"
    run newaliases
    [ $status = 0 ] || fail "the alias database was not made"
    run smtpd -q5m
    [ $status = 0 ] || fail "the daemon did not start"
    pid=$(cat "$T/spool/pid")
    say "The daemon and its helpers; each has one task:"
    ps -o pid=,args= -p "$pid" --ppid "$pid" | indented
    good "it runs"
}

send_with_sendmail() {
    step "A message by sendmail, as cron, git and mutt send it"
    cat >"$input" <<END
To: $user
Subject: First by sendmail

The recipients were found in the header (-t).
END
    indented <"$input"
    run sendmail -t <"$input"
    [ $status = 0 ] || fail "sendmail did not take it"
    wait_until "the mail in the mailbox" grep -q '^Subject: First by sendmail' "$T/mail/$user"
    good "sendmail left it in the spool, the daemon took it from there: it is in the mailbox"
}

send_by_smtp() {
    step "A message by SMTP, as another host hands it over"
    "$PYTHON" "$here/os/dialogue.py" 127.0.0.1 "$port" <<END || fail "the dialogue broke off"
EHLO client.example
MAIL FROM:<friend@client.example>
RCPT TO:<$user@try.example>
DATA
From: friend@client.example
To: $user@try.example
Subject: Second by SMTP

The 250 that follows says that this is on the disk.
.
QUIT
END
    grep -q '^Subject: Second by SMTP' "$T/mail/$user" || fail "it is not in the mailbox"
    good "when the client heard 250, the message was in the mailbox and synced"
}

send_to_alias() {
    step "A message to an alias"
    say "The aliases file says:"
    grep '^team:' "$T/etc/aliases" | indented
    printf 'Subject: Third to an alias\n\nOne member is here, one is far away.\n' >"$input"
    run sendmail team <"$input"
    [ $status = 0 ] || fail "sendmail did not take it"
    wait_until "the mail in the mailbox" grep -q '^Subject: Third to an alias' "$T/mail/$user"
    good "the member here has it; the other one's host cannot be found, so that copy waits (step 7)"
}

send_to_nobody() {
    step "A message to an unknown user"
    printf 'Subject: Lost\n\n\n' >"$input"
    run sendmail -oep no.such.user <"$input"
    [ $status = 67 ] || fail "exit status $status in place of 67"
    good "sendmail says so, exit status 67; and in the SMTP dialogue the client hears it at once:"
    "$PYTHON" "$here/os/dialogue.py" 127.0.0.1 "$port" >"$output" <<END || fail "the dialogue broke off"
EHLO client.example
MAIL FROM:<friend@client.example>
RCPT TO:<no.such.user@try.example>
QUIT
END
    sed -n '/MAIL FROM/,/QUIT/p' "$output"
    grep -q 'S: 550' "$output" || fail "the recipient was not refused"
    good "nothing was accepted, so no bounce goes to a sender address that may be forged"
}

show_mailbox() {
    step "The mailbox"
    command_line "cat mail/$user"
    indented <"$T/mail/$user"
    [ "$(grep -c '^Subject: ' "$T/mail/$user")" = 3 ] || fail "there should be three messages"
    good "three messages; the refused one left no trace"
}

show_queue() {
    step "The queue"
    wait_until "a first attempt" grep -q deferred "$T/log"
    wait_until "the end of it" $as_user sh -c 'mailq | grep -q "^(4"'
    run mailq
    grep -q friend@unreachable.example "$output" || fail "the message for unreachable.example does not wait"
    say "A queued message is two files: dm, its text, and cm, a journal that tells its story:"
    journal=$(echo "$T"/spool/????/cm*)
    command_line "cat ${journal#"$T"/}"
    indented <"$journal"
    good "it waits, with the reason; after three days its sender is told"
}

show_trace() {
    step "Why mail goes where it goes"
    run postoffice -bt team
    [ $status = 0 ] || fail "the trace failed"
    grep -q "alias team -> $user" "$output" || fail "the trace does not show the alias"
    good "the trace asks the same code that delivers"
}

show_log() {
    step "The log"
    say "One line for each event; a queue id finds a message's whole story."
    command_line "cat log"
    indented <"$T/log"
    good "that was all"
}

show_places() {
    step "Where everything is"
    say "$T/" \
        "  etc/            postoffice.cf(5), aliases(5) and its database" \
        "  mail/           mailboxes" \
        "  spool/          the queue; spool(5)" \
        "  log             the log" \
        "  bin/            postoffice and its other names" \
        "  env, stop       see below"
}

end_of_tour() {
    echo
    if [ ! -t 1 ]; then
        keep=no
        stop_host
        if is_running; then fail "the host does not stop"; fi
        # Not in the build tree it would be forgotten.
        [ ! -L "$BUILD/try" ] || remove_folder
        say "Every step did what it should; the host is stopped."
        return
    fi
    keep=yes
    short=${T#"$here"/}
    printf '    %sThe host is running.%s Play on:\n\n' "$bold" "$plain"
    say "  . $short/env              in your shell: sendmail, mailq, runq are this host's" \
        "  echo hello | sendmail $user" \
        "                              by SMTP: 127.0.0.1 port $port, to $user@try.example" \
        "  cat $short/mail/$user" \
        "  tail -f $short/log" \
        "  man man/sendmail.8          README and docs/architecture.md tell more"
    printf '\n    Stop it:  %ssh %s/stop%s\n' "$bold" "$short" "$plain"
}

make_host
printf '%sA tour of postoffice%s %s(%s)%s\n' "$bold" "$plain" "$dim" "$("$T/bin/postoffice" -V | head -n 1)" "$plain"
start_host
send_with_sendmail
send_by_smtp
send_to_alias
send_to_nobody
show_mailbox
show_queue
show_trace
show_log
show_places
end_of_tour
