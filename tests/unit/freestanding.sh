#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each library compiles without a warning by gcc, clang and the firmware's cross compiler, and needs
# nothing but memory functions and the libraries below it. With -v: lines of code and text sizes.
# lib/cbor and those above it may need QCBOR too (freestanding.sh QCBOR-FOLDER), which is measured, not judged.
set -eu
cd "$(dirname "$0")/../.."
case ${1:-} in '' | -v) set -- "$(tools/qcbor)" "$@" ;; esac
qcbor=$1
shift
# What passed with the same sources and compilers passes again: a minute less of each run.
passed=${XDG_CACHE_HOME:-$HOME/.cache}/kapu/freestanding/$({
    for compiler in gcc clang aarch64-linux-gnu-gcc; do "$compiler" --version; done
    cat tests/unit/freestanding.sh
    find lib "$qcbor/inc" "$qcbor/src" -type f -exec sha256sum {} + | awk '{print $1}' | sort
    find lib -type f | sort
} | sha256sum | cut -d ' ' -f 1)
if [ -e "$passed" ] && [ "${1:-}" != -v ]; then
    echo "unchanged since it passed"
    exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
warn="-std=c11 -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
-Wdeclaration-after-statement -Wvla -Wpointer-arith -Wwrite-strings -Wredundant-decls"
libs=$(sed -n "s/^ *subdir('\(.*\)')$/\1/p" lib/meson.build) # in their order
cbor="-DQCBOR_DISABLE_FLOAT_HW_USE -DQCBOR_DISABLE_PREFERRED_FLOAT -DUSEFULBUF_DISABLE_ALL_FLOAT
-isystem $qcbor/inc -isystem $qcbor/inc/qcbor"
includes=$(for lib in $libs; do printf -- '-Ilib/%s/include ' "$lib"; done)
status=0

build() { # name, then compiler and flags
    name=$1
    shift
    mkdir -p "$out/$name/qcbor"
    for source in qcbor_decode qcbor_encode UsefulBuf; do
        # shellcheck disable=SC2086
        "$@" -std=c11 -w -fno-pie $cbor -c "$qcbor/src/$source.c" -o "$out/$name/qcbor/$source.o" ||
            status=1
    done
    nm -g --defined-only "$out/$name/qcbor"/*.o | awk 'NF == 3 {print $3}' >"$out/$name/qcbor.defined"
    for lib in $libs; do
        mkdir -p "$out/$name/$lib"
        while read -r source; do
            # shellcheck disable=SC2086
            "$@" $warn -fno-pie $includes $cbor -c "lib/$lib/$source" \
                -o "$out/$name/$lib/${source%.c}.o" || status=1
        done <"lib/$lib/sources.list"
    done
}

cache=$(command -v ccache || true) # nothing if there is none
# shellcheck disable=SC2086
build gcc $cache gcc -O2 -ffreestanding
# shellcheck disable=SC2086
build clang $cache clang -O2 -ffreestanding
# shellcheck disable=SC2086
build aarch64 $cache aarch64-linux-gnu-gcc -Os -ffreestanding -mgeneral-regs-only -ffunction-sections \
    -fdata-sections -fno-common

for name in gcc clang aarch64; do
    for lib in $libs; do
        nm -g --defined-only "$out/$name/$lib"/*.o | awk 'NF == 3 {print $3}' | sort >"$out/$name/$lib.defined"
        nm -u "$out/$name/$lib"/*.o | awk '$1 == "U" {print $2}' | sort -u >"$out/$name/$lib.undefined"
        sort -u "$out/$name"/*.defined >"$out/known" # libraries use those before them
        foreign=$(comm -23 "$out/$name/$lib.undefined" "$out/known" |
            grep -vxE 'memcpy|memset|memcmp|memmove' || true)
        if [ -n "$foreign" ]; then
            echo "$name: lib/$lib needs: $(echo "$foreign" | tr '\n' ' ')" >&2
            status=1
        fi
        # No state: nothing in .data or .bss (constant tables of pointers are in .data.rel.ro).
        state=$(nm -f sysv "$out/$name/$lib"/*.o | awk -F '|' '$7 ~ /^\.(data|bss)/ &&
            $7 !~ /^\.data\.rel\.ro/ || $3 ~ /C/ {print $1}')
        if [ -n "$state" ]; then
            echo "$name: lib/$lib has variables: $(echo "$state" | tr '\n' ' ')" >&2
            status=1
        fi
    done
done

if [ "${1:-}" = -v ]; then
    for lib in $libs; do
        code=$(find "lib/$lib" -name '*.[ch]' -exec cat {} + | grep -c '[^[:space:]]')
        text=$(aarch64-linux-gnu-size -A "$out/aarch64/$lib"/*.o |
            awk '$1 ~ /^\.(text|rodata)/ {n += $2} END {print n}')
        echo "lib/$lib: $code lines that are not blank, $text bytes of code and constants (aarch64, -Os)"
    done
fi
if [ $status -eq 0 ]; then
    mkdir -p "${passed%/*}"
    : >"$passed"
fi
exit $status
