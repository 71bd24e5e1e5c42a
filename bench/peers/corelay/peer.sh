# Everything at its default: limits, timeouts, counters, the record of each connection. Only the number of connections is
# allowed to be as large as the largest workload.
serves="echo relay http tls"

build() {
	program=$BUILD_DIR/corelayd
	[ -x "$program" ] || echo "$program is not built"
}

run() {
	case $1 in
	echo | http) launch "$program" "$1" "$2" -s daemon.max_connections=20000 ;;
	relay) launch "$program" proxy "$2" --to "$3" -s daemon.max_connections=20000 ;;
	tls)
		mkdir -p "$scratch/corelay"
		cat >"$scratch/corelay/corelay.ini" <<-END
			[daemon]
			max_connections = 20000
			[service front]
			type = proxy
			listen = $2
			upstream = back
			tls = bench
			[tls bench]
			certificate = $certificate
			key = $key
			[upstream back]
			server = $3
		END
		launch "$program" --config "$scratch/corelay/corelay.ini" ;;
	esac
}
