# Completion of postoffice's commands for bash.

_postoffice_options() {
    postoffice -P 2>/dev/null | sed -n 's/^#\{0,1\}\([a-z][a-z-]*\)=.*/\1=/p' | sort -u
}

_postoffice() {
    local word=${COMP_WORDS[COMP_CWORD]} name=${COMP_WORDS[0]##*/} choices
    case $word in
    -o*)
        compopt -o nospace
        mapfile -t COMPREPLY < <(compgen -P -o -W "$(_postoffice_options)" -- "${word#-o}")
        return
        ;;
    esac
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -C)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    case $name in
    postoffice) choices="start stop reload status check -P -n -C -bC -bd -bD -bl -bt -bp -q -V --help --version" ;;
    sendmail) choices="-t -i -f -F -v -C -bC -bd -bD -bi -bp -bs -bt -bv -q -qf -M -Mrm -Mvl -Mf -Mt --help --version" ;;
    mailq) choices="-v -c -C --json --help --version" ;;
    runq) choices="-v -qf -C --help --version" ;;
    authexpire) choices="-C -E -n -u -v -z -l -w -a -b -d --explain --help --version" ;;
    vpasswd) choices="-C -a -d -l -u -s --undo --help --version" ;;
    *) choices="-C --help --version" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _postoffice postoffice sendmail smtpd pop3d mailq runq newaliases authexpire \
    valias vdomain vpasswd virtdomain
