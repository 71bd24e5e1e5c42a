# clients.sh - the other ends that end-to-end tests share, beside lib.sh: the load generator, scripted peers, a second daemon.
#
# From the environment: BUILD_DIR, where bench/swarm and tests/support/peer were built (default: beside the daemon).
# shellcheck shell=bash disable=SC2034,SC2154

BUILD_DIR=${BUILD_DIR:-$(dirname "$CORELAYD")}
swarm=$BUILD_DIR/bench/swarm
ceiling=$BUILD_DIR/bench/ceiling
peer=$BUILD_DIR/tests/support/peer

need_built() {
	local program
	for program in "$swarm" "$ceiling" "$peer"; do
		[ -x "$program" ] || skip_all "$program is not built"
	done
}
need_built

# An instrumented daemon does fewer rounds of what takes its time by number.
rounds() {
	echo $((slowness > 1 ? $1 / 5 : $1))
}

# swarm_check NAME ARGUMENT...: a case: every byte of that load came back right. Its results are in $work/swarm, key=value.
swarm_check() {
	local name=$1
	shift
	if timeout $((60 * slowness)) "$swarm" "$@" --patience $((10 * slowness)) --keys >"$work/swarm" 2>"$work/swarm.log"; then
		ok "$name"
	else
		not_ok "$name" "failed: swarm $*" "$(cat "$work/swarm.log" "$work/swarm")"
	fi
}

# swarm_start ARGUMENT...: a load in the background; swarm_end NAME is the case. What it says while it runs is in $work/load.log.
swarm_start() {
	rm -f "$work/load.log"
	timeout $((120 * slowness)) "$swarm" "$@" --patience $((20 * slowness)) --keys </dev/null >"$work/load" 2>"$work/load.log" &
	swarm_pid=$!
	children+=("$swarm_pid")
}

swarm_end() {
	local status=0
	wait "$swarm_pid" || status=$?
	if [ $status -eq 0 ]; then
		ok "$1"
	else
		not_ok "$1" "status $status" "$(cat "$work/load.log" "$work/load" 2>/dev/null)"
	fi
}

# figure KEY [FILE]: of the last swarm.
figure() {
	sed -n "s/^$1=//p" "${2:-$work/swarm}"
}

# not COMMAND...: succeeds when that fails.
not() {
	! "$@"
}

has_line() {
	[ -s "$1" ] && grep -qE -- "$2" "$1"
}

# start_server NAME PROGRAM ARGUMENT...: a server that prints where it listens, such as ceiling or peer listen; sets
# server_address, server_pid and NAME's output file $work/NAME.
start_server() {
	local name=$1
	shift
	: >"$work/$name"
	"$@" </dev/null >>"$work/$name" 2>"$work/$name.log" &
	server_pid=$!
	children+=("$server_pid")
	wait_until 10 has_line "$work/$name" : || not_ok "$name starts" "$(cat "$work/$name.log")"
	server_address=$(head -n 1 "$work/$name")
}

# stop_server PID
stop_server() {
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# start_upstream NAME ARGUMENT...: a second corelayd, for instance `http 127.0.0.1:0`; sets upstream_address and upstream_pid.
start_upstream() {
	local name=$1
	shift
	: >"$work/$name.log"
	"$CORELAYD" "$@" </dev/null >/dev/null 2>>"$work/$name.log" &
	upstream_pid=$!
	children+=("$upstream_pid")
	wait_until 20 has_line "$work/$name.log" 'msg="?serving' || not_ok "$name starts" "$(cat "$work/$name.log")"
	upstream_address=$(sed -nE 's/.*msg="?listening.* bound="?([^ "]+).*/\1/p' "$work/$name.log" | head -n 1)
}

# free_port: a port of 127.0.0.1 that nobody listens on, and that the kernel gives to nobody: tests that run at the same time
# let it choose from the range of /proc.
free_port() {
	local first port
	read -r first _ </proc/sys/net/ipv4/ip_local_port_range
	for _ in {1..100}; do
		port=$((5000 + RANDOM % (first > 6000 ? first - 5000 : 1000)))
		if ! nc -z 127.0.0.1 "$port"; then
			echo "$port"
			return
		fi
	done
	return 1
}

# call PORT: what a server says to somebody who says nothing.
call() {
	timeout $((10 * slowness)) nc -N 127.0.0.1 "$1" </dev/null
}

# log_has PATTERN [COUNT]: the log has at least so many lines of it; for wait_until.
log_has() {
	[ "$(grep -cE -- "$1" "$work/log")" -ge "${2:-1}" ]
}

# The connections that the daemon holds, by its descriptors: those above the baseline.
holds() {
	[ $(($(descriptor_count) - baseline_descriptors)) -ge "$1" ]
}

has_ipv6() {
	grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null
}

# hold NAME PORT|ADDRESS COUNT: that many connections, each checked byte for byte, are open when it returns, until release NAME,
# which checks each one again and is a case. hold itself is a case too.
declare -A holder_pid holder_fd
hold() {
	local name=$1 to=$2 count=$3
	[[ $to =~ ^[0-9]+$ ]] && to=127.0.0.1:$to
	hold_start "$name" "$to" "$count"
	check "$count connections are open and right ($name)" wait_until 40 has_line "$work/hold-$name.log" "^holding $count "
}

# The same, without waiting for them.
hold_start() {
	local name=$1 to=$2 count=$3 fd
	rm -f "$work/hold-$name" "$work/hold-$name.log"
	mkfifo "$work/hold-$name"
	"$swarm" idle --to "$to" --connections "$count" --until-line --patience $((40 * slowness)) --keys \
		<"$work/hold-$name" >"$work/held-$name" 2>"$work/hold-$name.log" &
	holder_pid[$name]=$!
	children+=($!)
	exec {fd}>"$work/hold-$name"
	holder_fd[$name]=$fd
}

release() {
	local name=$1 fd=${holder_fd[$1]} status=0
	echo >&"$fd"	# closing alone would not do: whatever runs in the background has inherited it
	exec {fd}>&-
	wait "${holder_pid[$name]}" || status=$?
	if [ $status -eq 0 ]; then
		ok "they were still right, and closed (${name})"
	else
		not_ok "they were still right, and closed (${name})" "$(cat "$work/hold-$name.log" "$work/held-$name")"
	fi
}

# drop NAME: ends them without looking.
drop() {
	local fd=${holder_fd[$1]}
	stop_server "${holder_pid[$1]}"
	exec {fd}>&-
}

# resident_kib: the memory of the daemon.
resident_kib() {
	awk '/^Rss:/ { print $2 }' "/proc/$daemon_pid/smaps_rollup"
}

# uses_less_than PERCENT SECONDS: the daemon's share of a processor meanwhile. Set: used_percent.
uses_less_than() {
	local before begun
	before=$(run_ns)
	begun=${EPOCHREALTIME/./}
	sleep "$2"
	used_percent=$((($(run_ns) - before) / 10 / (${EPOCHREALTIME/./} - begun)))
	echo "it used $used_percent % of a processor"
	[ $used_percent -lt "$1" ]
}
