#!/bin/bash
# faults.sh - a system call fails once, or again and again: the daemon says so, or copes, and serves the next one.
. "$(dirname "$0")/lib.sh"
[ "$FAULTS" = yes ] || skip_all "failures can be planted only in a build with --enable-faults"
need nc
. "$(dirname "$0")/clients.sh"

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

# with POINT[:NTH[:TIMES]]: a daemon in which that fails.
with() {
	export CORELAY_FAULTS=$1
	start_corelayd
	unset CORELAY_FAULTS
}

# served NAME SERVICE: soon a client gets its echo, however many of its predecessors did not.
served() {
	check "$1" wait_until 10 gets_echo "$2"
}
gets_echo() {
	[ "$(say "$1" hello)" = hello ]
}

with accept4:1:3
served "accept4 fails three times: the client waits and is served" echo
is "the failure is logged once" "$(grep -c 'accepting pauses' "$work/log")" 1
oracles

for point in epoll_ctl recv send setsockopt getsockname; do
	with "$point:2:1"
	gets_echo echo || :
	served "$point fails once: whoever comes next is served" echo
	served "and through the proxy" front
	oracles
done

for point in socket connect; do
	with "$point"
	gets_echo front || :
	served "$point fails once towards the upstream: whoever comes next is served" front
	oracles
done

# Some of these are on the way of the start: it may refuse to start, and then says why, or it serves.
for n in 1 2 3 5 8 13 21 34 55 89 144; do
	export CORELAY_FAULTS=malloc:$n
	start_corelayd_only --config "$work/corelay.ini"
	unset CORELAY_FAULTS
	wait_until 20 is_serving_or_gone
	if is_running; then
		take_baseline
		gets_echo front || :
		served "allocation $n fails: whoever comes next is served" front
		stop_corelayd
	else
		wait_for_exit
		check "allocation $n fails at the start: it says so and ends with status 71 or 78" \
			[ -s "$work/log" -a \( "$exit_status" = 71 -o "$exit_status" = 78 -o "$exit_status" = 70 \) ]
	fi
done
finish
