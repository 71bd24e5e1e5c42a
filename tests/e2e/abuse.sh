#!/bin/bash
# abuse.sh - closed standard streams, SIGPIPE, and clients that only come to go.
. "$(dirname "$0")/lib.sh"
need nc
. "$(dirname "$0")/clients.sh"

port=$(free_port)
"$CORELAYD" echo "127.0.0.1:$port" <&- >&- 2>&- &
daemon_pid=$!
children+=("$daemon_pid")
: >"$work/log"
check "it starts with descriptors 0, 1 and 2 closed" wait_until 20 canary_call "$port" echo 1
for fd in 0 1 2; do
	is "no socket has become descriptor $fd" "$(readlink "/proc/$daemon_pid/fd/$fd")" /dev/null
done
take_baseline
swarm_check "and serves" echo --to "127.0.0.1:$port" --count 20
oracles

# Nobody has the other end of this pipe any more.
port=$(free_port)
"$CORELAYD" echo "127.0.0.1:$port" </dev/null > >(:) 2> >(:) &
daemon_pid=$!
children+=("$daemon_pid")
check "it starts with its log going nowhere" wait_until 20 canary_call "$port" echo 1
take_baseline
swarm_check "and serves with it" churn --to "127.0.0.1:$port" --count 200
oracles

config <<-END
	[service echo]
	type = echo
	listen = 127.0.0.1:0, unix:$work/echo.sock
	[service web]
	type = http
	listen = 127.0.0.1:0
	[service front]
	type = proxy
	listen = 127.0.0.1:0
	upstream = back
	[upstream back]
	server = unix:$work/echo.sock
END
start_corelayd
echo_port=$(port_of echo)
front_port=$(port_of front)
kill -PIPE "$daemon_pid"
is "SIGPIPE does nothing" "$(say "$echo_port" hello)" hello

canary_start "$echo_port"
# abuse COUNT: come and go, in every way there is.
abuse() {
	local service address
	for service in echo web front; do
		address=127.0.0.1:$(port_of $service)
		swarm_check "$1 connections close at once ($service)" churn --to "$address" --size 0 --close now --count "$1"
		swarm_check "$1 connections reset at once ($service)" churn --to "$address" --size 0 --close reset --count "$1"
	done
	swarm_check "$1 connections reset after an answer (echo)" churn --to "127.0.0.1:$echo_port" --close reset --count "$1"
	swarm_check "$1 connections reset after an answer (front)" churn --to "127.0.0.1:$front_port" --close reset --count "$1"
	check "all descriptors are back" wait_until 20 is_at_baseline
}
abuse "$(rounds 1000)"
before=$(resident_kib)
abuse "$(rounds 10000)"
grown=$(($(resident_kib) - before))
note "memory: $before KiB after the first rounds, $grown more after ten times as many"
if [ "$SANITIZE" = no ]; then
	check "memory does not grow with them" [ $grown -lt 1024 ]
else
	skip "memory does not grow with them" "a sanitizer keeps what was freed"
fi

oracles
finish
