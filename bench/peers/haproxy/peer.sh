# One thread under a master, the timeouts that Corelay has. Its own judgement decides when to splice. Of TLS, sessions
# live in tickets alone, as everywhere here: its cache of sessions is off.
serves="relay http tls"
packages="haproxy"

build() {
	program=$(PATH=$PATH:/usr/sbin command -v haproxy) || echo "haproxy is not installed"
}

run() {
	maxpipes=256
	maxconn=$((($(ulimit -n) - 2 * maxpipes - 200) / 2))
	mkdir -p "$scratch/haproxy"
	{
		cat <<-END
			global
			    nbthread 1
			    maxconn $maxconn
			    maxpipes $maxpipes
			    tune.ssl.cachesize 0
			defaults
			    timeout connect 5s
			    timeout client 1h
			    timeout server 1h
		END
		"serve_$1" "$2" "${3:-}"
	} >"$scratch/haproxy/haproxy.cfg"
	launch "$program" -W -f "$scratch/haproxy/haproxy.cfg"
}

serve_relay() {
	cat <<-END
		listen front
		    mode tcp
		    option splice-auto
		    bind $1 backlog 4096
		    maxconn $maxconn
		    server back $2
	END
}

serve_tls() {
	cat <<-END
		listen front
		    mode tcp
		    bind $1 backlog 4096 ssl crt $key_and_certificate ssl-min-ver TLSv1.2
		    maxconn $maxconn
		    server back $2
	END
}

serve_http() {
	cat <<-END
		frontend front
		    mode http
		    bind $1 backlog 4096
		    timeout http-request 10s
		    timeout http-keep-alive 5m
		    http-request return status 200 content-type text/plain string "$http_body\n"
	END
}
