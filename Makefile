# The front door: `make demo` shows it, `make run` serves, `make check` proves it. Meson and ninja build.

PREFIX ?= /usr/local
WERROR := $(if $(filter true,$(CI)),true,false)

.PHONY: all demo run check bench fuzz coverage install clean

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

# Every fuzz target of tests/fuzz for FUZZ_SECONDS each.
fuzz:
	@tools/install-deps build fuzz
	@tools/fuzz

# Which lines the tests reach.
coverage:
	@tools/install-deps build check
	@tools/coverage

# To PREFIX, under DESTDIR when that is given.
install: all
	@meson install -C build --no-rebuild --quiet

clean:
	rm -rf build build-check build-san build-tsan build-cov build-fuzz
