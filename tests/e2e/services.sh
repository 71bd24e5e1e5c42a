#!/bin/bash
# services.sh - discard, chargen, daytime and time do what their RFCs say, each from a bare command line.
. "$(dirname "$0")/lib.sh"
need nc cmp od
. "$(dirname "$0")/clients.sh"

# serve TYPE ARGUMENT...: starts one service without a file; sets port.
serve() {
	start_corelayd "$@"
	port=$(sed -nE 's/.*msg="?listening.* bound="?[^ "]*:([0-9]+).*/\1/p' "$work/log" | head -n 1)
}

# -- discard ----------------------------------------------------------------------------------------------------------

serve discard 127.0.0.1:0
head -c 1048576 /dev/zero >"$work/zeros"
is "discard takes 1 MiB and says nothing" "$(timeout 20 nc -N 127.0.0.1 "$port" <"$work/zeros" | wc -c)" 0
wait_until 10 has_ended 1 'in=1048576 out=0'
check "discard has read all of it" has_ended 1 'in=1048576 out=0'
oracles

# -- chargen ----------------------------------------------------------------------------------------------------------

# The 95 lines of RFC 864, over and over.
pattern() {
	awk -v lines="$1" 'BEGIN {
		for (c = 32; c < 127; c++)
			ring = ring sprintf("%c", c)
		ring = ring ring
		for (n = 0; n < lines; n++)
			printf "%s\r\n", substr(ring, n % 95 + 1, 72)
	}'
}

serve chargen 127.0.0.1:0
lines=5000
pattern $lines >"$work/expected"
timeout 20 nc -d 127.0.0.1 "$port" 2>/dev/null | head -c $((lines * 74)) >"$work/characters"
check "chargen sends the pattern of RFC 864" cmp "$work/expected" "$work/characters"

# The instrument itself: bytes that are not those that were sent are noticed.
"$swarm" echo --to "127.0.0.1:$port" --connections 2 --count 1 >/dev/null 2>"$work/swarm.log"
is "the load generator fails over wrong bytes" "$?" 1
matches "and says which" "$(cat "$work/swarm.log")" 'connection [01]: byte [0-9]+ is 0x[0-9a-f]{2}, not 0x[0-9a-f]{2}'

# A client that does not read stops it; one that reads on later has missed nothing.
mkfifo "$work/go"
"$peer" connect "127.0.0.1:$port" say:there line "expect: !\"#" say:right close <"$work/go" >"$work/slow" 2>&1 &
slow_pid=$!
children+=("$slow_pid")
exec {go}>"$work/go"
wait_until 10 has_line "$work/slow" there
stands_still() {
	local before
	before=$(run_ns)
	sleep 0.2
	[ $(($(run_ns) - before)) -lt 10000000 ]
}
check "chargen stands still while its client does not read" wait_until 10 stands_still
echo >&"$go"
wait_until 10 has_line "$work/slow" right
is "and goes on where it was" "$(tail -n 1 "$work/slow")" right
exec {go}>&-
wait "$slow_pid"
oracles

# -- daytime ----------------------------------------------------------------------------------------------------------

serve daytime 127.0.0.1:0
call "$port" >"$work/daytime"
matches "daytime sends one line with the date and the time" "$(tr -d '\r' <"$work/daytime")" \
	'^[A-Z][a-z]+day, [A-Z][a-z]+ [0-3][0-9], 20[0-9][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]-UTC$'
is "its line ends with CR and LF" "$(tail -c 2 "$work/daytime" | od -An -tx1 | tr -d ' \n')" 0d0a
said=$(date -u -d "$(sed 's/-UTC.*//; s/^[A-Za-z]*, //' "$work/daytime")" +%s)
now=$(date +%s)
check "it is the time of now" [ $((now - said)) -ge 0 -a $((now - said)) -le $((10 * slowness)) ]
oracles

# -- time -------------------------------------------------------------------------------------------------------------

serve time 127.0.0.1:0
call "$port" >"$work/time"
is "time sends four bytes" "$(wc -c <"$work/time")" 4
said=$((16#$(od -An -tx1 "$work/time" | tr -d ' \n') - 2208988800))
now=$(date +%s)
check "they are the seconds since 1900, most significant byte first" [ $((now - said)) -ge 0 -a $((now - said)) -le $((10 * slowness)) ]
oracles

# -- echo, http and proxy, without a file -----------------------------------------------------------------------------

serve echo 127.0.0.1:0
is "echo from the command line" "$(say "$port" hello)" hello
oracles

serve http 127.0.0.1:0
matches "http from the command line" "$(printf 'GET / HTTP/1.0\r\n\r\n' | timeout 10 nc -N 127.0.0.1 "$port" | head -n 1)" '^HTTP/1\.1 200 '
oracles

start_server yardstick "$ceiling" echo 127.0.0.1:0
serve proxy 127.0.0.1:0 --to "$server_address"
is "proxy --to from the command line" "$(say "$port" hello)" hello
oracles
finish
