# A task for each connection on the single-threaded runtime, built from Debian's packages of Rust sources only.
serves="echo relay"
packages="librust-tokio-dev cargo rustc"

build() {
	local registry=/usr/share/cargo/registry
	program=$peer_build/tokio/target/release/tokio-server
	if ! command -v cargo >/dev/null; then
		echo "cargo is not installed"
	elif [ -z "$(find $registry -maxdepth 1 -name 'tokio-1*' -print -quit 2>/dev/null)" ]; then
		echo "tokio is not installed"
	elif [ "$peer/main.rs" -nt "$program" ] || [ "$peer/Cargo.toml" -nt "$program" ]; then
		mkdir -p "$peer_build/tokio" && cp "$peer/main.rs" "$peer/Cargo.toml" "$peer_build/tokio"
		(cd "$peer_build/tokio" && CARGO_HOME=$peer_build/cargo CARGO_TARGET_DIR=target cargo build --quiet --release --offline \
			--config 'source.crates-io.replace-with="debian"' --config "source.debian.directory=\"$registry\"") ||
			echo "it does not build"
	fi
}

run() {
	launch "$program" "${@:2}"
}
