# SPDX-License-Identifier: MIT
# Completion of the sop command for bash: commands, options, folders, names of stores.

# Offers what begins with the current word, among the lines of standard input.
_sop_offer()
{
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == "$1"* ]] && COMPREPLY+=("$line")
    done
}

_sop()
{
    local current="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
    if [ "$COMP_CWORD" -eq 1 ] || { [ "$COMP_CWORD" -eq 2 ] && [ "$command" = help ]; }; then
        _sop_offer "$current" < <(sop help 2>/dev/null | sed -n 's/^  \([a-z]*\)  *[A-Z[].*/\1/p')
        return
    fi
    case "$current" in
    -*)
        _sop_offer "$current" < <(sop help "$command" 2>/dev/null | grep -o -- '^  --[a-z-]*' | tr -d ' ')
        return
        ;;
    esac
    # The second argument is a store, unless the command is about files or about the database.
    if [ "$COMP_CWORD" -eq 3 ] && sop help "$command" 2>/dev/null | grep -q '^usage: sop [a-z]* DB \[*STORE'; then
        _sop_offer "$current" < <(sop ls "${COMP_WORDS[2]}" 2>/dev/null | sed -n '2,$s/  *[0-9,]*  *[0-9.]* [KMGTP]*i*B.*$//p')
        return
    fi
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _sop sop
