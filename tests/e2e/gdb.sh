#!/bin/bash
# gdb.sh - a debugger sees into every task: scripts/tasks-gdb.py on a live daemon and on a core file; and what a daemon
# that is told to QUIT says.
. "$(dirname "$0")/lib.sh"
need gdb nc

# debug ARGUMENT...: gdb without anybody's habits, on the daemon with the commands for tasks.
debug() {
	timeout $((60 * slowness)) gdb -nx -q -batch -iex 'set debuginfod enabled off' "$@" 2>&1
}
source_tasks=(-ex "source $SOURCE_DIR/scripts/tasks-gdb.py")

# may_attach: whether this gdb has Python, the daemon has debugging symbols, and processes may be traced.
why_not=
may_attach() {
	local seen
	seen=$(debug -p "$daemon_pid" -ex 'python print("python works")' -ex 'print sizeof(struct task)')
	case $seen in
	*'Operation not permitted'*) why_not='processes may not be traced here' ;;
	*'python works'*' = '*) return 0 ;;
	*'python works'*) why_not='the daemon has no debugging symbols' ;;
	*) why_not='gdb has no Python here' ;;
	esac
	return 1
}

config <<-'END'
	[service echo]
	type = echo
	listen = 127.0.0.1:0
END
start_corelayd

# is_asleep: the daemon has done what it was woken for.
is_asleep() {
	grep -q '^State:[[:space:]]*S' "/proc/$daemon_pid/status"
}

# talk TEXT: sends a line over the one connection of this test, and has the echo in reply when the daemon is idle again.
client=
talk() {
	[ -n "$client" ] || exec {client}<>"/dev/tcp/127.0.0.1/$(port_of echo)"
	echo "$1" >&"$client"
	IFS= read -r -t $((10 * slowness)) -u "$client" reply
	wait_until 10 is_asleep
}
hang_up() {
	exec {client}>&-
	client=
}

talk hello
is "a connection is idle behind its first echo" "$reply" hello

# The registers of parked tasks are found by the layout of our own switch only.
asm_switch=yes
! grep -aq swapcontext "$CORELAYD" || asm_switch=

# asm_only NAME: skips the case where the C library switches.
asm_only() {
	[ -n "$asm_switch" ] || skip "$1" "the switch is that of the C library"
	[ -n "$asm_switch" ]
}

cases=(
	"the list shows where the idle connection waits" "its back-trace goes through the parked task"
	"the back-trace ends where the task began" "all tasks can be looked at in one go"
	"a task that is not there is said so" "the frames of a task can be chosen"
)
if ! may_attach; then
	for name in "${cases[@]}"; do
		skip "$name" "$why_not"
	done
else
	# In one go: who has been quiet for a moment waits elsewhere.
	both=$(debug -p "$daemon_pid" "${source_tasks[@]}" -ex corelay-tasks -ex 'echo and their traces\n' -ex 'corelay-bt all')
	list=${both%%and their traces*}
	traces=${both#*and their traces}
	matches "${cases[0]}" "$list" "task [0-9]+ '[^']+' waiting for [a-z ]+ in [a-z_]+ at [^ ]*echo\.c:[0-9]+"
	id=$(sed -nE 's/^task ([0-9]+) .*echo\.c:[0-9]+$/\1/p' <<<"$list")

	trace=$(debug -p "$daemon_pid" "${source_tasks[@]}" -ex "corelay-bt ${id:-0}")
	if asm_only "${cases[1]}"; then
		matches "${cases[1]}" "$trace" 'suspend .*io_park[a-z_]* .*(stream_wait_to_read|loopback_run) .*echo_handle '
	fi
	if asm_only "${cases[2]}"; then
		last=$(grep -E '^#' <<<"$trace" | tail -n 1)
		matches "${cases[2]}" "$last" 'switch_begin \('
	fi

	is "${cases[3]}" "$(grep -E '^task [0-9]+ ' <<<"$traces")" "$(grep -E '^task [0-9]+ ' <<<"$list")"

	none=$(debug -p "$daemon_pid" "${source_tasks[@]}" -ex 'corelay-bt 999999')
	matches "${cases[4]}" "$none" 'there is no task 999999'

	if asm_only "${cases[5]}"; then
		chosen=$(debug -p "$daemon_pid" "${source_tasks[@]}" -ex "corelay-select ${id:-0}" -ex backtrace \
			-ex corelay-select -ex backtrace)
		matches "${cases[5]}" "$chosen" 'echo_handle .*loop_run '
	fi
fi

# It went on where it was, as if nobody had looked.
talk again
is "the connection goes on after the debugger has gone" "$reply" again

# -- QUIT -------------------------------------------------------------------------------------------------------------

# core_file: what the kernel left of the daemon, where it leaves files at all.
core_file() {
	local file
	for file in "$work"/core "$work"/core.[0-9]*; do
		[ -s "$file" ] && echo "$file" && return 0
	done
	return 1
}

hang_up
oracles
if [ "$SANITIZE" = no ]; then
	ulimit -c unlimited 2>/dev/null
else
	ulimit -c 0
fi
cd "$work" || exit
start_corelayd
talk hello
kill -QUIT "$daemon_pid"
wait_for_exit
is "QUIT kills by that signal" "${exit_status:-still running}" $((128 + 3))
table=$(cat "$work/log")
matches "it writes the table of all tasks first" "$table" \
	"task [0-9]+ '[^']+' of [0-9]+ in [a-z]+: waiting for [a-z ]+ in [a-z_]+ at [^ ]*echo\.c:[0-9]+ since "
matches "it says how many there are" "$table" '[0-9]+ tasks'

name="a core file of the kernel shows the same back-trace"
if ! core=$(core_file); then
	skip "$name" "the kernel leaves no core file here"
elif [ -n "$why_not" ]; then
	skip "$name" "$why_not"
elif asm_only "$name"; then
	trace=$(debug "$CORELAYD" "$core" "${source_tasks[@]}" -ex 'corelay-bt all')
	matches "$name" "$trace" 'loopback_run .*echo_handle '
fi
finish
