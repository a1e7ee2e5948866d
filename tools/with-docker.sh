#!/usr/bin/env bash
# Run a command with a Docker engine at hand.
#
#   tools/with-docker.sh COMMAND [ARGUMENT...]
#
# An engine that answers already, at DOCKER_HOST or at the default socket, is used and left alone. Otherwise, on Linux
# as root, a private engine is started for the command and removed with its images afterwards; where dockerd is missing
# it is installed from Debian's or Ubuntu's docker.io. There is one private engine at a time: another call waits for its
# turn. Exit status: the command's, or 1 when there is no engine.
set -euo pipefail

folder=
engine=

fail() {
    echo "with-docker: $*" >&2
    exit 1
}

answers() {
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

install_engine() {
    command -v apt-get >/dev/null || fail "no engine answers and dockerd is not installed"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io >/dev/null
    # Newer releases have the command in a package of its own.
    command -v docker >/dev/null || apt-get install -y -qq --no-install-recommends docker-cli >/dev/null
}

wait_for_turn() {
    # Engines share the bridge docker0 and would give its addresses away twice.
    exec {turn}>/var/lock/with-docker.lock
    flock "$turn"
}

start_engine() {
    folder=$(mktemp -d)
    export DOCKER_HOST=unix://$folder/docker.sock
    # No packet filter rules and no forwarding: the machine's own network stays as it is, and ports bind to loopback.
    setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/dockerd.pid" \
        -H "$DOCKER_HOST" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --ip=127.0.0.1 \
        --storage-driver=overlay2 --bip=172.30.250.1/24 >"$folder/log" 2>&1 </dev/null {turn}>&- &
    engine=$!
    for _ in {1..300}; do
        if answers; then return; fi
        kill -0 "$engine" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$folder/log" >&2
    fail "the engine did not start"
}

stop_engine() {
    if [ -n "$engine" ]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" || true
    fi
    if [ -n "$folder" ]; then
        # The engine leaves the host's network namespace mounted where a container had used it.
        umount "$folder"/exec/netns/* 2>/dev/null || true
        rm -rf "$folder"
    fi
}

main() {
    [ $# -gt 0 ] || fail "usage: tools/with-docker.sh COMMAND [ARGUMENT...]"
    if ! answers; then
        [ "$(uname -s)" = Linux ] || fail "no Docker engine answers: start Docker Desktop, colima or the like"
        [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and starting one needs root"
        command -v dockerd >/dev/null || install_engine
        trap stop_engine EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        wait_for_turn
        start_engine
    fi
    "$@"
}

main "$@"
