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

hold echo "$(port_of echo)" "$count"
check "the daemon holds a descriptor for each" holds "$count"
is "one thread serves them all" "$(threads)" 1
canary_start "$(port_of echo)"
swarm_check "others are served beside them" echo --to "127.0.0.1:$(port_of echo)" --connections 50 --count 100
canary_stop
note "memory of the daemon: $(resident_kib) KiB"
release echo
check "all descriptors are back" wait_until 20 is_at_baseline
is "each one has left a record" "$(wait_until 20 has_ended "$count" 'service=echo .*in=128 out=128 ' && echo "$count")" "$count"

hold front "$(port_of front)" $((count / 2))
is "one thread relays them all" "$(threads)" 1
release front

swarm_check "$count connections talk at once" echo --to "127.0.0.1:$(port_of echo)" --connections "$count" --count 4

oracles
finish
