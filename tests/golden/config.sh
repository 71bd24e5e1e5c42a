#!/bin/sh
# config.sh - every broken configuration is refused in exactly the words that were agreed on.
#
# Each config/NAME.ini has beside it what `corelayd --check` must print, NAME.expected. To agree on new words, run with UPDATE=1
# and read the difference.

here=$(cd "$(dirname "$0")" && pwd) || exit 99
daemon=${CORELAYD:-./corelayd}
case $daemon in
/*) ;;
*) daemon=$PWD/$daemon ;;
esac
[ -x "$daemon" ] || { echo "Bail out! there is no program $daemon"; exit 99; }

actual=$(mktemp) || exit 99
trap 'rm -f "$actual"' EXIT
cd "$here/config" || exit 99

unset CORELAY_TEST_NONE CORELAY_TEST_TIME
export CORELAY_TEST_LIST=':1x, :2x' CORELAY_TEST_WORD=hour CORELAY_TEST_DOLLAR='${HOME}'
CORELAY_TEST_LINES='10.0.0.0/8
evil = 1'
export CORELAY_TEST_LINES

set -- *.ini
echo "1..$#"
failures=0
number=0
for file in "$@"; do
	number=$((number + 1))
	name=${file%.ini}
	timeout 20 "$daemon" --check --config "$file" >"$actual" 2>&1
	status=$?
	[ -z "$UPDATE" ] || cp "$actual" "$name.expected"
	if [ $status -eq 78 ] && difference=$(diff -u "$name.expected" "$actual"); then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		echo "# exit status $status, and should be 78"
		printf '%s\n' "$difference" | sed 's/^/# /'
		failures=$((failures + 1))
	fi
done
[ $failures -eq 0 ]
