#!/bin/bash
# echo.sh - the echo service gives everybody back what they sent, over every kind of socket, and the proxy in front of it too.
. "$(dirname "$0")/lib.sh"
need nc telnet expect socat cmp
. "$(dirname "$0")/clients.sh"

abstract=corelay-echo-$$
config <<-END
	[service echo]
	type = echo
	listen = 127.0.0.1:0, unix:$work/echo.sock, unix:@$abstract
	$(if has_ipv6; then echo 'listen = [::1]:0'; fi)

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

is "netcat gets its line back" "$(printf 'hello\n' | timeout 10 nc -N 127.0.0.1 "$echo_port")" hello
is "so it does through the proxy" "$(say front hello)" hello
is "nothing sent is nothing returned" "$(call "$echo_port")" ""

# The terminal answers line by line; ^] quits.
telnet_session() {
	timeout $((30 * slowness)) expect -f - <<-END
		set timeout $((10 * slowness))
		spawn -noecho telnet 127.0.0.1 $echo_port
		expect timeout { exit 1 } "Escape character is"
		foreach line {one "two words" three} {
			send "\$line\r"
			expect timeout { exit 2 } "\$line\r\n\$line\r\n"
		}
		send "\x1d"
		expect timeout { exit 3 } "telnet>"
		send "quit\r"
		expect timeout { exit 4 } eof
	END
}
check "a telnet session is echoed line by line" telnet_session

# identical COUNT PORT: so many connections, one after the other, send 1 MiB and their end, and compare what comes back.
head -c 1048576 /dev/urandom >"$work/random"
identical() {
	local i right=0
	for ((i = 0; i < $1; i++)); do
		timeout $((20 * slowness)) nc -N 127.0.0.1 "$2" <"$work/random" | cmp -s - "$work/random" && right=$((right + 1))
	done
	echo "$right of $1"
}
n=$(rounds 100)
is "1 MiB with half-close comes back identical from echo" "$(identical "$n" "$echo_port")" "$n of $n"
is "1 MiB with half-close comes back identical through the proxy" "$(identical "$n" "$front_port")" "$n of $n"

if has_ipv6; then
	is "IPv6" "$(printf 'six\n' | timeout 10 nc -N ::1 "$(port_of echo 2)")" six
else
	skip "IPv6" "this host has no ::1"
fi
is "a Unix socket" "$(printf 'unix\n' | timeout 10 nc -N -U "$work/echo.sock")" unix
is "an abstract Unix socket" "$(printf 'abstract\n' | timeout 10 socat -t 10 - "ABSTRACT-CONNECT:$abstract")" abstract

printf 'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody' >"$work/request"
timeout 10 nc -N 127.0.0.1 "$echo_port" <"$work/request" >"$work/reply"
check "an HTTP request is given back as it was" cmp "$work/request" "$work/reply"

swarm_check "50 connections ask and are answered" echo --to "127.0.0.1:$echo_port" --count 200
swarm_check "so they are with 16 messages under way on each" echo --to "127.0.0.1:$echo_port" --count 400 --pipeline 16 --size 1000
swarm_check "so they are through the proxy" echo --to "127.0.0.1:$front_port" --count 200
swarm_check "so they are over a Unix socket" echo --to "unix:$work/echo.sock" --count 200
swarm_check "10 streams of 8 MiB go through the proxy at once" bulk --to "127.0.0.1:$front_port" --connections 10 --size 8m

bytes=$(printf 'hello\n' | wc -c)
say echo hello >/dev/null
wait_until 10 has_ended 1 "service=echo .*in=$bytes out=$bytes .*end=\"client closed\""
check "the end record counts the bytes and says who ended it" has_ended 1 "service=echo .*in=$bytes out=$bytes .*end=\"client closed\""

oracles
finish
