#!/bin/bash
# life.sh - start, reload, drain and stop, by signals and exit statuses.
. "$(dirname "$0")/lib.sh"
need nc
. "$(dirname "$0")/clients.sh"
ulimit -c 0

# exits NAME STATUS ARGUMENT...: a case: so started it ends at once, with that status.
exits() {
	local name=$1 expected=$2
	shift 2
	start_corelayd_only "$@"
	wait_for_exit || kill -KILL "$daemon_pid"
	is "$name: status $expected" "${exit_status:-still running}" "$expected"
	daemon_pid=
}

# ends NAME STATUS: a case: the daemon, already told to, ends with that status.
ends() {
	wait_for_exit 30
	is "$1: status $2" "${exit_status:-still running}" "$2"
}

# talker NAME PORT STEP...: a peer whose steps go on with `tell NAME`.
declare -A talker_pid talker_fd
talker() {
	local name=$1 port=$2 fd
	shift 2
	mkfifo "$work/$name.go"
	: >"$work/$name.said"
	"$peer" connect "127.0.0.1:$port" "$@" <"$work/$name.go" >"$work/$name.said" 2>&1 &
	talker_pid[$name]=$!
	children+=($!)
	exec {fd}>"$work/$name.go"
	talker_fd[$name]=$fd
}
tell() {
	echo >&"${talker_fd[$1]}"
}
# talked NAME CASE: a case: it took all its steps.
talked() {
	local status=0 fd=${talker_fd[$1]}
	wait "${talker_pid[$1]}" || status=$?
	exec {fd}>&-
	rm -f "$work/$1.go"
	is "$2" "$status: $(grep '^peer:' "$work/$1.said")" "0: "
}

# -- refusals ---------------------------------------------------------------------------------------------------------

exits "an unknown option" 64 --no-such-option
exits "a service without an address" 64 echo
exits "an address that is none" 78 echo 127.0.0.1:seventy
exits "a file that is not there" 66 --config "$work/nothing.ini"
printf '[service web]\ntype = http\nlisten = 127.0.0.1:0\nidel_timeout = 5m\n' >"$work/bad.ini"
exits "a mistake in the configuration" 78 --config "$work/bad.ini"
matches "the mistake is named, with its place" "$(cat "$work/log")" \
	"bad\.ini:4:1: error: .*unknown key 'idel_timeout', did you mean 'idle_timeout'\?"
exits "--check finds it too" 78 --check --config "$work/bad.ini"
start_server mirror "$ceiling" echo 127.0.0.1:0
mirror=$server_address
exits "a port that is in use" 69 echo "$mirror"
matches "the port is named" "$(cat "$work/log")" "$mirror"

# -- stop -------------------------------------------------------------------------------------------------------------

config <<-'END'
	[daemon]
	drain_timeout = 60s
	[service echo]
	type = echo
	listen = 127.0.0.1:0
END
exits "--check of a good one" 0 --check --config "$work/corelay.ini"

start_corelayd
kill -INT "$daemon_pid"
ends "INT stops it" 0

start_corelayd
port=$(port_of echo)
talker drained "$port" send:before expect:before say:there line send:during expect:during finish end
wait_until 20 has_line "$work/drained.said" there
kill -TERM "$daemon_pid"
check "TERM with a connection open drains" wait_until 20 log_has 'draining: 1 connections'
check "no new connection is accepted then" not nc -z 127.0.0.1 "$port"
tell drained
talked drained "the open one is served to its end"
ends "and so it stops" 0

start_corelayd -s daemon.drain_timeout=300ms --config "$work/corelay.ini"
hold left "$(port_of echo)" 3
kill -TERM "$daemon_pid"
ends "drain_timeout passes with connections left" 1
matches "it says how many were cut" "$(cat "$work/log")" 'drain_timeout passed: 3 connections are cut'
drop left

start_corelayd
hold left "$(port_of echo)" 3
kill -TERM "$daemon_pid"
wait_until 20 log_has 'draining: 3 connections'
kill -TERM "$daemon_pid"
ends "a second TERM stops it at once" 1
drop left

start_corelayd
hold left "$(port_of echo)" 3
kill -QUIT "$daemon_pid"
ends "QUIT ends it" $((128 + $(kill -l QUIT)))
matches "after it has named every task" "$(cat "$work/log" "$work/out")" 'conn-1 echo'
drop left

# -- reload -----------------------------------------------------------------------------------------------------------

start_server one "$peer" greet 127.0.0.1:0 one
one=$server_address
start_server two "$peer" greet 127.0.0.1:0 two
two=$server_address
echo_port=$(free_port)
front_port=$(free_port)
added_port=$(free_port)

# written IDLE_TIMEOUT SERVER [LINE...]: a configuration with fixed ports.
written() {
	config <<-END
		[service echo]
		type = echo
		listen = 127.0.0.1:$echo_port
		idle_timeout = $1
		[service front]
		type = proxy
		listen = 127.0.0.1:$front_port
		upstream = back
		[upstream back]
		server = $2
	END
	shift 2
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$work/corelay.ini"
}
reloads=0
# reload: and waits until it has been done.
reload() {
	reloads=$((reloads + 1))
	kill -HUP "$daemon_pid"
	wait_until 20 log_has 'msg="reloaded' $reloads
}

written 5m "$one"
start_corelayd
is "before the reload" "$(call "$front_port")" one
talker old "$echo_port" send:a expect:a say:there line send:b expect:b over
wait_until 20 has_line "$work/old.said" there

written 300ms "$two" '[service added]' 'type = discard' "listen = 127.0.0.1:$added_port"
check "HUP reloads" reload
is "the change is named" "$(grep 'configuration changed' "$work/log" | grep -c 'key=idle_timeout')" 1
is "a changed server takes over" "$(call "$front_port")" two
check "an added service listens" nc -z 127.0.0.1 "$added_port"
tell old
talked old "an open connection is under the new idle_timeout"
wait_until 10 has_ended 1 'end="idle timeout waiting for client"'
check "its record says so" has_ended 1 'end="idle timeout waiting for client"'

written 5m "$one"
check "HUP reloads again" reload
check "a removed service listens no more" not nc -z 127.0.0.1 "$added_port"
is "the former server is back" "$(call "$front_port")" one

written 5m "$mirror"
check "and again" reload
swarm_start echo --to "127.0.0.1:$front_port" --connections 50 --seconds $((3 * slowness))
swarm_check "meanwhile the service works" echo --to "127.0.0.1:$echo_port" --connections 10 --count 10
for i in 1 2 3; do
	written "${i}m" "$mirror"
	check "reload $i under load" reload
done
echo 'type = nonsense' >>"$work/corelay.ini"
kill -HUP "$daemon_pid"
check "a broken file is refused under load" wait_until 20 log_has 'reload failed, the old configuration stays'
matches "and the mistake is named" "$(cat "$work/log")" 'corelay\.ini:[0-9]+'
written 5m "$mirror" '[service taken]' 'type = echo' "listen = $mirror"
kill -HUP "$daemon_pid"
check "so is one whose port is in use" wait_until 20 log_has 'reload failed, the old configuration stays' 2
swarm_end "no connection was lost over it"
is "the old configuration still serves" "$(say "$front_port" hello)" hello
written 5m "$mirror"
check "a good file is taken afterwards" reload
take_baseline

oracles
finish
