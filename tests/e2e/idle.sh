#!/bin/bash
# idle.sh - an idle daemon sleeps; it has one thread; and nobody who reads its log can stop it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/clients.sh"

config <<-'END'
	[service echo]
	type = echo
	listen = 127.0.0.1:0
END

# -- sleep ------------------------------------------------------------------------------------------------------------

# stays_asleep SECONDS: no system call meanwhile, but for the one that attaching interrupts, in the first half second.
stays_asleep() {
	timeout "$1" strace -f -ttt -o "$work/trace" -p "$daemon_pid" 2>"$work/trace.log"
	awk '{ time = $1 ~ /\./ ? $1 : $2 } !first { first = time } time > first + 0.5 && / = / { print; calls++ } END { exit calls > 0 }' "$work/trace"
}
may_trace() {
	command -v strace >/dev/null && strace -o "$work/trace" true 2>/dev/null
}
# ran_little: it has nothing left to do, such as giving stacks back.
ran_little() {
	local before
	before=$(run_ns)
	sleep 1
	[ "$(run_ns)" -eq "$before" ]
}

start_corelayd
is "an idle daemon has one thread" "$(ls "/proc/$daemon_pid/task" | wc -l)" 1
is "so it has when it has worked" "$(say echo hello; ls "/proc/$daemon_pid/task" | wc -l)" "$(printf 'hello\n1')"
check "it does not run at all when nobody is there" wait_until 20 ran_little
if ! may_trace; then
	skip "it makes no system call in 10 s" "processes may not be traced here"
	skip "so it does with idle connections" "processes may not be traced here"
else
	check "it makes no system call in 10 s" stays_asleep 10
fi
hold idle "$(port_of echo)" 20
check "it does not run at all while 20 connections are idle" wait_until 20 ran_little
! may_trace || check "so it does with idle connections" stays_asleep 4
release idle
oracles

# -- the log ----------------------------------------------------------------------------------------------------------

# serve_into FILE: a daemon whose log goes there.
serve_into() {
	port=$(free_port)
	: >"$work/log"
	"$CORELAYD" echo "127.0.0.1:$port" </dev/null >/dev/null 2>"$1" &
	daemon_pid=$!
	children+=("$daemon_pid")
	check "it starts with its log going to ${1##*/}" wait_until 20 canary_call "$port" echo 1
	take_baseline
}

serve_into /dev/full
swarm_check "a full disk does not stop it" churn --to "127.0.0.1:$port" --count "$(rounds 2000)"
oracles

# A pipe that nobody reads fills up: records are lost, connections are not.
mkfifo "$work/sink"
exec {sink}<>"$work/sink"
serve_into "$work/sink"
canary_start "$port"
swarm_check "a log that nobody reads does not stop it" churn --to "127.0.0.1:$port" --count "$(rounds 5000)"
canary_stop
timeout 5 cat <&"$sink" >"$work/read" &
reader=$!
children+=("$reader")
wait_until 5 has_line "$work/read" :
say "$port" hello >/dev/null
check "when somebody reads again it says how many records were lost" wait_until 5 has_line "$work/read" '(dropped|lost)'
wait "$reader"
is "no record is torn" "$(grep -vcE '^(ts=|level=)' "$work/read")" 0
oracles
exec {sink}>&-
finish
