#!/bin/bash
# tls_faults.sh - clients and servers that stop, leave, lie or flood at every point of a connection with TLS. Nothing of it reaches
# anybody else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"
need nc

authority ca
certificate server ca good.test DNS:good.test
script_port=$(free_port)
{
	service plain echo
	service echo echo "tls = in"
	service short echo "tls = in" "handshake_timeout = 300ms"
	service left echo "tls = in"
	service gone echo "tls = in"
	service liar echo "tls = in"
	service odd echo "tls = in"
	service keys echo "tls = openssl"
	service front proxy "upstream = script" "handshake_timeout = 300ms"
	service patient proxy "upstream = script"
	tls_section in "$(pair server)"
	tls_section openssl "$(pair server)" "ktls = off"
	tls_section out "ca = $certs/ca.pem" "server_name = good.test"
	upstream script "127.0.0.1:$script_port" "tls = out"
} >"$work/corelay.ini"
start_corelayd
warm_up echo
canary_start "$(port_of plain)"
is "a handshake, to begin with" "$(tls_call echo hello --name good.test --ca "$certs/ca.pem")" hello

# -- clients that stop --------------------------------------------------------------------------------------------------

# stops NAME OPTION...: a case: the daemon ends it, and says why.
stops=0
stops() {
	stops=$((stops + 1))
	tls_says "handshake_timeout ends a client that stops $1" 'closed|reset' stall --to "$(at short)" "${@:2}"
	ended short timeout $stops
}
stops "before its first byte" --flight 0
stops "within its hello" --flight 0 --part 100
stops "within the head of it" --flight 0 --part 3
stops "after its hello" --flight 1
stops "within its second flight" --flight 1 --part 20
stops "after its hello, in TLS 1.2" --flight 1 --version 1.2
stops "within its second flight, in TLS 1.2" --flight 1 --part 20 --version 1.2

# stall_some COUNT SERVICE FLIGHT: so many clients that stop there, until stop_all.
stalled=()
stall_some() {
	local i
	for ((i = 0; i < $1; i++)); do
		in_background "$tls_peer" stall --to "$(at "$2")" --flight "$3"
		stalled+=($!)
	done
}
stop_all() {
	local pid
	for pid in "${stalled[@]}"; do
		stop_server "$pid"
	done
	stalled=()
}
stall_some 20 echo 0
stall_some 20 echo 1
is "forty clients that have stopped hold nobody up" "$(tls_call echo hello)" hello
stop_all

# -- clients that leave -------------------------------------------------------------------------------------------------

left=0
for version in 1.2 1.3; do
	for where in "--flight 0 --part 100" "--flight 1" "--flight 1 --part 20"; do
		left=$((left + 10))
		# The options are words.
		# shellcheck disable=SC2086
		tls_says "ten resets in TLS $version at $where" '' reset --to "$(at left)" --version $version $where --times 10
	done
done
ended left left $left
tls_says "resets right after the handshake" '' reset --to "$(at gone)" --times 20
# A reset takes bytes along that have not been read, which may be the last of the handshake.
recorded "they have their records" gone "end=\"(client reset|client closed during the TLS handshake)" 20
tls_says "resets before the first byte" '' reset --to "$(at gone)" --flight 0 --times 20
timeout 10 openssl s_client -connect "$(at left)" -verify_return_error -CAfile "$certs/server.pem" </dev/null >"$work/out" 2>&1
recorded "a client that does not believe us is named" left 'end="client refused: [^"]+" state='

tls_says "an end without close_notify is seen" 'close_notify|truncated|reset|tls.*' truncate --to "$(at echo)"
ended echo truncated
is "an end with it leaves the other direction open" "$(tls_call echo "$(head -c 100000 /dev/zero | tr '\0' x)" | wc -c)" 100000

# -- clients that lie ---------------------------------------------------------------------------------------------------

tls_says "garbage in place of a hello" '(closed|reset|[[:space:]])+' garbage --to "$(at liar)" --flight 0 --bytes 300 --times 20
ended liar "tampered" 20
tls_says "garbage within the handshake" '(closed|reset|[[:space:]])+' garbage --to "$(at liar)" --flight 1 --bytes 300 --times 20
tls_says "garbage after it" '(closed|reset|[[:space:]])+' garbage --to "$(at liar)" --flight 9 --bytes 300 --times 20
recorded "each has its record" liar 'end=' 60
printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' | timeout $((10 * slowness)) nc -N 127.0.0.1 "$(port_of liar)" >"$work/out"
ended liar http
printf 'SSH-2.0-OpenSSH_9.2\r\n' | timeout $((10 * slowness)) nc -N 127.0.0.1 "$(port_of liar)" >"$work/out"
ended liar "not tls" 10
tls_says "a hundred good ones among three hundred with garbage" 100 mixed --to "$(at echo)" --count 100
tls_says "and in TLS 1.2" 100 mixed --to "$(at echo)" --count 100 --version 1.2

# -- clients that are odd -----------------------------------------------------------------------------------------------

tls_says "another handshake on the same connection is refused" refused renegotiate --to "$(at odd)" --version 1.2
tls_says "a hundred records in one segment" heard pending --to "$(at odd)"
tls_says "so in TLS 1.2" heard pending --to "$(at odd)" --version 1.2
tls_says "three thousand of a byte each" heard pending --to "$(at odd)" --count 3000 x
tls_says "a hello of 60000 bytes" hello call --to "$(at odd)" --hello-bytes 60000
before=$(resident_kib)
sealed=(--inside --version 1.3 --ciphers TLS_AES_128_GCM_SHA256)
for kind in empty alert oversized unknown; do
	tls_says "$kind records in place of a hello" 'cut off' flood --to "$(at odd)" --kind $kind --count 100000
	tls_says "sealed $kind records" 'cut off' flood --to "$(at odd)" --kind $kind --count 100000 "${sealed[@]}"
done
tls_says "key updates without end" 'cut off' flood --to "$(at keys)" --kind keyupdate --count 100000 "${sealed[@]}"
ended keys "key updates"
tls_says "some are fine" answers flood --to "$(at keys)" --kind keyupdate --count 10 "${sealed[@]}"
tls_says "so are some empty records" answers flood --to "$(at odd)" --kind empty --count 10 "${sealed[@]}"
grown=$(($(resident_kib) - before))
note "memory: $grown KiB more after the floods"
if [ "$SANITIZE" = no ]; then
	check "memory does not grow with floods" [ $grown -lt 4096 ]
fi

# -- servers ------------------------------------------------------------------------------------------------------------

# A server that does as the words after it say, once.
server_does() {
	: >"$work/server"
	"$tls_peer" "$1" --listen "127.0.0.1:$script_port" --certificate "$certs/server.pem" --key "$certs/server.key" "${@:2}" \
		>"$work/server" 2>&1 </dev/null &
	server=$!
	children+=("$server")
	wait_until 10 has_line "$work/server" : || not_ok "the server starts" "$(cat "$work/server")"
}

# from_server NAME SERVICE REASON CLIENT_STEPS MODE OPTION...: a case or two: what the client saw, and the record.
declare -A seen=()
from_server() {
	local name=$1 service=$2 reason=$3 steps=$4
	shift 4
	server_does "$@"
	seen[$service $reason]=$((${seen[$service $reason]:-0} + 1))
	# The steps are words.
	# shellcheck disable=SC2086
	check "a server that $name" "$peer" connect "$(at "$service")" $steps
	ended "$service" "$reason" ${seen[$service $reason]}
	wait "$server" 2>/dev/null
}
from_server "does not answer" front "upstream timeout" gone stall --flight 0
from_server "stops within its first flight" front "upstream timeout" gone stall --flight 0 --part 50
from_server "stops after it" front "upstream timeout" gone stall --flight 1 --version 1.2
from_server "resets at once" patient "upstream left" gone reset --flight 0
from_server "resets within its first flight" patient "upstream left" gone reset --flight 0 --part 50
from_server "resets after it" patient "upstream left" gone reset --flight 1 --version 1.2
from_server "answers garbage" patient "tampered" gone garbage --flight 0 --bytes 300
from_server "sends garbage later" patient "tampered" over garbage --flight 9 --bytes 300
from_server "ends without close_notify" patient "upstream truncated" "send:ask expect:hello gone" truncate
oracles

# -- max_handshakes -----------------------------------------------------------------------------------------------------

{
	printf '[daemon]\nmax_handshakes = 2\n'
	service plain echo
	service slow echo "tls = in" "handshake_timeout = 2s"
	service patient echo "tls = in" "handshake_timeout = 60s"
	tls_section in "$(pair server)"
} >"$work/corelay.ini"
start_corelayd
warm_up patient
canary_start "$(port_of plain)"
stall_some 10 patient 0
is "silent clients hold none of max_handshakes" "$(tls_call patient hello)" hello
stall_some 4 slow 1
is "clients within a handshake do, for handshake_timeout at most" "$(tls_call patient hello)" hello
crowd() {
	local pids=() status=0 pid
	for _ in {1..16}; do
		"$tls_peer" call --to "$(at patient)" --times 5 </dev/null >/dev/null 2>>"$work/crowd" &
		pids+=($!)
		children+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	return $status
}
check "sixteen at a time, each gets its turn" crowd
stop_all
oracles
finish
