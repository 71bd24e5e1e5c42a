#!/bin/bash
# faults.sh - a system call or an allocation fails, once or several times: a starting daemon says so and ends with a status
# that tells what kind of failure it was; a serving one loses at most the connection that it happened to, and goes on.
. "$(dirname "$0")/lib.sh"
[ "$FAULTS" = yes ] || skip_all "failures can be planted only in a build with --enable-faults"
need nc
. "$(dirname "$0")/clients.sh"

gets_echo() {
	[ "$(say "$1" hello)" = hello ]
}

# planted POINT[:NTH[:TIMES]] ARGUMENT...: a daemon in which that fails, or what is left of it.
planted() {
	export CORELAY_FAULTS=$1
	shift
	start_corelayd_only "$@"
	unset CORELAY_FAULTS
	wait_until 20 is_serving_or_gone
	! is_running || take_baseline
}

# -- out of descriptors while accepting -------------------------------------------------------------------------------

planted accept4:1:3 echo 127.0.0.1:0
check "accept4 fails three times: the client waits, and is served" wait_until 10 gets_echo echo
is "it is said once" "$(grep -c 'accepting pauses' "$work/log")" 1
oracles

# -- everything else, here and there ----------------------------------------------------------------------------------

# Ports of our choice: a daemon that cannot ask for its own does not print it.
echo_port=$(free_port)
front_port=$(free_port)
config <<-END
	[service echo]
	type = echo
	listen = 127.0.0.1:$echo_port
	[service front]
	type = proxy
	listen = 127.0.0.1:$front_port
	upstream = back
	[upstream back]
	server = unix:$work/echo.sock
	[service back]
	type = echo
	listen = unix:$work/echo.sock
END

# one call each, at whatever it is that fails
provoke() {
	gets_echo "$echo_port"
	gets_echo "$front_port"
	"$peer" connect "127.0.0.1:$echo_port" send:x expect:x reset 2>/dev/null
}

# survives POINT NTH: the cases of one planted failure.
survives() {
	local name="$1 fails (the call number $2)" found
	planted "$1:$2" --config "$work/corelay.ini"
	if is_running; then
		provoke
		check "$name: the next clients are served" serves_both
		check "$name: descriptors are back at the baseline" wait_until 10 is_at_baseline
		stop_corelayd
	else
		wait_for_exit
		matches "$name: it says why it does not start, and with a status" "$exit_status $(tail -n 1 "$work/log")" '^(69|70|71|77|78) .+'
	fi
	found=$(grep -E 'Sanitizer|runtime error:|level=alert|expected .* but' "$work/log" | head -n 3)
	is "$name: nothing else" "$found" ""
}
serves_both() {
	wait_until 10 gets_echo "$echo_port" && wait_until 10 gets_echo "$front_port"
}

for point in accept4 bind connect epoll_ctl fcntl getsockname listen madvise_dontneed mmap recv send sendmsg setsockopt \
	shutdown signalfd socket; do
	for nth in 1 3; do
		survives $point $nth
	done
done
for nth in 1 5 21 55 89 144 233; do
	survives malloc $nth
done
finish
