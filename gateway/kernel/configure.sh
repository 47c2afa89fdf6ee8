#!/bin/sh
# configure.sh <kernel source> <build folder> <fragment>...
#
# Merges the fragments, in order, onto allnoconfig and checks that each line of each fragment
# holds in the result (a line that a later fragment replaces is not checked). All paths absolute.
# Takes ARCH, LLVM, HOSTCC from the environment, as the kernel's own make does.
set -eu
src=$1 out=$2
shift 2
mkdir -p "$out"
(cd "$src" && scripts/kconfig/merge_config.sh -n -Q -O "$out" "$@") >"$out/merge.log" 2>&1 ||
	{ cat "$out/merge.log" >&2; exit 1; }

# Last word of the fragments on each symbol, as the line that .config must then have.
awk '
	/^CONFIG_[A-Za-z0-9_]+=/        { sym = $0; sub(/=.*/, "", sym); want[sym] = $0 }
	/^# CONFIG_[A-Za-z0-9_]+ is not set$/ { want[$2] = $0 }
	END { for (s in want) print want[s] }
' "$@" | sort >"$out/wanted"

bad=0
while IFS= read -r line; do
	case $line in
	"#"*)	# Not set, or not there at all: both mean "off".
		sym=${line#\# }
		grep -q "^${sym%% *}=" "$out/.config" || continue ;;
	*)	grep -qxF "$line" "$out/.config" && continue ;;
	esac
	echo "configure: not in the final .config: $line" >&2
	bad=1
done <"$out/wanted"
exit $bad
