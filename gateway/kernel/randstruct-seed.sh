#!/bin/sh
# Stands in for the kernel's scripts/gen-randstruct-seed.sh (make gen-randstruct-seed=<this file>),
# which takes its seed from /dev/urandom: the same source must give the same kernel.
#
# KAPU_RANDSTRUCT_SEED is any string; an integrator keeps their own, as whoever knows it (or has
# the release's vmlinux) knows the layout. It takes effect in a fresh build folder.
set -eu
seed=$(printf 'kapu randstruct v1:%s' "${KAPU_RANDSTRUCT_SEED:-development}" | sha256sum | cut -d' ' -f1)
hash=$(printf '%s' "$seed" | sha256sum | cut -d' ' -f1)
printf '%s\n' "$seed" >"$1"
printf '#define RANDSTRUCT_HASHED_SEED "%s"\n' "$hash" >"$2"
