# Everything a person or CI runs. `make demo` and `make test` install what they miss.

.PHONY: demo tour test lint bench soak deny tools

CARGO ?= cargo
# Arguments for the demo: make demo ARGS="--origin http://127.0.0.1:8000"
ARGS ?=
# Which figures: make bench NAMES="state rules"
NAMES ?= state rules reload peers
# How often the soak repeats the tour.
ROUNDS ?= 10

demo: tools
	$(CARGO) run --quiet --locked -p selvedge -- demo $(ARGS)

tour: tools
	$(CARGO) run --quiet --locked -p selvedge -- demo --tour

# The runner's summary comes last, so the examples in the documentation come first.
test: tools
	$(CARGO) test --locked --workspace --doc --quiet
	@if command -v cargo-nextest >/dev/null 2>&1; \
	then $(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else $(CARGO) test --locked --workspace --no-fail-fast --lib --bins --tests; fi

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

# The release build: fat LTO, one codegen unit; the first one takes some minutes.
bench: tools
	$(CARGO) build --quiet --locked --release --workspace --bins
	@for name in $(NAMES); do target/release/selvedge-bench $$name || exit 1; done

soak: tools
	$(CARGO) build --quiet --locked -p selvedge
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)"; target/debug/selvedge demo --tour || exit 1; done

# Bans, licences and sources. The advisory database is asked only with ADVISORIES=1: it may be out of reach.
deny:
	@command -v cargo-deny >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check bans licenses sources $(if $(ADVISORIES),advisories)

# Pingora's zlib-ng needs cmake and a C compiler.
tools:
	@command -v $(CARGO) >/dev/null 2>&1 || { echo "A Rust toolchain is needed (cargo, 1.95 or newer)."; exit 1; }
	@if ! command -v cmake >/dev/null 2>&1 || ! command -v cc >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; \
	  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq cmake gcc g++ make >/dev/null; \
	  else echo "Please install cmake and a C compiler (Debian: apt install cmake gcc g++)."; exit 1; fi; fi
