#!/bin/sh
# configure.sh --get-deps: as root, installs the Debian or Ubuntu packages that are named. Lists all packages first,
# removes none, and adds no service: a service that a package starts or enables is stopped and disabled.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
work=$(mktemp -d)
policy=
at_exit() { rm -rf "$work" ${policy:+"$policy"}; }
trap at_exit EXIT
trap 'exit 1' HUP INT PIPE TERM

say() { echo "--get-deps: $*"; }

apt_install() {
    apt-get "$@" -q -y --no-install-recommends --no-remove install $packages
}

# Without a mail server of a package, bsd-mailx and logwatch bring one; that must not take the place of one made by hand.
leave_foreign_sendmail() {
    case " $packages " in *" msmtp-mta "*) ;; *) return 0 ;; esac
    for name in /usr/sbin/sendmail /usr/lib/sendmail; do
        if [ ! -e $name ] && [ ! -L $name ]; then continue; fi
        # A diversion keeps the package's file away from it.
        [ "$(dpkg-divert --truename $name)" = $name ] || continue
        say "$name belongs to no package: left alone, and so bsd-mailx and logwatch are left out"
        packages=$(printf '%s\n' $packages | grep -vx -e msmtp-mta -e bsd-mailx -e logwatch)
        return 0
    done
}

# Other releases may lack one of the many packages for tests; the tests that need it say so.
leave_unknown() {
    known=
    for package in $packages; do
        if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then
            known="$known $package"
        else
            say "this system's archive has no package $package"
        fi
    done
    packages=$known
}

# Says what apt-get is going to do.
announce() {
    if ! apt_install -s >"$work/plan" 2>&1; then
        cat "$work/plan"
        say "apt-get cannot install:" $packages
        exit 1
    fi
    new=$(sed -n 's/^Inst \([^ ]*\) (.*/\1/p' "$work/plan" | sort)
    changed=$(sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' "$work/plan" | sort)
    [ -z "$new" ] || say "apt-get will install $(printf '%s\n' $new | wc -l) packages:" $new
    [ -z "$changed" ] || say "and upgrade $(printf '%s\n' $changed | wc -l):" $changed
}

# The links by which services start at boot.
boot_links() {
    find /etc/systemd/system /etc/systemd/user -path '*.wants/*' -o -path '*.requires/*' 2>/dev/null || :
    find /etc/rc[S2345].d -name 'S*' 2>/dev/null || :
}

# Daemons do not start while they are installed; what the administrator has decided about that stays as it is.
forbid_starts() {
    if [ -e /usr/sbin/policy-rc.d ] || [ -L /usr/sbin/policy-rc.d ]; then return 0; fi
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
}

# disable LINK: what it would start neither runs nor starts at boot.
disable() {
    name=${1##*/}
    case $1 in
    /etc/rc*)
        name=${name#S??}
        update-rc.d "$name" disable
        ;;
    *)
        deb-systemd-helper disable "$name"
        [ ! -d /run/systemd/system ] || systemctl disable --now "$name"
        ;;
    esac >>"$work/disabled" 2>&1 || cat "$work/disabled"
    rm -f "$1"
    echo "$name" >>"$work/names"
}

# Without the suffix of the unit, so that a service is named once.
disable_new_services() {
    boot_links | sort >"$work/after"
    : >"$work/names"
    comm -13 "$work/before" "$work/after" >"$work/new"
    while read -r link; do disable "$link"; done <"$work/new"
    names=$(sed 's/\.service$//' "$work/names" | sort -u)
    [ -z "$names" ] || say "disabled, to start nothing that was not asked for:" $names
}

packages="$*"
apt-get update -q || say "apt-get update failed, going on with the lists at hand"
leave_foreign_sendmail
leave_unknown
announce
boot_links | sort >"$work/before"
forbid_starts
status=0
apt_install || status=$?
disable_new_services
exit $status
