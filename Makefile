# Two commands set everything up on a fresh Debian 12 or Alpine with Rust: make demo, make test.
.POSIX:
.PHONY: demo test test-all test-vm vm package-alpine package-debian fuzz build bench install clean

demo:
	@scripts/demo

test:
	@scripts/test

test-all:
	@SEGWALL_FULL=1 scripts/test

# The lab under Debian's own kernel in a virtual machine: real VLAN devices.
test-vm:
	@scripts/test-vm

# The packages in virtual machines with the real Alpine and a Debian: installed, applied, rebooted, tried.
vm:
	@scripts/vm

# Into target/packages.
package-alpine:
	@scripts/package alpine

package-debian:
	@scripts/package debian

# Ten minutes for every reader (SECONDS_EACH=600); Ctrl-C stops. What is found is in target/fuzz/found.
fuzz:
	@scripts/fuzz

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
