#!/bin/bash
# tls_modes.sh - streams through each way in which the daemon meets TLS: every byte arrives, and so does the end of each side,
# while the other side still talks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"

authority ca
certificate server ca good.test DNS:good.test
ours=(--certificate "$certs/server.pem" --key "$certs/server.key")
theirs=(--name good.test --ca "$certs/ca.pem")

# A hundred times a mebibyte each way, in writes of 64 KiB: both at once, then each side after the other's end, and so on. And a
# mebibyte in records of one byte, which are a million: once, or as often in a long run (scripts/test --long), which takes half an
# hour, and more than an hour with sanitizers. MODES="both pass" does these only.
times=$((slowness > 1 ? 21 : 100))
small_times=1
small_bytes=$((slowness > 1 ? 1 << 18 : 1 << 20))
if [ "${LONG:-no}" = yes ]; then
	times=100 small_times=100 small_bytes=$((1 << 20))
fi
read -ra modes <<<"${MODES:-terminate originate both pass}"

# Which side of the daemon has TLS: options of the client and of the server.
declare -A client_tls=(
	[terminate]="${theirs[*]}" [originate]=--plain [both]="${theirs[*]}" [pass]="${theirs[*]}"
)
declare -A server_tls=(
	[terminate]=--plain [originate]="${ours[*]}" [both]="${ours[*]}" [pass]="${ours[*]}"
)

# front NAME MODE BYTES WRITE TIMES: a proxy of that mode, and its server, which expects so many transfers.
declare -A server_of
front() {
	# The options are words.
	# shellcheck disable=SC2086
	start_tls_server "$1" transfer ${server_tls[$2]} --bytes "$3" --write "$4" --times "$5"
	server_of[$1]=$server_pid
	{
		case $2 in
		terminate)
			service "$1" proxy "upstream = $1" "tls = in"
			upstream "$1" "$server_address"
			;;
		originate)
			service "$1" proxy "upstream = $1"
			upstream "$1" "$server_address" "tls = out"
			;;
		both)
			service "$1" proxy "upstream = $1" "tls = in"
			upstream "$1" "$server_address" "tls = out"
			;;
		pass)
			service "$1" proxy "match_sni = good.test $1"
			upstream "$1" "$server_address"
			;;
		esac
	} >>"$work/corelay.ini"
}

for mode in "${modes[@]}"; do
	front $mode $mode $((1 << 20)) 65536 $times
done
for mode in "${modes[@]}"; do
	front ${mode}_small $mode $small_bytes 1 $small_times
done
{
	service warm echo "tls = in"
	service plain echo
	tls_section in "$(pair server)"
	tls_section out "ca = $certs/ca.pem" "server_name = good.test"
} >>"$work/corelay.ini"
start_corelayd
warm_up warm

# transfers NAME MODE BYTES WRITE TIMES: a case: all of them were right, as both sides say.
transfers() {
	local status=0 begun=${EPOCHREALTIME/./}
	# The options are words.
	# shellcheck disable=SC2086
	timeout $((60 * slowness * ($4 > 1 ? 1 : $5))) "$tls_peer" transfer --to "$(at "$1")" ${client_tls[$2]} \
		--bytes "$3" --write "$4" --times "$5" >"$work/client" 2>&1 </dev/null || status=$?
	if [ $status -eq 0 ]; then
		wait "${server_of[$1]}" || status=$?
	fi
	note "$1: $(((${EPOCHREALTIME/./} - begun) / 1000)) ms"
	if [ $status -eq 0 ]; then
		ok "$1: $5 times $3 bytes each way, the client in writes of $4"
	else
		not_ok "$1: $5 times $3 bytes each way, the client in writes of $4" "client: $(cat "$work/client")" \
			"server: $(cat "$work/$1.log")"
	fi
}

for mode in "${modes[@]}"; do
	transfers $mode $mode $((1 << 20)) 65536 $times
	recorded "each side's end was a clean one" $mode 'in=[0-9]{7,} out=[0-9]{7,} .*end="(client|upstream) closed" state=--' $times
done
canary_start "$(port_of plain)"
for mode in "${modes[@]}"; do
	transfers ${mode}_small $mode $small_bytes 1 $small_times
	recorded "and here, too" ${mode}_small 'in=[0-9]{6,} out=[0-9]{6,} .*end="(client|upstream) closed" state=--' $small_times
done

oracles
finish
