# A coroutine for each connection, on poll(2): Debian's library is built without epoll.
serves="echo"
packages="libst-dev gcc"

build() {
	program=$peer_build/state-threads
	if [ ! -e /usr/include/st.h ]; then
		echo "libst is not installed"
	elif [ "$peer/echo.c" -nt "$program" ]; then
		gcc -O2 -o "$program" "$peer/echo.c" -lst || echo "it does not build"
	fi
}

run() {
	launch "$program" "$2"
}
