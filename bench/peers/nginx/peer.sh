# A master and one worker, as Debian runs it on one processor. Access logs are off: Corelay writes a record for each connection,
# not for each request. Half-close is passed on, as Corelay does. Of TLS, its defaults: tickets, no cache of sessions.
serves="relay http tls"
packages="nginx libnginx-mod-stream"

build() {
	program=$(PATH=$PATH:/usr/sbin command -v nginx) || echo "nginx is not installed"
	[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || echo "its stream module is not installed"
}

run() {
	mkdir -p "$scratch/nginx"
	{
		[ "$1" = http ] || echo "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"
		cat <<-END
			daemon off;
			pid $scratch/nginx/pid;
			error_log $scratch/nginx/error.log;
			worker_processes 1;
			worker_rlimit_nofile $(ulimit -n);
			events { worker_connections $(ulimit -n); }
		END
		"serve_$1" "$2" "${3:-}"
	} >"$scratch/nginx/nginx.conf"
	launch "$program" -p "$scratch/nginx" -c "$scratch/nginx/nginx.conf" -e "$scratch/nginx/error.log"
}

serve_relay() {
	cat <<-END
		stream {
			server {
				listen $1 backlog=4096;
				proxy_pass $2;
				proxy_connect_timeout 5s;
				proxy_timeout 1h;
				proxy_half_close on;
			}
		}
	END
}

serve_tls() {
	cat <<-END
		stream {
			server {
				listen $1 ssl backlog=4096;
				ssl_certificate $certificate;
				ssl_certificate_key $key;
				ssl_protocols TLSv1.2 TLSv1.3;
				proxy_pass $2;
				proxy_connect_timeout 5s;
				proxy_timeout 1h;
				proxy_half_close on;
			}
		}
	END
}

serve_http() {
	cat <<-END
		http {
			access_log off;
			keepalive_requests 1000000000;
			client_body_temp_path $scratch/nginx/body;
			proxy_temp_path $scratch/nginx/proxy;
			fastcgi_temp_path $scratch/nginx/fastcgi;
			uwsgi_temp_path $scratch/nginx/uwsgi;
			scgi_temp_path $scratch/nginx/scgi;
			server {
				listen $1 backlog=4096;
				default_type text/plain;
				location / { return 200 "$http_body\n"; }
			}
		}
	END
}
