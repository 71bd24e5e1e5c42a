# A protocol of asyncio on libuv's loop; Debian's own Python, whichever else comes first in the path.
serves="echo"
packages="python3-uvloop"

build() {
	program=/usr/bin/python3
	"$program" -c 'import uvloop' 2>/dev/null || echo "uvloop is not installed"
}

run() {
	launch "$program" "$peer/echo.py" "$2"
}
