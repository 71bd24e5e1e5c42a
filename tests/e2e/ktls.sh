#!/bin/bash
# ktls.sh - who encrypts what is sent: the kernel where it can, and then every byte arrives all the same; else OpenSSL. The log says
# which. `scripts/check-ktls` runs this on a kernel that can, whatever this machine has.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"
need curl

authority ca
certificate server ca good.test DNS:good.test
# A chain that is more than what is sent at once.
cp "$certs/server.key" "$certs/long.key"
{
	cat "$certs/server.pem"
	for ((n = 0; n < 100; n++)); do
		cat "$certs/ca.pem"
	done
} >"$certs/long.pem"
start_tls_server both transfer --plain --bytes $((1 << 22)) --write 65536 --times 3
both_address=$server_address
start_tls_server out transfer --certificate "$certs/server.pem" --key "$certs/server.key" --bytes $((1 << 20)) --write 65536 --times 3
{
	printf '[daemon]\nlog_level = debug\n'
	service http http "tls = in"
	service plain http
	service echo echo "tls = in"
	service off echo "tls = off"
	service long echo "tls = long"
	service bulk proxy "upstream = bulk" "tls = in"
	upstream bulk "$both_address"
	service out proxy "upstream = out"
	upstream out "$server_address" "tls = out"
	tls_section in "$(pair server)"
	tls_section off "$(pair server)" "ktls = off"
	tls_section long "$(pair long)"
	tls_section out "ca = $certs/ca.pem" "server_name = good.test"
} >"$work/corelay.ini"
start_corelayd
warm_up echo

is "a section can do without the kernel" "$(tls_call off hello)" hello
check "and the log says so" log_has 'tls off\] what is sent is encrypted by OpenSSL: ktls = off'
for version in 1.2 1.3; do
	is "a long chain of certificates in TLS $version" "$(tls_call long hello --version $version)" hello
done
if log_has 'tls in\] what is sent is encrypted by OpenSSL: '; then
	ok "the log says why the kernel does not encrypt"
	skip "what the kernel encrypts" "$(sed -nE 's/.*tls in\] what is sent is encrypted by OpenSSL: ([^"]*).*/\1/p' "$work/log")"
	oracles
	finish
fi
check "the log says that the kernel encrypts" log_has 'tls in\] what is sent is encrypted by the kernel'
echos=$(grep -c 'the client is sent is encrypted by the kernel' "$work/log")

for version in 1.2 1.3; do
	is "an echo in TLS $version" "$(tls_call echo hello --version $version)" hello
	echos=$((echos + 1))
	check "which the kernel encrypts" log_has 'the client is sent is encrypted by the kernel' $echos
done

# body SCHEME SERVICE BYTES [OPTION...]: what curl makes of an answer so long.
body() {
	curl --silent --show-error --insecure --max-time $((60 * slowness)) --header 'Connection: close' "${@:4}" \
		"$1://$(at "$2")/bytes/$3" 2>&1 | sha256sum
}
plain=$(body http plain 5m)
is "5 MiB in TLS 1.2" "$(body https http 5m --tls-max 1.2)" "$plain"
is "5 MiB in TLS 1.3" "$(body https http 5m)" "$plain"

# What the kernel still holds when a socket is closed is lost, so that the end of one answer or another would be missing.
whole=0
for ((n = 1; n <= 120; n++)); do
	bytes=$((60000 + n * 333))
	got=$(curl --silent --insecure --max-time $((20 * slowness)) --header 'Connection: close' --output /dev/null \
		--write-out '%{size_download}' "https://$(at http)/bytes/$bytes") && [ "$got" = $bytes ] && whole=$((whole + 1))
done
is "answers of many lengths are whole" $whole 120

# Only what comes in long pieces is spliced.
trace=
read -r _ _ receive_bytes_max </proc/sys/net/ipv4/tcp_rmem
if [ "$receive_bytes_max" -gt $((1 << 20)) ] && command -v strace >/dev/null && strace -o "$work/trace" true 2>/dev/null; then
	in_background strace -f -e trace=splice,setsockopt,close -o "$work/trace" -p "$daemon_pid"
	trace=$!
	wait_until 10 grep -q "TracerPid:[[:space:]]*[1-9]" "/proc/$daemon_pid/status"
fi
tls_says "4 MiB each way through a proxy, three times" '' transfer --to "$(at bulk)" --bytes $((1 << 22)) --write 65536 --times 3
recorded "with a clean end of each side" bulk 'end="(client|upstream) closed" state=--' 3
tls_says "1 MiB each way to an upstream server with TLS" '' transfer --to "$(at out)" --plain --bytes $((1 << 20)) --write 65536 --times 3
recorded "and there, too" out 'end="(client|upstream) closed" state=--' 3
check "for which the kernel encrypts as well" log_has 'the server is sent is encrypted by the kernel' 3
if [ -n "$trace" ]; then
	kill $trace
	wait $trace 2>/dev/null
	encrypted=$(awk -F'[(), ]+' '
		/TLS_TX/ { tls[$3] = 1 }
		/ close\(/ { delete tls[$3] }
		/ splice\(/ && $5 in tls && $NF > 0 { n++ }
		END { print n + 0 }' "$work/trace")
	check "long streams reach the kernel by splice" [ "$encrypted" -gt 0 ]
	note "$encrypted splices into sockets that the kernel encrypts for"
else
	skip "long streams reach the kernel by splice" "no strace, or small buffers"
fi

tls_says "new keys, which the kernel cannot have, are refused" 'cut off' flood --to "$(at echo)" --kind keyupdate --count 1 \
	--inside --version 1.3 --ciphers TLS_AES_128_GCM_SHA256
recorded "and the record says so" echo 'end="new keys asked for, which kTLS cannot have" state='
tls_run reset --to "$(at echo)" --flight 9 --times 5 >/dev/null
recorded "a reset is seen" echo 'end="client (reset|closed)[^"]*"' 5
tls_says "an end without close_notify is seen" 'close_notify|truncated|reset|tls.*' truncate --to "$(at echo)"
ended echo truncated

oracles
finish
