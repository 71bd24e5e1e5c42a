# The yardstick: see bench/ceiling.c.
serves="echo relay http"

build() {
	program=$BUILD_DIR/bench/ceiling
	[ -x "$program" ] || echo "$program is not built"
}

run() {
	case $1 in
	echo | http) launch "$program" "$1" "$2" ;;
	relay) launch "$program" relay "$2" --to "$3" ;;
	esac
}
