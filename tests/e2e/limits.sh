#!/bin/bash
# limits.sh - what happens when something runs out: descriptors, connections, a client's patience.
. "$(dirname "$0")/lib.sh"
need prlimit nc
. "$(dirname "$0")/clients.sh"

# -- descriptors ------------------------------------------------------------------------------------------------------

config <<-'END'
	[service echo]
	type = echo
	listen = 127.0.0.1:0
END
start_corelayd
port=$(port_of echo)

# The limit falls under a running daemon, which has sized itself for more.
prlimit --pid "$daemon_pid" --nofile=64:"$(ulimit -Hn)"
hold_start crowd "127.0.0.1:$port" 200
check "it says that descriptors have run out" wait_until 20 log_has 'Too many open files'
check "it does not spin meanwhile" uses_less_than 5 2
is "and says so once per period" "$(grep -c 'Too many open files' "$work/log")" 1
prlimit --pid "$daemon_pid" --nofile="$(ulimit -Hn):$(ulimit -Hn)"
check "with descriptors again all 200 are served" wait_until 40 has_line "$work/hold-crowd.log" '^holding 200 '
release crowd

prlimit --pid "$daemon_pid" --nofile=40:"$(ulimit -Hn)"
swarm_check "connections that come and go get through a low limit" churn --to "127.0.0.1:$port" --connections 200 --count 1000
prlimit --pid "$daemon_pid" --nofile="$(ulimit -Hn):$(ulimit -Hn)"
oracles

# Known at the start, the limit is said, and kept to.
(ulimit -n 64 && exec "$CORELAYD" --config "$work/corelay.ini") >>"$work/out" 2>"$work/log" </dev/null &
daemon_pid=$!
children+=("$daemon_pid")
wait_until 20 is_serving_or_gone
check "a limit of descriptors known at the start lowers max_connections, loudly" log_has 'max_connections lowered'
take_baseline
swarm_check "and more connections than that wait their turn" churn --to "127.0.0.1:$(port_of echo)" --connections 200 --count 1000
check "without running into the limit" [ "$(grep -c 'Too many open files' "$work/log")" -eq 0 ]
oracles

# -- connections ------------------------------------------------------------------------------------------------------

config <<-'END'
	[service few]
	type = echo
	listen = 127.0.0.1:0
	max_connections = 5

	[service free]
	type = echo
	listen = 127.0.0.1:0
END
start_corelayd
few=$(port_of few)
hold five "$few" 5
printf 'patient\n' | timeout $((60 * slowness)) nc -N 127.0.0.1 "$few" >"$work/patient" &
patient=$!
children+=("$patient")
check "the sixth is noticed" wait_until 20 log_has 'max_connections of the service reached'
is "it waits" "$(cat "$work/patient")" ""
is "another service is not concerned" "$(say free hello)" hello
check "waiting costs nothing" uses_less_than 5 1
release five
wait "$patient"
is "it is served when one has gone" "$(cat "$work/patient")" patient
swarm_check "five at a time, many get through" churn --to "127.0.0.1:$few" --connections 40 --count "$(rounds 2000)"
oracles

config <<-'END'
	[daemon]
	max_connections = 10
	[service one]
	type = echo
	listen = 127.0.0.1:0
	[service two]
	type = echo
	listen = 127.0.0.1:0
END
start_corelayd
hold ten "$(port_of one)" 10
printf 'patient\n' | timeout $((60 * slowness)) nc -N 127.0.0.1 "$(port_of two)" >"$work/patient" &
patient=$!
children+=("$patient")
check "the limit of the daemon counts all services together" wait_until 20 log_has 'max_connections of the daemon reached'
release ten
wait "$patient"
is "who waited for it is served" "$(cat "$work/patient")" patient
oracles

# -- fairness ---------------------------------------------------------------------------------------------------------

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
for service in echo front; do
	port=$(port_of $service)
	n=$(rounds 50)
	swarm_start bulk --to "127.0.0.1:$port" --connections 1 --seconds $((3 * slowness))
	swarm_check "beside a flood every ping is answered ($service)" echo --to "127.0.0.1:$port" --connections 100 --count "$n"
	is "all of them ($service)" "$(figure units)" $((100 * n))
	note "latency in us: p50 $(figure latency_p50_us), p99 $(figure latency_p99_us), most $(figure latency_max_us)"
	swarm_end "and every byte of the flood came back ($service)"
done

# A client that sends and does not read is not read any more; memory does not grow, and others do not notice.
before=$(resident_kib)
mkfifo "$work/go"
: >"$work/slow"
"$peer" connect "127.0.0.1:$(port_of echo)" flood line finish drain <"$work/go" >"$work/slow" 2>&1 &
slow=$!
children+=("$slow")
exec {go}>"$work/go"
canary_start "$(port_of echo)"
check "a client that does not read is held up" wait_until 30 has_line "$work/slow" '^[0-9]+$'
grown=$(($(resident_kib) - before))
note "memory grew by $grown KiB, while $(head -n 1 "$work/slow") bytes are under way"
check "what waits for it is in the kernel, not in the daemon" [ $grown -lt $((2048 * slowness)) ]
check "waiting for it costs nothing" uses_less_than 5 1
canary_stop
echo >&"$go"
wait "$slow"
is "everything arrives when it reads at last" "$(tail -n 1 "$work/slow")" "$(head -n 1 "$work/slow")"
exec {go}>&-
oracles
finish
