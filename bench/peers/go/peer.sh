# A goroutine for each connection and io.Copy, which splices between sockets; net/http.
serves="echo relay http"
packages="golang-go"
unfit="many-relay: two pipes for each session that is waiting exceed the limit of descriptors"

build() {
	program=$peer_build/go-server
	if ! command -v go >/dev/null; then
		echo "go is not installed"
	elif [ "$peer/main.go" -nt "$program" ]; then
		GO111MODULE=off GOFLAGS= GOCACHE=$peer_build/go-cache go build -o "$program" "$peer/main.go" ||
			echo "it does not build"
	fi
}

run() {
	local arguments=("$@")
	[ "$1" != http ] || arguments+=("$http_body")
	GOMAXPROCS=1 launch "$program" "${arguments[@]}"
}
