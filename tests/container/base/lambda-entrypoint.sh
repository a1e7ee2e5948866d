#!/bin/sh
# Start the runtime for one handler: by the emulator, or directly where a Runtime API is there already, as in Lambda.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: lambda-entrypoint.sh HANDLER" >&2
    exit 2
fi
export _HANDLER="$1"

if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    exec /var/runtime/bootstrap
fi
exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap
