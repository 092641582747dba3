# Sourced by the scripts. `environment PURPOSE` creates or updates an environment from its lock file: `serve` and `develop` .venv,
# `release` .build/release.
# Sets $root, the repository, and $venv.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv

# Bytecode is kept, out of sight of the sources. Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each process would
# compile every library anew, in twice the time of its start.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX="$root/.build/pycache"

is_suitable() {
    "$1" -I -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3 python; do
        is_suitable "$python" && return
        [ "$python" = "${PYTHON:-}" ] && break # an explicit PYTHON that does not fit is an error, and no other one is tried
    done
    echo "vestibule needs Python 3.11 or newer, with its venv module: ${PYTHON:-none of python3.13, python3.12, python3.11, python3, python} is not that. Install one, or set PYTHON to its path." >&2
    exit 1
}

environment() {
    find_python
    "$python" -I "$root/scripts/support/environment.py" "$1" || exit
}
