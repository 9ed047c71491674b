#!/bin/bash
# Runs the Gateway API's conformance suite against a mesh that it starts, and ends it. `weft` must be in PATH, and this user must
# be allowed to take the ports 80 and 443 of loopback addresses. Arguments: those of the test (`-only`, `-without`, `-quick`).
set -euo pipefail
cd "$(dirname "$0")"
folder=${WEFT_CONFORMANCE:-$(mktemp -d)}
mkdir -p "$folder"
go build -o "$folder/echo-basic" sigs.k8s.io/gateway-api/conformance/echo-basic
go build -o "$folder/echo-basic-dns" ./dns
go build -o "$folder/echo-basic-pod" ./pod
go test -c -o "$folder/conformance.test" .
exec "$folder/conformance.test" -test.v -test.timeout=2h -folder "$folder" "$@"
