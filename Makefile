# Two commands set everything up on a fresh Debian 12 or Alpine with Rust: make demo, make test.
.POSIX:
.PHONY: demo test test-all test-vm build bench install clean

demo:
	@scripts/demo

test:
	@scripts/test

test-all:
	@SEGWALL_FULL=1 scripts/test

# The lab under Debian's own kernel in a virtual machine: real VLAN devices.
test-vm:
	@scripts/test-vm

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
