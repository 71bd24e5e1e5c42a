#!/bin/bash
# tls.sh - TLS as clients of every kind meet it: handshakes, names, protocols, resumption; and what the operator is told.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls_lib.sh"
need nc curl

authority ca
certificate one ca one.test DNS:one.test
certificate two ca two.test DNS:two.test
certificate wild ca wild.test 'DNS:*.wild.test'
expired_certificate old ca old.test DNS:old.test
for name in one two wild; do
	pair $name
done >"$work/three"
three=$(cat "$work/three")

{
	service echo echo "tls = three"
	echo "listen = unix:$work/echo.sock"
	service web http "tls = three" "max_body = 8m"
	service strict echo "tls = strict"
	service new echo "tls = new"
	service alone echo "tls = alone"
	service old echo "tls = old"
	service sink discard "tls = three"
	service brief http "tls = three" "idle_timeout = 500ms"
	service few echo "tls = few"
	service front proxy "upstream = back"
	upstream back "unix:$work/echo.sock" "tls = out"
	tls_section three "$three" "alpn = http/1.1, echo"
	tls_section strict "$three" "strict_sni = yes"
	tls_section new "$(pair one)" "min_version = 1.3"
	tls_section alone "$(pair one)" "ciphers = TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384" "tickets = off"
	tls_section old "$(pair old)"
	tls_section few "$(pair one)" "ktls = off"
	tls_section out "ca = $certs/ca.pem" "server_name = one.test"
} >"$work/corelay.ini"
start_corelayd
warm_up old
believing=(--ca "$certs/ca.pem")

# -- clients ----------------------------------------------------------------------------------------------------------

is "openssl s_client" \
	"$(interact hello openssl s_client -quiet -no_ign_eof -verify_return_error -CAfile "$certs/ca.pem" \
		-verify_hostname one.test -connect "$(at echo)" -servername one.test)" hello
recorded "its record says what was agreed on" echo \
	'tls=TLSv1\.3 cipher=TLS_[A-Z0-9_]+ sni=one\.test resumed=no handshake=[0-9.]+(ns|us|ms|s) '
if command -v gnutls-cli >/dev/null; then
	matches "gnutls-cli" \
		"$(interact hello gnutls-cli --x509cafile "$certs/ca.pem" --verify-hostname two.test --sni-hostname two.test \
			--port "$(port_of echo)" 127.0.0.1)" $'\nhello(\n|$)'
	recorded "its record too" echo 'tls=TLSv1\.[23] cipher=.* sni=two\.test '
else
	skip "gnutls-cli" "gnutls-cli is not installed"
fi
get() {
	timeout $((20 * slowness)) curl --http1.1 --silent --show-error --cacert "$certs/ca.pem" \
		--connect-to "::$(at web)" "https://one.test$1" "${@:2}" 2>&1
}
is "curl" "$(get /bytes/20)" $'000000000000000\n0000'
matches "/whoami tells of TLS" "$(get /whoami)" 'tls: TLSv1\.3 TLS_'
head -c 2000000 /dev/urandom >"$work/body"
check "2 MB come back from /echo" \
	eval 'get /echo --data-binary "@$work/body" -H Expect: --output "$work/back" && cmp "$work/body" "$work/back"'
recorded "curl is spoken to in the protocol that it offers" web 'alpn=http/1\.1 '
if command -v wrk >/dev/null; then
	said=$(timeout $((30 * slowness)) wrk -t 1 -c 20 -d $((slowness > 1 ? 8 : 1))s --timeout $((2 * slowness))s "https://$(at web)/" 2>&1)
	note "wrk: $(sed -nE 's/^Requests\/sec: */requests per second: /p' <<<"$said")"
	check "wrk has nothing to complain about" \
		eval 'grep -qE "^ *[1-9][0-9]* requests in" <<<"$said" && ! grep -qE "Socket errors|Non-2xx|unable" <<<"$said"'
else
	skip "wrk has nothing to complain about" "wrk is not installed"
fi
is "nc, through a proxy that puts TLS on" "$(say front hello)" hello
recorded "the record of the proxy tells of TLS upstream" front 'upstream_tls=TLSv1\.3 upstream_cipher=TLS_'

# -- names ------------------------------------------------------------------------------------------------------------

# presents SERVICE NAME SUBJECT: a case: to who asks for the name.
presents() {
	local asking=(--name "$2")
	[ "$2" != nothing ] || asking=()
	tls_call "$1" hello "${asking[@]}" >/dev/null
	is "who asks for $2 is shown $3 ($1)" "$(fact subject)" "CN=$3"
}
presents echo one.test one.test
presents echo two.test two.test
presents echo TWO.TEST two.test
presents echo any.wild.test wild.test
presents echo far.any.wild.test one.test
presents echo wild.test one.test
presents echo other.test one.test
presents echo nothing one.test
presents strict two.test two.test
keeps_out "a name that no certificate has, with strict_sni" strict --name other.test
ended strict "no name"
is "a certificate is good for its name" "$(tls_call echo hello --name two.test "${believing[@]}")" hello
is "and for a name that its wildcard covers" "$(tls_call echo hello --name any.wild.test "${believing[@]}")" hello

# -- protocols --------------------------------------------------------------------------------------------------------

for version in 1.2 1.3; do
	is "TLS $version" "$(tls_call echo hello --name one.test "${believing[@]}" --version $version)" hello
	is "it is what was agreed on" "$(fact version)" TLSv$version
	is "the handshake byte by byte, in TLS $version" "$(tls_call echo hello --trickle --version $version)" hello
	tls_call echo hello --resume --times 2 --version $version >/dev/null
	is "the second connection resumes in TLS $version" "$(fact resumed)" yes
	recorded "its record says so" echo "tls=TLSv${version/./\\.} .*resumed=yes "
	tls_call alone hello --resume --times 2 --version $version >/dev/null
	is "without tickets it does not, in TLS $version" "$(fact resumed)" no
done
keeps_out "TLS 1.2 where 1.3 is wanted" new --version 1.2
ended new "no version"
check "TLS 1.1 is refused" not timeout $((10 * slowness)) openssl s_client -tls1_1 -cipher 'ALL:@SECLEVEL=0' -connect "$(at alone)"
ended alone "no version"
keeps_out "a client without a cipher in common" alone --ciphers TLS_CHACHA20_POLY1305_SHA256 --version 1.3
ended alone "no cipher"
tls_call echo hello --alpn h2,echo >/dev/null
is "the protocol in common is chosen" "$(fact alpn)" echo
tls_call echo hello --alpn echo,http/1.1 >/dev/null
is "the daemon's order counts" "$(fact alpn)" http/1.1
recorded "the record says which" echo 'alpn=echo '
keeps_out "a client without a protocol in common" echo --alpn h2,spdy/3
ended echo "no alpn"
is "a hello of 15000 bytes" "$(tls_call echo hello --hello-bytes 15000)" hello
is "a hello that has to be said twice" "$(tls_call echo hello --groups P-521:X25519)" hello

# came_back VERSION NAME: a client that has a session of one.test comes with it and asks for that name.
came_back() {
	rm -f "$work/session"
	tls_call echo hello --name one.test --version "$1" --session "$work/session" >/dev/null
	tls_call echo hello --name "$2" --version "$1" --session "$work/session" >/dev/null
}
came_back 1.2 one.test
is "a session of TLS 1.2 is resumed under its name" "$(fact resumed) $(fact subject)" "yes CN=one.test"
came_back 1.2 two.test
is "and under another one it is not, which has its own certificate" "$(fact resumed) $(fact subject)" "no CN=two.test"
recorded "the record has the name that was asked for" echo 'tls=TLSv1\.2 .* sni=two\.test alpn.*resumed=no |tls=TLSv1\.2 .* sni=two\.test resumed=no '
rm -f "$work/session"
tls_call strict hello --name one.test --version 1.2 --session "$work/session" >/dev/null
keeps_out "a session does not let another name in, with strict_sni" strict --name other.test --version 1.2 --session "$work/session"
ended strict "no name" 2

# -- ends -------------------------------------------------------------------------------------------------------------

is "discard ends with close_notify" "$(tls_call sink hello) $?" " 0"
check "so does http, when nobody asked for anything in time" tls_run hear --to "$(at brief)" ""
tls_says "or for nothing more" 'HTTP/1.1 200 .*' hear --to "$(at brief)" $'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n'
recorded "the record says so" brief 'requests=1 .*end="idle timeout"'

# What nobody waits for travels with what somebody does: the server's flight, the ticket with the echo, close_notify. A machine
# that is busy elsewhere may tear them apart.
fewest=99
for ((i = 0; i < 50 && fewest > 3; i++)); do
	tls_call few hello --version 1.3 >/dev/null
	segments=$(fact segments)
	fewest=$((segments < fewest ? segments : fewest))
done
is "a handshake, an echo and the end take three segments" "$fewest" 3

# -- what the operator is told ----------------------------------------------------------------------------------------

check "a certificate that has expired is warned of" log_has 'level=warning msg="certificate has expired".* file="?[^ ]*/old\.pem'
is "and used all the same" "$(tls_call old hello)" hello
oracles

table=$("$CORELAYD" --check --config "$work/corelay.ini" 2>&1)
is "--check succeeds" $? 0
expires=$(date -ud "$(openssl x509 -noout -enddate -in "$certs/wild.pem" | sed 's/.*=//')" +%Y-%m-%d)
matches "it prints a table of the certificates" "$table" "three +$expires.* \*\.wild\.test +$certs/wild\.pem"
matches "with a warning" "$table" "$certs/old\.pem.*expired"

# complains NAME PATTERN LINE...: a case: --check refuses a section with these lines, and points at one of them.
complains() {
	local name=$1 pattern=$2 complaint status
	shift 2
	{
		service echo echo "tls = x"
		tls_section x "$@"
	} >"$work/bad.ini"
	complaint=$("$CORELAYD" --check --config "$work/bad.ini" 2>&1)
	status=$?
	if [ $status -ne 0 ] && [[ $complaint =~ bad\.ini:[0-9]+:[^$'\n']*($pattern) ]]; then
		ok "$name"
	else
		not_ok "$name" "status $status" "$complaint"
	fi
}
cp "$certs/one.key" "$certs/open.key"
chmod 644 "$certs/open.key"
complains "a key that is not the certificate's" 'key|match' "certificate = $certs/one.pem" "key = $certs/two.key"
complains "a key that the world may read" '[Oo]ther|0600|mode|permission|access' "certificate = $certs/one.pem" "key = $certs/open.key"
complains "a key that is not there" 'No such file' "certificate = $certs/one.pem" "key = $certs/none.key"
complains "a certificate that is not there" 'No such file' "certificate = $certs/none.pem" "key = $certs/one.key"
complains "a certificate that is none" 'certificate|PEM' "certificate = $work/corelay.ini" "key = $certs/one.key"
complains "a certificate without a key" 'key' "certificate = $certs/one.pem"
complains "nothing to present" 'certificate' "tickets = on"
complains "a cipher that does not exist" 'cipher' "$(pair one)" "ciphers = NO-SUCH-CIPHER"
if [ "$(id -u)" -ne 0 ]; then
	chmod 000 "$certs/open.key"
	complains "a key that may not be read" 'denied' "certificate = $certs/one.pem" "key = $certs/open.key"
else
	skip "a key that may not be read" "root may read everything"
fi

# Who waits for nothing when the daemon stops is told so.
start_corelayd
"$tls_peer" hear --to "$(at web)" $'GET / HTTP/1.1\r\nHost: one.test\r\n\r\n' >"$work/heard" 2>"$work/heard.log" </dev/null &
hearer=$!
children+=("$hearer")
check "a client is idle between two requests" wait_until 10 has_line "$work/heard" 'HTTP/1.1 200'
stop_corelayd
status=0
wait "$hearer" || status=$?
is "its connection ends with close_notify" "$status $(cat "$work/heard.log")" "0 "

# -- without a file ---------------------------------------------------------------------------------------------------

start_corelayd http 127.0.0.1:0 --self-signed
warm_up http
address=$(grep 'msg="\?listening' "$work/log" | field bound | head -n 1)
is "--self-signed prints the fingerprint of its certificate" \
	"$(sed -nE 's/.*SHA-256 ([0-9A-F:]+).*/\1/p' "$work/log" | head -n 1)" \
	"$(openssl s_client -connect "$address" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 | sed 's/.*=//')"
# tried PROGRAM: the line that is printed for it, run.
tried() {
	eval "timeout $((20 * slowness)) $(sed -nE "s/^ *try: ($1 .*)/\\1/p" "$work/log")" 2>&1
}
matches "the line for curl works as it is printed" "$(tried curl)" '(^|[^a-z])tls: TLSv1|Corelay|200'
# -quiet keeps it there until the server ends.
matches "so does the one for openssl" \
	"$(printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' | tried openssl)" 'HTTP/1.1 200'
oracles
finish
