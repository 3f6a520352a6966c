#!/bin/sh
# Makes the virtual environment named by the first argument, unless it is there and runs.
# Takes the first Python 3.11 or 3.12 that really runs: $PYTHON, else python3.12, python3.11, python3 from PATH.
set -eu
venv=$1
ask='import sys; print("%d.%d.%d" % sys.version_info[:3])'
supported() { case "$1" in 3.11.* | 3.12.*) true ;; *) false ;; esac; }

if version=$("$venv/bin/python" -c "$ask" 2>/dev/null) && supported "$version"; then
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$venv/bin/python" -m ensurepip >/dev/null
    exit 0
fi

found=""
chosen=""
for candidate in ${PYTHON:-python3.12 python3.11 python3}; do
    if ! command -v "$candidate" >/dev/null 2>&1; then
        found="$found
  $candidate: not on PATH"
    elif ! version=$("$candidate" -c "$ask" 2>/dev/null); then
        found="$found
  $candidate: at $(command -v "$candidate"), but does not run"
    elif supported "$version"; then
        chosen=$candidate
        break
    else
        found="$found
  $candidate: is $version"
    fi
done

if [ -z "$chosen" ]; then
    echo "setup: Python 3.11 or 3.12 is needed and was not found:$found" >&2
    echo "Install one (Debian 12: apt-get install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$chosen" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup: $chosen ($version) has no 'venv' or 'ensurepip' module." >&2
    echo "Install it (Debian, Ubuntu: apt-get install python${version%.*}-venv), then run the same command again." >&2
    exit 1
fi
echo "setup: making $venv with $chosen ($version)"
"$chosen" -m venv --clear "$venv" || { rm -rf "$venv"; exit 1; }
