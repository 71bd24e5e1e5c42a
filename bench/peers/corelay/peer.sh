# Everything at its default: limits, timeouts, counters, the record of each connection. Only the number of connections is
# allowed to be as large as the largest workload.
serves="echo relay http"

build() {
	program=$BUILD_DIR/corelayd
	[ -x "$program" ] || echo "$program is not built"
}

run() {
	case $1 in
	echo | http) launch "$program" "$1" "$2" -s daemon.max_connections=20000 ;;
	relay) launch "$program" proxy "$2" --to "$3" -s daemon.max_connections=20000 ;;
	esac
}
