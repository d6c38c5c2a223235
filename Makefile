# The front door: `make demo` shows it, `make run` serves, `make check` proves it. Meson and ninja build.

PREFIX ?= /usr/local
WERROR := $(if $(filter true,$(CI)),true,false)

.PHONY: all demo run check bench sim crash faults fuzz coverage mutate install clean

all:
	@tools/install-deps build
	@TARGETS=turnpike tools/build build -Dprefix=$(PREFIX) -Dwerror=$(WERROR)

# Takes payments through every part of turnpike, on screen.
demo: all
	@build/turnpike demo

# The gateway with its sandbox on 127.0.0.1:8080, data in ./turnpike-data; Ctrl-C ends it.
# ARGS="--listen 127.0.0.1:0" adds options.
run: all
	@build/turnpike serve $(ARGS)

# Style, unit, API and crash tests, sanitizers; CI=true makes warnings errors.
check:
	@tools/install-deps build check
	@tools/check

# Figures beside PostgreSQL, the disk and a bare HTTP server. ARGS="--seconds 2 --fill 50000" shortens it.
bench: all
	@tools/install-deps bench
	@bench/run --turnpike build/turnpike $(ARGS)

# The simulation: SEEDS runs, each played from its seed alone. FIRST=n begins elsewhere.
sim:
	@tools/install-deps build
	@SEEDS=$(or $(SEEDS),1000) tools/sim

# Kills the gateway under load: at random, at named points of its write path, with the power. At least 2 x KILLS times.
crash: all
	@tools/install-deps check
	@CRASH_KILLS=$(or $(KILLS),100) TURNPIKE=$(CURDIR)/build/turnpike PYTHONDONTWRITEBYTECODE=1 \
		/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/crash

# The n-th allocation, write, sync, send and receive fails, for every n: that takes hours. FAULTS_SECONDS=n ends it.
faults: all
	@tools/install-deps check
	@FAULTS_SECONDS=$(or $(FAULTS_SECONDS),0) TURNPIKE=$(CURDIR)/build/turnpike PYTHONDONTWRITEBYTECODE=1 \
		/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/faults

# Every fuzz target of tests/fuzz for FUZZ_SECONDS each.
fuzz:
	@tools/install-deps build fuzz
	@tools/fuzz

# Which lines the tests reach.
coverage:
	@tools/install-deps build check
	@tools/coverage

# Plants small mistakes into the money core, one at a time; the unit tests must notice. MUTANTS=all plants all.
mutate:
	@tools/install-deps build check
	@tools/mutate

# To PREFIX, under DESTDIR when that is given.
install: all
	@meson install -C build --no-rebuild --quiet

clean:
	rm -rf build build-check build-san build-tsan build-cov build-mutate build-fuzz build-fuzz-fast
