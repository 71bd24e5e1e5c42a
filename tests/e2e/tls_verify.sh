#!/bin/bash
# tls_verify.sh - who is let in by certificate, which servers are believed, and what the record says about the others.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"
need nc

authority ca
authority stranger
certificate server ca good.test DNS:good.test,DNS:localhost,IP:127.0.0.1 serverAuth
certificate client ca alice DNS:alice.example.org clientAuth
certificate foreign stranger alice DNS:alice.example.org clientAuth
certificate purpose ca alice DNS:alice.example.org serverAuth
certificate other ca mallory DNS:mallory.test clientAuth
certificate alone - alice DNS:alice.example.org
expired_certificate expired ca alice DNS:alice.example.org
expired_certificate old ca good.test DNS:good.test

tls_server() {
	start_tls_server "$1" serve --certificate "$certs/$2.pem" --key "$certs/$2.key" "${@:3}" "$1"
}
tls_server good server
good=$server_address
tls_server old old
old=$server_address
tls_server alone alone
alone=$server_address
tls_server asking server --ca "$certs/ca.pem"
asking=$server_address
start_server plain "$peer" greet 127.0.0.1:0 plain
plain=$server_address

# front NAME SERVER LINE...: a proxy to that server, with TLS as the lines say.
front() {
	service "$1" proxy "upstream = $1"
	upstream "$1" "$2" "tls = $1"
	tls_section "$1" "${@:3}"
}
ca="ca = $certs/ca.pem"
{
	service required echo "tls = required"
	tls_section required "$(pair server)" "client_ca = $certs/ca.pem"
	service named echo "tls = named"
	tls_section named "$(pair server)" "client_ca = $certs/ca.pem" "client_names = bob.test, *.example.org"
	service optional echo "tls = optional"
	tls_section optional "$(pair server)" "client_ca = $certs/ca.pem" "verify = optional"
	front right "$good" "$ca" "server_name = good.test"
	front by_address "$good" "$ca"
	front by_name "localhost:${good##*:}" "$ca"
	front wrong "$good" "$ca" "server_name = wrong.test"
	front old "$old" "$ca" "server_name = good.test"
	front unknown "$alone" "$ca" "server_name = alice.example.org"
	front system "$good" "server_name = good.test"
	front plaintext "$plain" "$ca" "server_name = good.test"
	front off "$alone" "verify = off"
	front off_plaintext "$plain" "verify = off"
	front anonymous "$asking" "$ca"
	front introduced "$asking" "$ca" "$(pair client)"
	# Where the first server is not to be believed, the next one serves.
	service both proxy "upstream = both"
	upstream both "$old" "server = $good" "tls = right"
} >"$work/corelay.ini"
start_corelayd

# -- clients ----------------------------------------------------------------------------------------------------------

with() {
	echo --certificate "$certs/$1.pem" --key "$certs/$1.key"
}

for version in 1.2 1.3; do
	v=(--version "$version")
	# The options are words.
	# shellcheck disable=SC2046
	{
		is "the right certificate comes in, in TLS $version" "$(tls_call required hello $(with client) "${v[@]}")" hello
		recorded "the record has its subject" required "tls=TLSv${version/./\\.} .*client_subject=\"?CN=alice\"? "
		keeps_out "none does not" required "${v[@]}"
		ended required required
		keeps_out "one of another authority does not" required $(with foreign) "${v[@]}"
		ended required "client unknown"
		keeps_out "one of no authority does not" optional $(with alone) "${v[@]}"
		ended optional "client unknown"
		keeps_out "one that has expired does not" required $(with expired) "${v[@]}"
		ended required "client expired"
		keeps_out "one for servers does not" required $(with purpose) "${v[@]}"
		ended required "client purpose"
		is "one of the names comes in" "$(tls_call named hello $(with client) "${v[@]}")" hello
		keeps_out "one of other names does not" named $(with other) "${v[@]}"
		ended named "client name"
		is "where it is optional, none is fine" "$(tls_call optional hello "${v[@]}")" hello
		is "and so is the right one" "$(tls_call optional hello $(with client) "${v[@]}")" hello
		keeps_out "but not the wrong one" optional $(with foreign) "${v[@]}"
		# A session of one section is no good in another one, however it was come by.
		rm -f "$work/session"
		tls_call optional hello --session "$work/session" "${v[@]}" >/dev/null
		keeps_out "a session without a certificate does not open what requires one" required --session "$work/session" "${v[@]}"
		rm -f "$work/session"
		tls_call required hello $(with client) --session "$work/session" "${v[@]}" >/dev/null
		is "a session keeps the certificate that it began with" "$(tls_call required hello --session "$work/session" "${v[@]}")" hello
		is "it is resumed" "$(fact resumed)" yes
	}
done
recorded "the record of a resumed one has the subject too" required 'resumed=yes client_subject="?CN=alice"? '

# -- servers ----------------------------------------------------------------------------------------------------------

answer() {
	call "$(port_of "$1")"
}
is "a server with the right name is believed" "$(answer right)" good
recorded "the record says what was agreed on" right 'upstream_tls=TLSv1\.3 upstream_cipher=TLS_[A-Z0-9_]+ '
is "without server_name the address has to be in the certificate" "$(answer by_address)" good
is "or the name that was connected to" "$(answer by_name)" good
# The first name has started the threads that look names up, and they have a descriptor for good.
take_baseline
is "the server is told the name" "$(field sni <"$work/good" | sort -u | xargs)" "good.test localhost"
is "where the first server is not believed, the next one serves" "$(answer both) $(answer both)" "good good"

# kept_from SERVICE REASON: a case: a reset and not a byte for its client.
kept_from() {
	check "a client of $1 gets a reset" "$peer" connect "$(at "$1")" gone
	ended "$1" "$2"
}
kept_from wrong "upstream name"
kept_from old "upstream expired"
kept_from unknown "upstream unknown"
kept_from system "upstream unknown"
kept_from plaintext "upstream plain"
kept_from off_plaintext "upstream plain"
is "with verify = off any server is believed" "$(answer off)" alone
is "a server that asks for a certificate gets ours" "$(answer introduced)" asking
is "it is the right one" "$(field subject <"$work/asking" | tail -n 1)" "CN=alice"
check "without one it does not talk to us" "$peer" connect "$(at anonymous)" over
matches "as it says itself" "$(tail -n 1 "$work/asking")" 'failure="peer did not return a certificate"'

oracles
finish
