#!/usr/bin/env bash
# The one door of this project: ./build.sh VERB [ARGUMENTS]
#
#   build    write dist/carryon-layer.zip, the layer
#   demo     run examples/prime with a timeout it cannot meet, hop by hop, and check its answer
#   test     lint, then every test at the sizes of a ten-minute run; arguments go to pytest
#   lint     ruff, mypy --strict on layer and cli, import-linter, shellcheck
#   bench    the figures of the README against the bare runtime; arguments go to bench/run.py
#   soak     every test at full size, printing the counts; arguments go to pytest
#   setup    what test, bench and demo need, without running them
#
# What a verb needs is set up on its first use, in .venv and .cache. It takes a Python from 3.10 on with pip and venv
# (PYTHON=... names one) and a package index. Further Pythons, up to 3.14, are tested with where they are found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

VENV_PYTHON=.venv/bin/python

main() {
    local verb=${1:-}
    case $verb in
        build | demo | test | lint | bench | soak | setup) ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
    PYTHON=$(find_python)
    "run_$verb" "$@"
}

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' build.sh
}

run_build() {
    "$PYTHON" tools/build_layer.py
}

run_setup() {
    prepare venv runtimes rie ministack gauntlet examples libraries
}

run_lint() {
    prepare venv
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    PYTHONPATH=layer/python:cli .venv/bin/lint-imports --no-cache
    local scripts
    mapfile -t scripts < <(shell_scripts)
    .venv/bin/shellcheck "${scripts[@]}"
}

run_test() {
    run_lint
    run_setup
    # Beside other work a run takes as much longer as it gets less of the machine.
    run_pytest 90m "$@"
}

run_soak() {
    run_setup
    CARRYON_SOAK=1 run_pytest 6h --timeout 7200 "$@"
}

run_bench() {
    prepare venv runtimes rie
    run_build
    PYTHONPATH=. exec "$VENV_PYTHON" bench/run.py "$@"
}

run_demo() {
    # The layer is built by what runs it.
    prepare command runtime ministack
    exec "$VENV_PYTHON" examples/prime/demo.py "$@"
}

run_pytest() {
    local limit=$1
    shift
    run_build
    # Tests wait far more than they compute: three of four workers do at any moment.
    local workers=$(($(nproc) * 7 / 2))
    timeout --foreground --signal INT --kill-after 1m "$limit" \
        "$VENV_PYTHON" -m pytest --numprocesses "$workers" --dist loadgroup "$@"
}

prepare() {
    "$PYTHON" tools/prepare.py "$@"
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.{13,12,11,10,14} python; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "build.sh: needs Python 3.10 or later with pip and venv" >&2
    return 1
}

shell_scripts() {
    # By content: wrappers and hooks have no suffix.
    find . \( -name .git -o -name .venv -o -name .cache -o -name dist \) -prune -o -type f \
        -exec awk 'FNR == 1 { if (/^#!.*[\/ ](ba|da)?sh( |$)/) print FILENAME; nextfile }' {} +
}

main "$@"
