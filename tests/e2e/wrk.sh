#!/bin/bash
# wrk.sh - wrk has nothing to complain about: not at the http service, and not through the proxy in front of it.
. "$(dirname "$0")/lib.sh"
need wrk
. "$(dirname "$0")/clients.sh"

config <<-END
	[service web]
	type = http
	listen = 127.0.0.1:0, unix:$work/web.sock

	[service front]
	type = proxy
	listen = 127.0.0.1:0
	upstream = web

	[upstream web]
	server = unix:$work/web.sock
END
start_corelayd

# load NAME PORT PATH [CONNECTIONS]: two seconds of it; socket errors, timeouts and answers other than 2xx and 3xx are failures.
load() {
	local output requests
	output=$(timeout $((30 * slowness)) wrk -t 1 -c "${4:-50}" -d 2s --timeout $((2 * slowness))s "http://127.0.0.1:$2$3" 2>&1)
	requests=$(sed -nE 's/^ *([0-9]+) requests in .*/\1/p' <<<"$output")
	note "$1: $(sed -nE 's/^Requests\/sec: */requests per second: /p' <<<"$output")"
	if [ "${requests:-0}" -gt 0 ] && ! grep -qE 'Socket errors|Non-2xx|unable' <<<"$output"; then
		ok "$1"
	else
		not_ok "$1" "$output"
	fi
}

load "wrk at the http service" "$(port_of web)" /
load "wrk with 200 connections" "$(port_of web)" / 200
load "wrk at 100000 bytes each" "$(port_of web)" /bytes/100000 20
load "wrk through the proxy" "$(port_of front)" /
load "wrk through the proxy at 100000 bytes each" "$(port_of front)" /bytes/100000 20

oracles
finish
