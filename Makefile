# Everything that one does with a checkout. Needs make, a shell and Python 3.11 or newer with venv; the rest is fetched.

PYTHON = python3
SECONDS = 60
UPGRADE =
VENV = .venv/bin/python
export PYTHON

# Where `make run` keeps its keys. The printed command names it from the folder where make was called.
ifeq ($(PWD),$(CURDIR))
QUICKSTART = quickstart
else
QUICKSTART = $(CURDIR)/quickstart
endif
export QUICKSTART

.PHONY: help run test test-long check fuzz bench lock clean

help:
	@echo 'make run        serve on https://localhost:8080 with mutual TLS (PORT=9000 for another port)'
	@echo 'make test       the everyday tests'
	@echo 'make test-long  the long ones: fuzzing, crash loops, soak'
	@echo 'make check      format, lint, types, import rules, docs'
	@echo 'make fuzz       every fuzz target for SECONDS=60'
	@echo 'make bench      the benchmarks'
	@echo 'make lock       compile requirements/*.in to *.txt (UPGRADE=--upgrade for newer versions)'
	@echo 'make clean      remove what was built, .venv too; quickstart/ stays, it holds keys'

# exec: signals reach the server itself, so that Ctrl-C ends it in order
run:
	@sh scripts/venv main
	@port=$${SERVER_PORT:-$${PORT:-}}; \
	if [ -n "$$port" ]; then \
		SERVER_PORT=$$port HSMGATE_RESPONDER_LISTEN=$${HSMGATE_RESPONDER_LISTEN:-127.0.0.1:$$((port + 1))}; \
		export SERVER_PORT HSMGATE_RESPONDER_LISTEN; else unset SERVER_PORT; fi; \
	$(VENV) -m hsmgate quickstart --if-missing "$$QUICKSTART" && \
	exec $(VENV) -m hsmgate serve --config "$$QUICKSTART/config-files"

test:
	@sh scripts/debian-packages curl=curl openssl=openssl keytool=default-jre-headless certutil=libnss3-tools \
		systemd-analyze=systemd docker-compose=docker-compose softhsm2-util=softhsm2 pkcs11-tool=opensc p11-kit=p11-kit g++=g++ \
		setpriv=util-linux mariadbd=mariadb-server-core
	@sh scripts/postgresql
	@sh scripts/venv dev
	$(VENV) -m pytest -n 2 -m 'not long'

test-long:
	@sh scripts/debian-packages curl=curl openssl=openssl javac=default-jdk-headless go=golang-go golang-golang-x-crypto-dev \
		softhsm2-util=softhsm2 pkcs11-tool=opensc p11-kit=p11-kit g++=g++ \
		chromium=chromium certutil=libnss3-tools unshare=util-linux systemd-analyze=systemd \
		docker-compose=docker-compose strace=strace buildah=buildah podman=podman runc=runc debootstrap=debootstrap \
		setpriv=util-linux mariadbd=mariadb-server-core
	@sh scripts/postgresql
	@sh scripts/venv dev
	$(VENV) -m pytest -n 1 -m long
	@sh scripts/fuzz 600

check:
	@sh scripts/venv dev
	$(VENV) -m ruff format --check .
	$(VENV) -m ruff check .
	$(VENV) -m mypy
	.venv/bin/lint-imports
	@find src -name '*.py' -exec awk 'FNR == 401 { print FILENAME ": more than 400 lines"; long = 1 } END { exit long }' {} +
	$(VENV) -m pytest -n 2 -m 'not long' tests/docs

fuzz:
	@sh scripts/venv dev
	@sh scripts/fuzz $(SECONDS)

bench:
	@sh scripts/debian-packages nginx=nginx-light openssl=openssl softhsm2-util=softhsm2
	@sh scripts/venv dev
	$(VENV) -m bench

# uv lives in a folder of its own for the moment; it resolves for the oldest Python that we support.
# twofish is left out: only BKS stores need it, and it would need a C compiler.
lock:
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	$(PYTHON) -m venv "$$tmp" && "$$tmp/bin/python" -m pip install -q uv && \
	for name in main dev; do \
		"$$tmp/bin/uv" pip compile -q $(UPGRADE) --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
			--no-emit-package twofish -o "requirements/$$name.txt" "requirements/$$name.in" || exit 1; \
	done

clean:
	rm -rf .venv build dist bench/out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf src/hsmgate.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
