# Mail in a queue that is not served any more: that of another mail system after make install, ours after make uninstall.
# shellcheck shell=sh

# count FOLDER TESTS...: files below the folder, 0 if there is none.
count() {
    folder=$1
    shift
    [ -d "$folder" ] || { echo 0 && return; }
    find "$folder" "$@" 2>/dev/null | wc -l
}

# tell_queue NAME FOLDER COUNT HOW-TO-LOOK HOW-TO-SEND
tell_queue() {
    [ "$3" != 0 ] || return 0
    cat <<END

$3 message(s) wait in the queue of $1 ($2). They go out only while $1 runs:
  send them with '$5' before you stop it, and look with '$4' until none is left;
  docs/operation.md shows how to send the rest while this server runs.
END
}

tell_other_queues() {
    spool=/var/spool/postfix
    waiting=0
    for queue in maildrop incoming active deferred hold; do
        waiting=$((waiting + $(count $spool/$queue -type f)))
    done
    tell_queue Postfix $spool $waiting "postqueue -p" "postqueue -f"
    spool=/var/spool/exim4
    tell_queue Exim $spool "$(count $spool/input -name '*-H')" "exim4 -bp" "exim4 -qff"
    spool=/var/spool/mqueue
    waiting=$(($(count $spool -name '[hq]f*') + $(count $spool-client -name '[hq]f*')))
    tell_queue sendmail $spool $waiting "sendmail-mta -bp" "sendmail-mta -q -v"
    spool=/var/spool/smtpd/queue
    tell_queue OpenSMTPD $spool "$(count $spool -mindepth 2 -maxdepth 2 -type d)" "smtpctl show queue" "smtpctl schedule all"
    spool=/var/spool/nullmailer/queue
    tell_queue nullmailer $spool "$(count $spool -type f)" "ls $spool" "nullmailer-send"
}

# The program of the build tree still works with the configuration and the spool that stay.
tell_our_queue() {
    waiting=$(($(count "$1" -maxdepth 2 -name 'cm*') + $(count "$1/drop" -type f)))
    [ $waiting != 0 ] || return 0
    cat <<END

$waiting message(s) still wait in $1, and now nothing sends them. Here, in the build tree, as the user whose spool it is:
  $2 -bp                list them
  $2 -v -q              try to send all that are due; '-qf' in place of '-q': all of them
or install postoffice again: these messages wait.
END
}
