# The names that the program goes by, for those who install and remove it.
# shellcheck shell=sh disable=SC2034
admin_names="sendmail send-mail smtpd runq authexpire dbm ns vdomain virtdomain"  # in SBINDIR
user_names="mailq newaliases vpasswd valias"                   # in EXECDIR
