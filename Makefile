# Everything a person or CI runs. `make demo` and `make test` install what they miss.

.PHONY: demo tour test lint bench fuzz soak deny loom tools tools-test

CARGO ?= cargo
# Arguments for the demo: make demo ARGS="--origin http://127.0.0.1:8000"
ARGS ?=
# Which figures: make bench NAMES="state rules"
NAMES ?= state limits rules reload cache purge sessions peers
# Which fuzz targets run.
TARGETS ?= frames snapshot config expression request session challenge

demo: tools
	$(CARGO) run --quiet --locked -p selvedge -- demo $(ARGS)

tour: tools
	$(CARGO) run --quiet --locked -p selvedge -- demo --tour

# The runner's summary comes last, so the examples in the documentation come first.
test: tools tools-test
	$(CARGO) test --locked --workspace --doc --quiet
	@if command -v cargo-nextest >/dev/null 2>&1; \
	then $(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else $(CARGO) test --locked --workspace --no-fail-fast --lib --bins --tests; fi

# What threads share, in every order that the memory model allows: `--cfg loom` puts loom where std was (state/src/sync.rs).
loom: tools
	RUSTFLAGS="--cfg loom" $(CARGO) test --locked --release --target-dir target/loom -p selvedge-state --lib schedules

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

# The release build: fat LTO, one codegen unit; the first one takes some minutes.
bench: tools
	$(CARGO) build --quiet --locked --release --workspace --bins --examples
	@for name in $(NAMES); do target/release/selvedge-bench $$name || exit 1; done

# Nine processes in network namespaces (on loopback where none may be made), and trouble by a seed: SECONDS=600 SEED=7.
soak: SECONDS ?= 600
soak: tools
	$(CARGO) build --quiet --locked -p selvedge --bins --examples
	target/debug/examples/soak --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# Everything that reads bytes from outside, with random bytes; what is found is kept in fuzz/corpus, which `make test` replays.
# Stable Rust has no sanitizers, and here is no unsafe code that would need them.
fuzz: SECONDS ?= 60
fuzz: tools
	@command -v cargo-fuzz >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@for target in $(TARGETS); do \
	  $(CARGO) fuzz run --sanitizer none $$target -- -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=2048 || exit 1; done

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

# Nodes that reach each other over NATS are tested with its server, which Debian keeps where a user's path may not lead; challenges with a
# browser.
tools-test:
	@if ! command -v nats-server >/dev/null 2>&1 && ! test -x /usr/sbin/nats-server; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; \
	  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nats-server >/dev/null; \
	  else echo "Please install nats-server (Debian: apt install nats-server)."; exit 1; fi; fi
	@if ! command -v chromium >/dev/null 2>&1 && ! command -v chromium-browser >/dev/null 2>&1 && ! command -v google-chrome >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; \
	  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else echo "Please install Chromium (Debian: apt install chromium)."; exit 1; fi; fi
