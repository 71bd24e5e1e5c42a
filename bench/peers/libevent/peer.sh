# Buffer events with callbacks, as the library's book teaches it.
serves="echo relay"
packages="libevent-dev gcc"

build() {
	program=$peer_build/bufferevent
	if [ ! -e /usr/include/event2/bufferevent.h ]; then
		echo "libevent is not installed"
	elif [ "$peer/bufferevent.c" -nt "$program" ]; then
		gcc -O2 -o "$program" "$peer/bufferevent.c" -levent || echo "it does not build"
	fi
}

run() {
	launch "$program" "${@:2}"
}
