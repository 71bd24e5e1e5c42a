# One worker under its parent, which is all that it does: the client's TLS ends, the rest goes on in the clear. Debian
# builds it without a session cache; the tickets that OpenSSL gives by itself are what is resumed.
serves="tls"
packages="hitch"

build() {
	program=$(PATH=$PATH:/usr/sbin command -v hitch) || echo "hitch is not installed"
}

run() {
	mkdir -p "$scratch/hitch"
	cat >"$scratch/hitch/hitch.conf" <<-END
		frontend = "[${2%:*}]:${2##*:}"
		backend = "[${3%:*}]:${3##*:}"
		backlog = 4096
		workers = 1
		pem-file = "$key_and_certificate"
		tls-protos = TLSv1.2 TLSv1.3
		$([ "$(id -u)" -ne 0 ] || echo 'user = "nobody"')
	END
	launch "$program" --config="$scratch/hitch/hitch.conf"
}
