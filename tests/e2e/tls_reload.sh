#!/bin/bash
# tls_reload.sh - certificates are replaced under a daemon that serves: nobody's connection fails, and nothing else is needed than the
# new files.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"

authority ca
for generation in first second third fourth; do
	certificate $generation ca good.test DNS:good.test
done
certificate stranger - good.test DNS:good.test
expired_certificate old ca good.test DNS:good.test
ca=(--name good.test --ca "$certs/ca.pem")

# in_place NAME: what certbot and its like do: new files take the place of the old ones, by rename, one after the other.
in_place() {
	cp "$certs/$1.pem" "$certs/new.pem"
	cp -p "$certs/$1.key" "$certs/new.key"
	mv "$certs/new.key" "$certs/live.key"
	mv "$certs/new.pem" "$certs/live.pem"
}
in_place first
{
	service echo echo "tls = live"
	service other echo "tls = other"
	service front proxy "upstream = back"
	upstream back "unix:$work/back.sock" "tls = out"
	service back echo "listen = unix:$work/back.sock" "tls = live"
	tls_section live "$(pair live)"
	tls_section other "$(pair first)"
	tls_section out "ca = $certs/live-ca.pem" "server_name = good.test"
} >"$work/corelay.ini"
cp "$certs/ca.pem" "$certs/live-ca.pem"
start_corelayd
warm_up echo

# Connections come all the time, each a new handshake; what they see is in $work/calls when it changes.
mkfifo "$work/go"
"$tls_peer" call --to "$(at echo)" "${ca[@]}" --until-end <"$work/go" >"$work/calls" 2>"$work/calls.log" &
caller=$!
children+=("$caller")
exec {go}>"$work/go"
sees() {
	wait_until 20 has_line "$work/calls" "serial=$(serial "$1")"
}
check "the first certificate is presented" sees first

# A connection that is there all the time keeps what it began with.
mkfifo "$work/line"
openssl s_client -quiet -connect "$(at echo)" <"$work/line" >"$work/held" 2>/dev/null &
holder=$!
children+=("$holder")
exec {line}>"$work/line"
echo before >&"$line"
check "a connection is held" wait_until 10 has_line "$work/held" before
tls_call echo hello "${ca[@]}" --session "$work/session" >/dev/null

in_place second
check "a change of the files alone is seen" sees second
check "the log says so" wait_until 10 log_has 'msg="?certificate.*file="?[^ ]*/live\.pem' 2
tls_call echo hello "${ca[@]}" --session "$work/session" >/dev/null
is "a session of before is resumed" "$(fact resumed)" yes
kill -HUP "$daemon_pid"
check "a reload that changes nothing is one" wait_until 20 log_has 'reload'
in_place third
kill -HUP "$daemon_pid"
check "the next one comes with SIGHUP" sees third
tls_call other hello "${ca[@]}" >/dev/null
is "other sections keep theirs" "$(fact serial)" "$(serial first)"
is "TLS to the upstream, which is ourselves, goes on" "$(tls_call echo hello "${ca[@]}")$(say front hello)" hellohello

# broken NAME PATTERN: a case: what now lies there is not taken up, which the log says; what was there is used on.
alarms=0
broken() {
	check "$1: the log says so" wait_until 20 log_has "level=(warning|error|alert) .*($2)" $((alarms + 1))
	tls_call echo hello "${ca[@]}" >/dev/null
	is "$1: the certificate of before stays" "$(fact serial)" "$(serial third)"
}
cp "$certs/first.key" "$certs/new.key"
mv "$certs/new.key" "$certs/live.key"
broken "a key of another certificate" 'live\.(key|pem)'
alarms=$(grep -cE 'level=(warning|error|alert) .*live\.(key|pem)' "$work/log")
echo 'not a certificate' >"$certs/new.pem"
mv "$certs/new.pem" "$certs/live.pem"
broken "a file of something else" 'live\.(key|pem)'
alarms=$(grep -cE 'level=(warning|error|alert) .*live\.(key|pem)' "$work/log")
rm "$certs/live.pem"
kill -HUP "$daemon_pid"
broken "no file at all" 'live\.(key|pem)'
is "nor does it stop the daemon" "$(say front hello)" hello

in_place fourth
check "files that are in order again are taken up" sees fourth
is "whom the daemon believes upstream is its own question" "$(say front hello)" hello
cp "$certs/stranger.pem" "$certs/new.pem"
mv "$certs/new.pem" "$certs/live-ca.pem"
no_answer() {
	[ "$(say front hello)" = "" ]
}
check "and changes with its file too" wait_until 20 no_answer

echo after >&"$line"
check "the connection that was held is still good" wait_until 10 has_line "$work/held" after
stop_server "$holder"
echo >&"$go"	# closing alone would not do: whatever runs in the background has inherited it
status=0
wait "$caller" || status=$?
note "$(tail -n 1 "$work/calls")"
is "not one connection failed meanwhile" "$status $(cat "$work/calls.log")" "0 "
is "nor did any see what was never there" "$(field serial <"$work/calls" | xargs)" \
	"$(serial first) $(serial second) $(serial third) $(serial fourth)"

in_place old
check "one that has expired is taken up, with a warning" wait_until 20 log_has 'level=warning msg="certificate has expired".*live\.pem'
oracles
finish
