# Two commands set everything up on a fresh Debian 12 or Alpine with Rust: make demo, make test.
.POSIX:
.PHONY: demo test test-all build bench install clean

demo:
	@scripts/demo

test:
	@scripts/test

test-all:
	@SEGWALL_FULL=1 scripts/test

build:
	cargo build --locked --package segwall

bench:
	cargo bench --locked --workspace

# The binary, its man pages and completions: make install PREFIX=/usr DESTDIR=pkg
PREFIX = /usr/local
DESTDIR =
install:
	cargo build --locked --release --package segwall
	@scripts/install "$(DESTDIR)$(PREFIX)"

clean:
	cargo clean
