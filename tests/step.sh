#!/usr/bin/env bash
# A step of the tests by its name: `tests/step.sh lint make lint`. It notes its seconds,
# and "summary" prints them.
set -euo pipefail
times="${TMPDIR:-/tmp}/kerasfer-steps-$(id -u)"
name=$1
shift
case $name in
start) : >"$times" ;;
summary) column -t "$times" 2>/dev/null || cat "$times" ;;
*)
    echo "=== $name"
    begin=$SECONDS
    "$@" || { echo "=== $name failed; by itself: $*"; exit 1; }
    echo "$name $((SECONDS - begin)) s" | tee -a "$times"
    ;;
esac
