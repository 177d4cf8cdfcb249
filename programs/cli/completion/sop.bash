# SPDX-License-Identifier: MIT
# Completion of the sop command for bash: commands, options, folders, store names.
_sop()
{
    local current="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
    local commands="create ls info get put rm scan count rank import export load dump check backup restore stat drop rename shell bench help"
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
        return
    fi
    case "$current" in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "$(sop help "$command" 2>/dev/null | grep -o -- '--[a-z-]*')" -- "$current")
        return
        ;;
    esac
    if [ "$COMP_CWORD" -eq 3 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(sop ls "${COMP_WORDS[2]}" --json 2>/dev/null | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')" -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -F _sop sop
