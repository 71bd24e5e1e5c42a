# tls_lib.sh - what the tests of TLS share, beside lib.sh and clients.sh: certificates of an authority of their own, clients that
# speak TLS, and the words in which a record says why.
# shellcheck shell=bash disable=SC2034,SC2154

. "$(dirname "${BASH_SOURCE[0]}")/clients.sh"
need openssl
tls_peer=$BUILD_DIR/tests/support/tls_peer
[ -x "$tls_peer" ] || skip_all "$tls_peer is not built"

# -- certificates -----------------------------------------------------------------------------------------------------

certs=$work/certs
mkdir -m 700 "$certs"

# ssl ARGUMENT...: the openssl command, which says nothing unless it fails.
ssl() {
	local said
	said=$(openssl "$@" 2>&1) || note "openssl $*: $said"
}

# authority NAME: certs/NAME.pem and .key, which may sign.
authority() {
	ssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
		-subj "/O=Corelay tests/CN=$1" -keyout "$certs/$1.key" -out "$certs/$1.pem"
}

# certificate NAME AUTHORITY SUBJECT NAMES [PURPOSE]: certs/NAME.pem and .key, good for 20 days; NAMES as in
# DNS:one.test,IP:127.0.0.1. AUTHORITY - is itself. PURPOSE: serverAuth, clientAuth or both (the default).
certificate() {
	local signed_by=(-CA "$certs/$2.pem" -CAkey "$certs/$2.key")
	[ "$2" != - ] || signed_by=()
	ssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 20 "${signed_by[@]}" \
		-subj "/CN=$3" -addext "subjectAltName=$4" -addext basicConstraints=CA:FALSE \
		-addext "extendedKeyUsage=${5:-serverAuth,clientAuth}" -keyout "$certs/$1.key" -out "$certs/$1.pem"
}

# expired_certificate NAME AUTHORITY SUBJECT NAMES: the same, over since yesterday.
expired_certificate() {
	ssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$3" \
		-addext "subjectAltName=$4" -keyout "$certs/$1.key" -out "$work/request.pem"
	ssl x509 -req -in "$work/request.pem" -days -1 -copy_extensions copy \
		-CA "$certs/$2.pem" -CAkey "$certs/$2.key" -out "$certs/$1.pem"
}

# pair NAME: the two lines of a [tls] section that present it.
pair() {
	printf 'certificate = %s\nkey = %s\n' "$certs/$1.pem" "$certs/$1.key"
}

# serial NAME: of certs/NAME.pem, as tls_peer prints it.
serial() {
	openssl x509 -noout -serial -in "$certs/$1.pem" | sed 's/.*=//'
}

# -- the configuration ------------------------------------------------------------------------------------------------

# service NAME TYPE [LINE...]: a service on a port of 127.0.0.1. tls_section NAME [LINE...], upstream NAME SERVER [LINE...]: so too.
service() {
	printf '[service %s]\ntype = %s\nlisten = 127.0.0.1:0\n' "$1" "$2"
	printf '%s\n' "${@:3}"
}

tls_section() {
	printf '[tls %s]\n' "$1"
	printf '%s\n' "${@:2}"
}

upstream() {
	printf '[upstream %s]\nserver = %s\n' "$1" "$2"
	printf '%s\n' "${@:3}"
}

at() {
	echo "127.0.0.1:$(port_of "$1")"
}

# -- clients ----------------------------------------------------------------------------------------------------------

# tls_run MODE ARGUMENT...: tls_peer, within a bound; what it says on standard error, its facts or its complaint, is in $work/facts.
tls_run() {
	timeout $((60 * slowness)) "$tls_peer" "$@" 2>"$work/facts" </dev/null
}

# tls_call SERVICE TEXT [OPTION...]: says it, with the end behind it, and prints the answer, which has to end as it should.
tls_call() {
	tls_run call --to "$(at "$1")" "${@:3}" "$2"
}

# fact NAME: of the last tls_call in this shell or a subshell of it; of the last connection, when there were several.
fact() {
	field "$1" <"$work/facts" | tail -n 1
}

# warm_up SERVICE: the first handshake starts the threads that do them, which have a descriptor for good: what is open after it is
# what an idle daemon has open.
warm_up() {
	tls_call "$1" hello >/dev/null
	wait_until 10 has_ended 1 "service=$1 "
	take_baseline
}

# tls_says NAME EXPECTED MODE ARGUMENT...: a case: it printed that, and succeeded.
tls_says() {
	local name=$1 expected=$2 said
	shift 2
	if said=$(tls_run "$@") && [[ $said =~ ^($expected)$ ]]; then
		ok "$name"
	else
		not_ok "$name" "tls_peer $*" "printed $said, expected $expected" "$(cat "$work/facts")"
	fi
}

# keeps_out NAME SERVICE [OPTION...]: a case: a call does not get its echo.
keeps_out() {
	local said
	if said=$(tls_call "$2" hello "${@:3}"); then
		not_ok "$1" "it was let in and told: $said" "$(cat "$work/facts")"
	else
		ok "$1"
	fi
}

# interact WORDS COMMAND...: gives a client a line, waits for it to come back, then ends its standard input; prints what it said.
interact() {
	local text=$1
	shift
	: >"$work/said"
	{
		printf '%s\n' "$text"
		wait_until 10 grep -q -- "$text" "$work/said"
	} | timeout $((20 * slowness)) "$@" >"$work/said" 2>"$work/said.log"
	cat "$work/said"
}

# -- records ----------------------------------------------------------------------------------------------------------

# Why a connection ended: the words of the daemon, and those of OpenSSL where it passes them on. Only here.
declare -A why=(
	[no cipher]='no shared cipher'
	[no version]='no shared TLS version|unsupported protocol|.*version.*'
	[no name]='no certificate for that name'
	[no alpn]='no .*(application )?protocol.*'
	[required]='client certificate required'
	[client expired]='client certificate: certificate has expired'
	[client unknown]='client certificate: (unable to (get (local )?issuer|verify the first) certificate|.*self[- ]signed.*)'
	[client purpose]='client certificate: (unsuitable|unsupported) certificate purpose'
	[client name]='client certificate: its name is not allowed'
	[http]='plain HTTP on a TLS port'
	[not tls]='not TLS|client does not speak TLS'
	[timeout]='TLS handshake timeout'
	[left]='client (closed|reset)( during the TLS handshake)?'
	[truncated]='client closed without close_notify'
	[tampered]='.*(tampered|bad record|decryption failed|does not speak TLS|wrong version|not TLS|packet length|unexpected).*'
	[key updates]='too many key updates'
	[upstream name]='upstream TLS: .*(hostname|name|IP address) ?mismatch'
	[upstream expired]='upstream TLS: .*certificate has expired'
	[upstream unknown]='upstream TLS: .*(self[- ]signed certificate|unable to get local issuer certificate|unable to verify .*)'
	[upstream plain]='upstream TLS: .*(does not speak TLS|not TLS|wrong version number)'
	[upstream timeout]='upstream TLS: .*timeout.*'
	[upstream left]='upstream (TLS: .*(closed|reset).*|reset|closed.*)'
	[upstream truncated]='upstream (TLS: .*|closed )without close_notify|upstream TLS: .*(without close_notify|unexpected eof).*'
)

# ended SERVICE REASON [COUNT]: a case: so many connections of the service (1) ended for that reason, one of those above.
ended() {
	local pattern="service=$1 .*end=\"?(${why[$2]:?})\"? state="
	if wait_until 10 has_ended "${3:-1}" "$pattern"; then
		ok "the record of $1 says so: $2"
	else
		not_ok "the record of $1 says so: $2" "wanted ${3:-1} of: ${why[$2]}" \
			"$(end_records "service=$1 " | tail -n 3)"
	fi
}

# recorded NAME SERVICE PATTERN [COUNT]: a case: a record of the service matches.
recorded() {
	if wait_until 10 has_ended "${4:-1}" "service=$2 .*$3"; then
		ok "$1"
	else
		not_ok "$1" "wanted ${4:-1} of: $3" "$(end_records "service=$2 " | tail -n 3)"
	fi
}

# Upstream servers that tls_peer plays print where they listen, as start_server wants it.
start_tls_server() {
	start_server "$1" "$tls_peer" "${@:2}" --listen 127.0.0.1:0
}
