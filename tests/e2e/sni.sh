#!/bin/bash
# sni.sh - a proxy that looks at the name a client of TLS asks for, chooses the upstream by it, and passes everything on unopened.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"
need nc

authority ca
declare -A address
for name in one two wild default; do
	certificate $name ca $name.test "DNS:$name.test,DNS:*.$name.test"
	start_tls_server $name serve --certificate "$certs/$name.pem" --key "$certs/$name.key" $name
	address[$name]=$server_address
done
start_server banner "$peer" greet 127.0.0.1:0 ready
address[banner]=$server_address
start_server mirror "$ceiling" echo 127.0.0.1:0
address[mirror]=$server_address

{
	service names proxy "match_sni = one.test one" "match_sni = two.test two" "match_sni = *.wild.test wild" "upstream = default"
	service closed proxy "match_sni = one.test one"
	service mixed proxy "match_sni = one.test one" "upstream = banner" "sni_wait = 300ms"
	service plain proxy "match_sni = one.test one" "upstream = mirror" "sni_wait = 30s"
	service opened proxy "match_sni = one.test banner" "upstream = mirror" "tls = opened"
	tls_section opened "$(pair one)"
	for name in "${!address[@]}"; do
		upstream "$name" "${address[$name]}"
	done
} >"$work/corelay.ini"
start_corelayd
warm_up opened

# reaches SERVICE NAME SERVER [OPTION...]: a case: a client that asks for the name talks to that server, and to nobody in between.
reaches() {
	local said asking=(--name "$2")
	[ "$2" != nothing ] || asking=()
	said=$(tls_call "$1" hello "${asking[@]}" "${@:4}")
	is "who asks for $2 reaches $3 ($1${4:+, ${*:4}})" "$said of $(fact subject)" "$3 of CN=$3.test"
}
reaches names one.test one
reaches names two.test two
reaches names Two.Test two
reaches names any.wild.test wild
is "a final dot changes nothing" "$(tls_call names hello --name two.test.)" two
reaches names wild.test default
reaches names far.any.wild.test default
reaches names other.test default
reaches names nothing default
reaches names one.test one --version 1.2
reaches names two.test two --trickle
reaches names two.test two --hello-bytes 10000
reaches names two.test two --hello-bytes 10000 --trickle
recorded "the record has the server" names "upstream=\"?${address[two]}\"? "
check "a certificate is the server's own" tls_call names hello --name one.test --ca "$certs/ca.pem"

# Without a server for it.
keeps_out "a name of nobody is refused where there is no default" closed --name other.test
recorded "the record says why" closed 'end="[^"]*(name|server|upstream|match)[^"]*" state=[A-Z]'
keeps_out "so is a client without a name" closed
check "so is one that does not speak TLS" "$peer" connect "$(at closed)" 'send:hello\n' over
recorded "each has its record" closed 'end=' 3

# Not TLS at all.
is "plain bytes go to the default, none is lost" "$(say plain 'hello, mirror')" 'hello, mirror'
is "be it a single one" "$(printf x | timeout $((10 * slowness)) nc -N 127.0.0.1 "$(port_of plain)")" x
is "and with nothing before its end" "$(timeout $((10 * slowness)) nc -N 127.0.0.1 "$(port_of plain)" </dev/null)" ""
swarm_check "streams too" bulk --to "$(at plain)" --connections 2 --size 4m
# Looks like TLS at first.
check "bytes that begin like TLS and are not" "$peer" connect "$(at plain)" \
	'send:\x16\x03\x01\x00\x05hello' 'expect:\x16\x03\x01\x00\x05hello' finish end
check "and those of a hello that never ends" "$peer" connect "$(at plain)" \
	'send:\x16\x03\x01\x00\xff\x01\x00' finish over

# Servers that speak first: whoever is silent for sni_wait is no client of TLS.
check "a silent client hears the server's greeting" "$peer" connect "$(at mixed)" 'expect:ready' end finish
check "a client of TLS at the same port is not kept from its own" tls_call mixed hello --name one.test

# With TLS taken off, the name chooses as well.
is "with tls the name chooses among plain servers" "$(tls_call opened hello --name one.test)" ready
rm -f "$work/session"
tls_call opened hello --name one.test --version 1.2 --session "$work/session" >/dev/null
is "not a name of before, with a session of it" \
	"$(tls_call opened hello --name other.test --version 1.2 --session "$work/session")" hello
is "be it with a final dot" "$(tls_call opened hello --name one.test.)" ready
is "and the default takes the others" "$(tls_call opened hello --name other.test)" hello

tls_says "clients that leave before or within their hello" '' reset --to "$(at names)" --flight 0 --times 20
tls_says "or in its midst" '' reset --to "$(at names)" --flight 0 --part 100 --times 20
canary_start "$(port_of plain)"
tls_says "bytes at random do no harm" '(closed|reset|[[:space:]])*' garbage --to "$(at closed)" --flight 0 --bytes 3000 --times 50
oracles
finish
