#!/bin/bash
# many.sh - thousands of connections at once, in one thread.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/clients.sh"

count=$(rounds 5000)
ulimit -Sn "$(ulimit -Hn)"
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge $((2 * count + 200)) ] ||
	skip_all "the limit of file descriptors is $(ulimit -n), and $((2 * count + 200)) are needed"

config <<-END
	[service echo]
	type = echo
	listen = 127.0.0.1:0, unix:$work/echo.sock

	[service front]
	type = proxy
	listen = 127.0.0.1:0
	upstream = back

	[upstream back]
	server = unix:$work/echo.sock
END
start_corelayd
threads() {
	ls "/proc/$daemon_pid/task" | wc -l
}

# What the daemon's memory and page tables take, in KiB.
footprint_kib() {
	awk '$1 == "Pss:" || $1 == "VmPTE:" { sum += $2 } END { print sum }' "/proc/$daemon_pid/smaps_rollup" "/proc/$daemon_pid/status"
}

# It has grown by less than 1.5 KiB for each connection.
is_lean() {
	[ $((($(footprint_kib) - footprint_before) * 1024)) -lt $((count * 1536)) ]
}

footprint_before=$(footprint_kib)
hold echo "$(port_of echo)" "$count"
check "the daemon holds a descriptor for each" holds "$count"
is "one thread serves them all" "$(threads)" 1
canary_start "$(port_of echo)"
swarm_check "others are served beside them" echo --to "127.0.0.1:$(port_of echo)" --connections 50 --count 100
canary_stop
if [ "$SANITIZE" != no ]; then
	skip "connections that fall silent take little memory" "under a sanitizer their stacks stay where they are"
else
	check "connections that fall silent take little memory" wait_until 20 is_lean
fi
note "memory of the daemon: $(resident_kib) KiB, with page tables $(footprint_kib) KiB"
release echo
check "all descriptors are back" wait_until 20 is_at_baseline
is "each one has left a record" "$(wait_until 20 has_ended "$count" 'service=echo .*in=128 out=128 ' && echo "$count")" "$count"

hold front "$(port_of front)" $((count / 2))
is "one thread relays them all" "$(threads)" 1
release front

swarm_check "$count connections talk at once" echo --to "127.0.0.1:$(port_of echo)" --connections "$count" --count 4

oracles
finish
