#!/bin/bash
# proxy.sh - whom the proxy connects to, what it does when a server is not there, and how the two sides end.
. "$(dirname "$0")/lib.sh"
need nc cmp
. "$(dirname "$0")/clients.sh"

for name in one two three; do
	start_server "$name" "$peer" greet 127.0.0.1:0 "$name"
	declare "$name=$server_address"
done
start_server full "$peer" full 127.0.0.1:0
full=$server_address
start_server named "$peer" greet 127.0.0.1:0 named
named=localhost:${server_address##*:}
start_server unix "$peer" greet "unix:$work/back.sock" unix
start_server mirror "$ceiling" echo 127.0.0.1:0
mirror=$server_address
closed=127.0.0.1:$(free_port)
script_port=$(free_port)

# service NAME SERVERS [LINE...]: a proxy and its upstream.
service() {
	local name=$1 servers=$2 line
	shift 2
	printf '[service %s]\ntype = proxy\nlisten = 127.0.0.1:0\nupstream = %s\n' "$name" "$name"
	printf '%s\n' "$@"
	printf '[upstream %s]\n' "$name"
	for line in $servers; do
		printf 'server = %s\n' "${line//+/ }"
	done
}

# shellcheck disable=SC2154
{
	service turns "$one $two $three"
	service weighted "$one+weight=2 $two"
	service refusing "$closed $one"
	service hanging "$full $two" "connect_timeout = 300ms"
	service dead "$closed"
	service late "$full" "connect_timeout = 300ms"
	service backup "$closed $three+backup"
	service nobody "no-such-host.invalid:80"
	service named "$named"
	service unix "unix:$work/back.sock"
	service mirror "$mirror"
	service scripted "127.0.0.1:$script_port"
	service half "127.0.0.1:$script_port" "half_close_timeout = 300ms"
	service idle "$mirror" "idle_timeout = 300ms"
	service denying "$one" "deny = 127.0.0.0/8"
	service allowing "$one" "allow = 127.0.0.1"
	service elsewhere "$one" "allow = 10.0.0.0/8"
	service session "$mirror" "session_timeout = 400ms"
} >"$work/corelay.ini"
start_corelayd

# answers SERVICE COUNT: who answers to so many calls, in order.
answers() {
	local i port
	port=$(port_of "$1")
	for ((i = 0; i < $2; i++)); do
		printf '%s ' "$(call "$port")"
	done
}

# ended SERVICE PATTERN: a record of that service, soon.
ended() {
	wait_until 10 has_ended 1 "service=$1 .*$2"
	check "the record says so: $2" has_ended 1 "service=$1 .*$2"
}

# -- which server -----------------------------------------------------------------------------------------------------

is "three servers take turns" "$(answers turns 6)" "one two three one two three "
is "one of weight 2 has two turns" "$(answers weighted 6 | tr ' ' '\n' | sort | uniq -c | xargs)" "4 one 2 two"
is "a server that refuses is passed over" "$(answers refusing 4)" "one one one one "
ended refusing 'attempts=2 end="(client|upstream) closed" state=--'
is "so is one whose backlog is full, after connect_timeout" "$(answers hanging 1)" "two "
is "a backup serves when the others do not" "$(answers backup 2)" "three three "
is "a server may be given by name" "$(answers named 1)" "named "
# The first name has started the threads that look names up, and they have a descriptor for good.
take_baseline
is "a server may be a Unix socket" "$(answers unix 1)" "unix "

# -- no server --------------------------------------------------------------------------------------------------------

check "with no server left the client gets a reset" "$peer" connect "127.0.0.1:$(port_of dead)" gone
ended dead 'end="upstream refused" state=SC'
check "so it does when the last one does not answer" "$peer" connect "127.0.0.1:$(port_of late)" gone
ended late 'end="upstream connect timeout" state=sC'
check "so it does when its name does not exist" "$peer" connect "127.0.0.1:$(port_of nobody)" gone
ended nobody 'end="upstream (name unknown|unreachable)" state=SC'

# -- who may come -----------------------------------------------------------------------------------------------------

is "who is denied hears nothing" "$(answers denying 1)" " "
ended denying 'end="denied by rule" state=PR'
is "who is allowed is served" "$(answers allowing 1)" "one "
is "who is not in the list of those allowed hears nothing" "$(answers elsewhere 1)" " "

# -- how it ends ------------------------------------------------------------------------------------------------------

# between SERVICE NAME 'CLIENT STEPS' 'SERVER STEPS': a case: both peers took all their steps, the proxy between them.
between() {
	local port server status=0
	port=$(port_of "$1")
	: >"$work/server"
	# The steps are words.
	# shellcheck disable=SC2086
	"$peer" listen "127.0.0.1:$script_port" $4 >"$work/server" 2>&1 </dev/null &
	server=$!
	children+=("$server")
	wait_until 10 has_line "$work/server" : || status=1
	# shellcheck disable=SC2086
	"$peer" connect "127.0.0.1:$port" $3 >"$work/client" 2>&1 </dev/null || status=1
	wait "$server" || status=1
	if [ $status -eq 0 ]; then
		ok "$2"
	else
		not_ok "$2" "client: $(cat "$work/client")" "server: $(cat "$work/server")"
	fi
}

between scripted "the client's end comes first, the server's answer still arrives" \
	"send:ask finish expect:answer end" "expect:ask end send:answer finish"
ended scripted 'end="client closed" state=--'
between scripted "the server's end comes first, the client's bytes still arrive" \
	"expect:hello end fill:300000 finish" "send:hello finish check:300000 end"
ended scripted 'end="upstream closed" state=--'
between scripted "the end comes after the last of many bytes, both ways" \
	"fill:3000000 finish drain" "check:3000000 end fill:3000000 finish"
between scripted "a reset of the client becomes a reset at the server" "send:ask expect:x reset" "expect:ask send:x gone"
ended scripted 'end="client reset" state=CD'
between scripted "a reset of the server becomes a reset at the client" "send:ask gone" "expect:ask reset"
ended scripted 'end="upstream reset" state=SD'

# The server does not read before it is told to; by then its client can send no more.
mkfifo "$work/go"
: >"$work/server"
"$peer" listen "127.0.0.1:$script_port" line drain finish <"$work/go" >"$work/server" 2>&1 &
server=$!
children+=("$server")
exec {go}>"$work/go"
wait_until 10 has_line "$work/server" :
: >"$work/client"
"$peer" connect "127.0.0.1:$(port_of scripted)" flood finish end </dev/null >"$work/client" 2>&1 &
client=$!
children+=("$client")
check "a server that does not read holds its client up" wait_until 30 has_line "$work/client" '^[0-9]+$'
echo >&"$go"
wait "$client" "$server"
is "and no byte of it is lost" "$(tail -n 1 "$work/server")" "$(tail -n 1 "$work/client")"
exec {go}>&-

between half "half_close_timeout ends what one side has left" "send:ask finish over" "expect:ask end broken"
ended half 'end="half-close timeout"'

check "idle_timeout ends a session on which nothing moves" "$peer" connect "127.0.0.1:$(port_of idle)" send:x expect:x over
ended idle 'end="idle timeout waiting for (client|upstream)"'
check "session_timeout ends one on which something does" "$peer" connect "127.0.0.1:$(port_of session)" send:x expect:x over
ended session 'end="session timeout"'

swarm_check "200 connections at once through the proxy" echo --to "127.0.0.1:$(port_of mirror)" --connections 200 --count 50
swarm_check "connections come and go through it" churn --to "127.0.0.1:$(port_of mirror)" --count "$(rounds 2000)"
canary_start "$(port_of mirror)"
swarm_check "streams go through it" bulk --to "127.0.0.1:$(port_of mirror)" --connections 4 --size 16m

oracles
finish
