#!/bin/bash
# http.sh - the http service talks to curl, and to clients that nobody should have to talk to.
. "$(dirname "$0")/lib.sh"
need curl nc cmp

config <<-END
	[service web]
	type = http
	listen = 127.0.0.1:0
	max_body = 8m

	[service strict]
	type = http
	listen = unix:$work/strict.sock
	header_timeout = 300ms
	idle_timeout = 1s
	max_requests = 3
	max_body = 1k
END
start_corelayd
port=$(port_of web)
strict="-U $work/strict.sock"
base=http://127.0.0.1:$port

# get PATH [ARGUMENT...]: the status that curl is told, and the body.
get() {
	local path=$1
	shift
	timeout $((20 * slowness)) curl --http1.1 --silent --show-error --write-out ' %{http_code}' "$@" "$base$path" 2>&1
}

# send BYTES [WHERE]: says what printf makes of it, ends its side, prints the answer.
send() {
	# shellcheck disable=SC2059,SC2086
	printf "$1" | timeout $((10 * slowness)) nc -N ${2:-127.0.0.1 $port}
}

# statuses: of the answers on standard input.
statuses() {
	sed -nE 's/^.*HTTP\/1\.1 ([0-9]{3}) .*/\1/p' | tr '\n' ' '
}

# -- curl --------------------------------------------------------------------------------------------------------------

is "/" "$(get /)" "Corelay is listening. Try /whoami.
 200"
matches "/whoami" "$(get /whoami -H 'X-Test: a b')" $'connection: [0-9]+\nrequest: 1\n.*\nX-Test: a b\n 200$'
matches "/whoami as JSON" "$(get '/whoami?format=json')" '"tls": "off",.*"name": "Host"'
is "/bytes/20" "$(get /bytes/20)" "000000000000000
0000 200"
is "/status/503" "$(get /status/503)" "503 Service Unavailable
 503"
is "/status/204" "$(get /status/204)" " 204"
is "/health" "$(get /health)" "ok
 200"
is "/health is set" "$(get /health -d 503)" "set
 200"
is "/health has been set" "$(get /health)" "503 Service Unavailable
 503"
get '/health?status=200' -X PUT >/dev/null
is "/delay" "$(get /delay/50ms)" "late
 200"
is "/drip" "$(get '/drip?duration=50ms&bytes=5')" "***** 200"
matches "an unknown path" "$(get /nope)" '/bytes/SIZE.* 404$'
matches "a method that is not allowed" "$(get /whoami -X DELETE -i)" 'Allow: GET, HEAD, OPTIONS.* 405$'
matches "OPTIONS" "$(get /echo -X OPTIONS -i)" 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.* 204$'
is "TRACE" "$(get /echo -X TRACE -o /dev/null)" " 405"
matches "HEAD" "$(get /bytes/1g --head)" 'Content-Length: 1073741824.* 200$'
matches "HTTP/1.0" "$(get / --http1.0 -i)" 'Connection: close.* 200$'
is "two requests share a connection" \
	"$(curl -s "$base/whoami" "$base/whoami" | sed -n 's/^connection: //p' | uniq | wc -l)" 1

head -c 4000000 /dev/urandom >"$work/body"
echo_matches() {
	timeout $((30 * slowness)) curl --http1.1 -sS "$@" --data-binary "@$work/body" -o "$work/back" "$base/echo" &&
		cmp "$work/body" "$work/back"
}
check "4 MB come back with a length" echo_matches -H 'Expect:'
check "4 MB come back in chunks" echo_matches -H 'Expect:' -H 'Transfer-Encoding: chunked'
check "4 MB come back after 100 (Continue)" echo_matches -H 'Expect: 100-continue'
matches "100 (Continue) is said" \
	"$(curl --http1.1 -sv -H 'Expect: 100-continue' -d x "$base/echo" 2>&1)" '< HTTP/1.1 100 Continue'
is "a body above the limit is refused" "$(head -c 9000000 /dev/zero | get /echo --data-binary @- -o /dev/null)" " 413"

get /bytes/10m -o "$work/bytes" >/dev/null
is "/bytes/10m is as long as it says" "$(stat -c %s "$work/bytes")" 10485760
is "a line of /bytes is its own offset" "$(dd if="$work/bytes" bs=16 skip=655359 status=none)" 0000000009ffff0

# -- by hand -------------------------------------------------------------------------------------------------------------

request='GET / HTTP/1.1\r\nHost: a\r\n\r\n'
is "pipelined requests are answered in order" \
	"$(send "${request}GET /status/201 HTTP/1.1\r\nHost: a\r\n\r\nGET /delay/20ms HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n" |
		statuses)" "200 201 200 200 "
is "a connection serves so many requests" "$(send "$request$request$request$request" "$strict" | statuses)" "200 200 200 "
matches "a head has its time" "$(printf 'GET / HT' | timeout $((10 * slowness)) nc -U "$work/strict.sock")" '^HTTP/1.1 408 '
is "who is silent is left in silence" "$(timeout $((10 * slowness)) nc -d -U "$work/strict.sock")" ""

# Each is refused, and what follows it is not taken for a request.
while IFS='|' read -r status name bytes; do
	is "refused: $name" "$(send "$bytes$request" | statuses)" "$status "
done <<-'END'
	400|bare LF|GET / HTTP/1.1\nHost: a\n\n
	400|bare CR in a field|GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n
	400|NUL in a field|GET / HTTP/1.1\r\nHost: a\r\nX: \000\r\n\r\n
	400|NUL in the target|GET /\000 HTTP/1.1\r\nHost: a\r\n\r\n
	400|blank before the colon|GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n
	400|field without a name|GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n
	400|folded field|GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n
	400|length and chunks|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
	400|two equal lengths|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n
	400|list of lengths|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n
	400|length with a sign|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n
	400|length in hexadecimal|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n
	400|empty length|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n
	400|length of 2^64|POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n
	400|identity coding|POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n
	400|coding after chunked|POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n
	400|coding that looks like chunked|POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \013chunked\r\n\r\n0\r\n\r\n
	501|unknown coding|POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n
	400|chunks in HTTP/1.0|POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
	400|chunk size with a blank|POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n
	400|chunk line with a bare LF|POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n
	400|no host|GET / HTTP/1.1\r\n\r\n
	400|two hosts|GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n
	400|fragment|GET /#a HTTP/1.1\r\nHost: a\r\n\r\n
	400|bytes of TLS|\026\003\001\002\000\001\000\001\374\003\003
	501|CONNECT|CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n
	505|preface of HTTP/2|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n
	400|HTTP/0.9|GET /\r\n
END
is "refused: too long a target" "$(send "GET /$(head -c 9000 /dev/zero | tr '\0' a) HTTP/1.1\r\n" | statuses)" "414 "
is "refused: too large a head" "$(send "GET / HTTP/1.1\r\nX: $(head -c 17000 /dev/zero | tr '\0' a)\r\n" | statuses)" "431 "

# Ten thousand requests by a client that reads nothing for a while: the daemon waits with it, in the memory of a few buffers.
resident_kb() {
	sed -nE 's/^VmRSS:[[:space:]]*([0-9]+).*/\1/p' "/proc/$daemon_pid/status"
}
before_kb=$(resident_kb)
for ((i = 0; i < 10000; i++)); do
	printf 'GET /bytes/4k HTTP/1.1\r\nHost: a\r\n\r\n'
done >"$work/flood"
mkfifo "$work/answers"
timeout $((60 * slowness)) nc -N 127.0.0.1 "$port" <"$work/flood" >"$work/answers" &
children+=($!)
exec {answers}<"$work/answers"
check "others are served meanwhile" get / --fail
grown_kb=$(($(resident_kb) - before_kb))
note "resident memory grew by $grown_kb KiB"
check "a flood of requests costs no memory" [ "$grown_kb" -lt $((2048 * slowness)) ]
is "and every one of them is answered" "$(grep -ac 'HTTP/1.1 200 OK' <&"$answers")" 10000
exec {answers}<&-

oracles
finish
