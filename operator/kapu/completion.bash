# SPDX-License-Identifier: Apache-2.0
# Completion of kapu for bash: source this file, or install it as
# /usr/share/bash-completion/completions/kapu. Gateways are completed by `kapu fleet --json`.

_kapu_gateways() {
    "$1" fleet --json 2>/dev/null | grep -oE '"(gateway|label)": "[^" ]*"' | cut -d'"' -f4 | sort -u
}

_kapu() {
    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    local words='' files=''

    if [ "$COMP_CWORD" -eq 1 ]; then
        words='attest audit board enroll evidence factory fleet forget inspect reference release update --help --version'
    else
        case $before in
        --operator | --extract | --release | --out | --to)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
            ;;
        --key | --ak | --profile | --allow | --picture | --tpm | --fuses | --ek-certificate | --record | --factory-key | \
            --keys | --next | --firmware | --root | --release-keys)
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --timeout | --interval | --name | --id | --root-key-hash | --live | --reason | --platform | --version | --hardware | --product | \
            --expires | --from-counter | --level | --threshold | --set | --number | --gateway | --group | --days | --boot | \
            --folder | --waves | --limit) return ;;
        --role)
            mapfile -t COMPREPLY < <(compgen -W 'release rollout approval' -- "$cur")
            return
            ;;
        esac
        case $command in
        attest) words="$(_kapu_gateways "$1") --watch --log --json --timeout --operator --help" ;;
        audit) words='--json --operator --help' ;;
        board) words='add list remove --json --operator --help' files=yes ;;
        enroll)
            words="$(_kapu_gateways "$1") --name --interval --timeout --renew --without-record"
            words+=' --reason --json --operator --help'
            ;;
        evidence) words='show --key --ak --extract --json --help' files=yes ;;
        factory)
            words='provision upgrade ek show record key --tpm --fuses --id --root-key-hash --ek-certificate'
            words+=' --record --factory-key --platform --firmware --again --json --help'
            ;;
        fleet) words='--json --operator --help' ;;
        forget) words="$(_kapu_gateways "$1") --operator --help" ;;
        inspect)
            words='--live --release --profile --allow --picture --json --quiet --help' files=yes
            ;;
        reference) words='add show remove --operator --help' files=yes ;;
        release)
            words='make keys rollout membership approve sign show verify patch rebuild --firmware --root --version --hardware'
            words+=' --product --out --expires --from-counter --no-approval --encrypt --level --role --threshold --set --number'
            words+=' --gateway --group --halt --days --boot --key --keys --next --json --help'
            files=yes
            ;;
        update)
            words='publish rollout join resume halt status --to --folder --release-keys --all --group --gateway --waves --limit --days'
            words+=' --timeout --number --ask --history --json --operator --help'
            files=yes
            ;;
        esac
    fi
    mapfile -t COMPREPLY < <(
        compgen -W "$words" -- "$cur"
        [ -z "$files" ] || compgen -f -- "$cur"
    )
}

complete -o filenames -F _kapu kapu
