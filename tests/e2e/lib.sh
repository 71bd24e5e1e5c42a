# lib.sh - what the end-to-end tests share. A test begins with
#
#	. "$(dirname "$0")/lib.sh"
#	need nc
#	config <<-'END'
#		[service echo]
#		type = echo
#		listen = 127.0.0.1:0
#	END
#	start_corelayd
#	is "an echo comes back" "$(say echo 'hello')" hello
#	oracles
#	finish
#
# and prints TAP. Nothing here waits for a length of time: it waits for a condition, with a generous bound. Ports are chosen by the
# kernel (port 0) and read from the daemon's log, so tests run at the same time. Everything that a test starts is ended, and
# its directory removed, however the test ends; the daemon's log is shown when a case has failed.
#
# From the environment: CORELAYD, the program (default: the build of scripts/run); SANITIZE, the sanitizers it was built with, or no;
# FAULTS, yes when failures can be planted; KEEP, when set, leaves the directory of the test in place.
# shellcheck shell=bash disable=SC2034,SC2119,SC2120

set -u
SOURCE_DIR=${SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
CORELAYD=${CORELAYD:-$SOURCE_DIR/build/plain/corelayd}
SANITIZE=${SANITIZE:-no}
FAULTS=${FAULTS:-no}
export LC_ALL=C

# The directory of this test, for whatever it writes. In it: corelay.ini, log (standard error of the daemon), out.
work=$(mktemp -d "${TMPDIR:-/tmp}/corelay-test.XXXXXX") || exit 1
daemon_pid=
children=()
case_count=0
failed_count=0

# Instrumented programs are slower: bounds, which are generous anyway, are taken times this.
slowness=1
[ "$SANITIZE" = no ] || slowness=4

# -- cases ----------------------------------------------------------------------------------------------------------

# ok NAME: a case that passed.
ok() {
	case_count=$((case_count + 1))
	printf 'ok %d - %s\n' "$case_count" "$1"
}

# not_ok NAME [LINE...]: a case that failed, and what was seen.
not_ok() {
	case_count=$((case_count + 1))
	failed_count=$((failed_count + 1))
	printf 'not ok %d - %s\n' "$case_count" "$1"
	shift
	[ $# -eq 0 ] || note "$@"
	return 0
}

# skip NAME REASON: a case that cannot be tried here.
skip() {
	case_count=$((case_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$case_count" "$1" "$2"
}

# skip_all REASON: nothing of this test can be tried here. Before the first case.
skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# note LINE...: words for whoever reads the log of the test.
note() {
	printf '%s\n' "$@" | sed 's/^/# /'
}

# check NAME COMMAND...: passes when the command succeeds.
check() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "failed: $*" "$output"
	fi
}

# is NAME GOT EXPECTED: passes when both texts are equal.
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:      $2" "expected: $3"
	fi
}

# matches NAME TEXT PATTERN: passes when the extended regular expression is found in the text.
matches() {
	if [[ $2 =~ $3 ]]; then
		ok "$1"
	else
		not_ok "$1" "got:        $2" "should match: $3"
	fi
}

# need COMMAND...: skips the whole test when a command is not installed.
need() {
	local command
	for command in "$@"; do
		command -v "$command" >/dev/null || skip_all "$command is not installed"
	done
}

# finish: the last line of a test. Stops a daemon that still runs, as a case of its own, and prints the plan.
finish() {
	[ -z "$daemon_pid" ] || stop_corelayd
	printf '1..%d\n' "$case_count"
	exit $((failed_count > 0))
}

# wait_until SECONDS COMMAND...: asks again and again; fails when the command has not succeeded within the bound.
wait_until() {
	local until=$((${EPOCHREALTIME/./} + $1 * slowness * 1000000))
	shift
	until "$@" 2>/dev/null; do
		[ "${EPOCHREALTIME/./}" -lt "$until" ] || return 1
		sleep 0.02
	done
}

# -- the daemon -----------------------------------------------------------------------------------------------------

# config: takes the configuration from standard input.
config() {
	cat >"$work/corelay.ini"
}

# start_corelayd [ARGUMENT...]: starts the daemon, with that configuration or with arguments of its own, and waits until it
# serves. One that does not get there fails the whole test. Then takes the idle baseline.
start_corelayd() {
	local arguments=("$@")
	[ $# -gt 0 ] || arguments=(--config "$work/corelay.ini")

	start_corelayd_only "${arguments[@]}"
	if ! wait_until 20 is_serving_or_gone || ! is_running; then
		not_ok "the daemon starts and serves" "$(tail -n 30 "$work/log")"
		printf '1..%d\n' "$case_count"
		exit 1
	fi
	take_baseline
}

# start_corelayd_only ARGUMENT...: starts it and does not wait: for daemons that are meant to fail. A shell leaves INT and QUIT
# ignored in what it puts into the background, hence env.
start_corelayd_only() {
	: >"$work/log"
	env --default-signal "$CORELAYD" "$@" >>"$work/out" 2>>"$work/log" </dev/null &
	daemon_pid=$!
	children+=("$daemon_pid")
}

is_running() {
	[ -n "$daemon_pid" ] && [ -d "/proc/$daemon_pid" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$daemon_pid/status"
}

# Serving is what the log says once all listeners are bound.
is_serving_or_gone() {
	! is_running || grep -q 'msg="\?serving' "$work/log"
}

# port_of SERVICE [N]: the port of its N-th TCP listener (1 is the first), whichever the kernel chose.
port_of() {
	grep -E "msg=\"?listening\"? .*service=\"?$1\"? " "$work/log" | field bound | sed -n 's/.*:\([0-9]*\)$/\1/p' |
		sed -n "${2:-1}p"
}

# stop_corelayd [STATUS]: TERM, then waits for the end. A case: it ended with the status (0) in time.
stop_corelayd() {
	local expected=${1:-0} status=0
	if [ -z "$daemon_pid" ]; then
		not_ok "TERM stops the daemon with status $expected" "it was not running"
		return
	fi
	kill -TERM "$daemon_pid" 2>/dev/null
	if ! wait_until 45 is_gone; then
		kill -KILL "$daemon_pid" 2>/dev/null
		wait "$daemon_pid" 2>/dev/null
		not_ok "TERM stops the daemon with status $expected" "it had to be killed"
	else
		wait "$daemon_pid" 2>/dev/null || status=$?
		is "TERM stops the daemon with status $expected" "$status" "$expected"
	fi
	daemon_pid=
}

is_gone() {
	! is_running
}

# wait_for_exit [SECONDS]: waits for a daemon that ends by itself; exit_status says how it did, or is empty.
wait_for_exit() {
	exit_status=
	wait_until "${1:-20}" is_gone || return 1
	exit_status=0
	wait "$daemon_pid" 2>/dev/null || exit_status=$?
	daemon_pid=
}

# in_background COMMAND...: runs a client or a server until the test ends. The process is $!.
in_background() {
	"$@" </dev/null >>"$work/background.log" 2>&1 &
	children+=($!)
}

# say SERVICE|PORT TEXT: sends a line, ends its side, and prints all that comes back.
say() {
	local port=$1
	[[ $port =~ ^[0-9]+$ ]] || port=$(port_of "$1")
	printf '%s\n' "$2" | timeout $((10 * slowness)) nc -N 127.0.0.1 "$port"
}

# end_records [PATTERN]: the records of connections that have ended, one per line, of those that match.
end_records() {
	grep 'msg="connection ended"' "$work/log" | grep -E -- "${1:-.}"
}

# field NAME: the values of that field in the records of standard input, without their quotes.
field() {
	sed -nE 's/.*[ ]'"$1"'=("([^"]*)"|([^ ]*)).*/\2\3/p'
}

# has_ended COUNT [PATTERN]: true once so many connections have left a record; for wait_until.
has_ended() {
	[ "$(end_records "${2:-.}" | wc -l)" -ge "$1" ]
}

# -- the shared oracles -----------------------------------------------------------------------------------------------

descriptor_count() {
	local all=("/proc/$daemon_pid/fd"/*)
	echo "${#all[@]}"
}

# Nanoseconds that all threads of the daemon have run.
run_ns() {
	cat "/proc/$daemon_pid"/task/*/schedstat 2>/dev/null | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# take_baseline: what is open now is what an idle daemon has open. Done by start_corelayd; again after a warm-up, when something
# that stays open is only opened with the first use.
take_baseline() {
	baseline_descriptors=$(descriptor_count)
}

is_at_baseline() {
	[ "$(descriptor_count)" -le "$baseline_descriptors" ]
}

# canary_start PORT [http]: a client that connects again and again, and wants its echo (or its answer) every time.
canary_start() {
	rm -f "$work/canary.stop" "$work/canary"
	canary_run "$1" "${2:-echo}" &
	canary_pid=$!
	children+=("$canary_pid")
}

# One round trip of the canary, over a connection of its own.
canary_call() {
	local socket reply=
	exec {socket}<>"/dev/tcp/127.0.0.1/$1" || return 1
	if [ "$2" = http ]; then
		printf 'GET / HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n' >&"$socket"
		IFS= read -r -t $((5 * slowness)) -u "$socket" reply
		[[ $reply == 'HTTP/1.1 200'* ]]
	else
		printf 'canary %s\n' "$3" >&"$socket"
		IFS= read -r -t $((5 * slowness)) -u "$socket" reply
		[ "$reply" = "canary $3" ]
	fi
	local result=$?
	exec {socket}>&-
	return $result
}

canary_run() {
	local calls=0 failures=0 longest_us=0 begun spent
	until [ -e "$work/canary.stop" ] && [ $calls -gt 0 ]; do
		calls=$((calls + 1))
		begun=${EPOCHREALTIME/./}
		canary_call "$1" "$2" $calls 2>/dev/null || failures=$((failures + 1))
		spent=$((${EPOCHREALTIME/./} - begun))
		[ $spent -le $longest_us ] || longest_us=$spent
		sleep 0.05
	done
	echo "$calls $failures $((longest_us / 1000))" >"$work/canary"
}

# canary_stop: a case: not one of its calls went wrong. The longest one is noted.
canary_stop() {
	local calls=0 failures=0 longest_ms=0
	: >"$work/canary.stop"
	wait "$canary_pid"
	read -r calls failures longest_ms <"$work/canary"
	note "canary: $calls calls, the longest took $longest_ms ms"
	is "a canary got every answer meanwhile" "$failures of $calls failed" "0 of $calls failed"
	canary_pid=
}
canary_pid=

# Less than 1 % of a processor for 1.5 s. What the last connections have left to be done may fall into the first look, which
# is why the oracle takes several; a loop that spins is seen in each.
is_idle() {
	local before begun spent_us
	before=$(run_ns)
	begun=${EPOCHREALTIME/./}
	sleep 1.5
	spent_us=$((${EPOCHREALTIME/./} - begun))
	before=$((($(run_ns) - before) / 1000))
	note "idle: ran $before us of $spent_us us"
	[ $((before * 100)) -lt "$spent_us" ]
}

# oracles [PATTERN]: what has to hold at the end of every test, one case each: nothing crashed, no sanitizer and no alert spoke (but for
# records that match PATTERN), descriptors are back at the baseline, the idle daemon is idle, every connection has one end
# record, and TERM stops it with status 0. Stops a canary that is still there. After it the daemon is gone.
oracles() {
	local tolerated=${1:-'^$'} found looks

	[ -z "$canary_pid" ] || canary_stop

	if is_running; then
		ok "the daemon still runs"
		if wait_until 10 is_at_baseline; then
			ok "descriptors are back at the baseline"
		else
			not_ok "descriptors are back at the baseline" \
				"$(descriptor_count) are open, $baseline_descriptors were" "$(ls -l "/proc/$daemon_pid/fd")"
		fi

		for ((looks = 0; looks < 4; looks++)); do
			! is_idle || break
		done
		check "an idle daemon uses less than 1 % of a processor" [ $looks -lt 4 ]

		stop_corelayd
	else
		not_ok "the daemon still runs" "$(tail -n 30 "$work/log")"
		[ -z "$daemon_pid" ] || wait "$daemon_pid" 2>/dev/null
		daemon_pid=
	fi

	found=$(grep -E 'Sanitizer|runtime error:|Assertion|expected .* but|stack overflow in task|fatal signal' "$work/log" | head -n 5)
	is "no crash, no sanitizer, no assertion" "$found" ""
	found=$(grep -E 'level=alert' "$work/log" | grep -vE -- "$tolerated" | head -n 5)
	is "no alert in the log" "$found" ""
	found=$(end_records | field id | sort | uniq -d | head -n 5)
	is "every connection has one end record" "$found" ""
	found=$(end_records | grep -vE ' end=("[^"]+"|[^ "]+)' | head -n 5)
	is "every end record says why" "$found" ""
}

# -- the end ----------------------------------------------------------------------------------------------------------

clean_up() {
	local status=$? child
	for child in "${children[@]}"; do
		kill -KILL "$child" 2>/dev/null
	done
	wait 2>/dev/null
	if [ $failed_count -gt 0 ] || { [ $status -ne 0 ] && [ $status -ne 1 ]; }; then
		note "the log of the daemon:"
		tail -n 60 "$work/log" 2>/dev/null | sed 's/^/#   /'
	fi
	if [ -n "${KEEP:-}" ]; then
		note "kept: $work"
	else
		rm -rf "$work"
	fi
}
trap clean_up EXIT
trap 'exit 143' TERM INT HUP
