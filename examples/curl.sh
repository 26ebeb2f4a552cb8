#!/bin/sh
# Creates an RSA key, signs with it, and verifies the signature with nothing but openssl.
# Wants a quickstart that is served: `make run`, or `hsmgate quickstart` and `hsmgate serve --config quickstart/config-files`.
#
#   sh examples/curl.sh [QUICKSTART-FOLDER [PORT]]
set -eu

folder=${1:-quickstart}
url=https://localhost:${2:-8080}/v1
label=example-$$
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The password goes through a file that only we can read, not through the command line, which other users can see.
umask 077
password=$(cat "$folder/client.p12.password")
printf 'cert = "%s:%s"\n' "$folder/client.p12" "$password" >"$work/curlrc"

call() { # METHOD PATH [JSON]
    method=$1 path=$2
    shift 2
    curl -sS --fail-with-body --config "$work/curlrc" --cacert "$folder/ca.crt" --cert-type P12 \
        -X "$method" "$url$path" ${1:+-H 'Content-Type: application/json' --data "$1"}
}

# The value of one member of a JSON object, where it is a string without escapes, as Base64 is.
member() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }

call POST /key '{"label": "'"$label"'", "algorithm": "RSA", "keySize": 2048,
    "attributes": {"sign": true, "destroyable": true}}' >"$work/key.json"
member publicKey <"$work/key.json" | openssl base64 -d -A >"$work/public.der"

printf 'pay 10 to Alice' >"$work/payload"
call POST /synchronousSign '{"signRequest": {"signKeyName": "'"$label"'",
    "payload": "'"$(openssl base64 -A <"$work/payload")"'", "signatureAlgorithm": "SHA224_WITH_RSA_PSS"}}' >"$work/signed.json"
member signature <"$work/signed.json" | openssl base64 -d -A >"$work/signature"

openssl dgst -sha224 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -keyform DER \
    -verify "$work/public.der" -signature "$work/signature" "$work/payload"

call DELETE "/key/$label" >/dev/null
echo "created, used and deleted: $label"
