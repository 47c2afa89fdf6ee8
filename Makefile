# SPDX-License-Identifier: Apache-2.0
# This file only dispatches; tools/ does the work. `make help` lists what there is.

.DEFAULT_GOAL := help
.PHONY: lab-build help demo test test-all build lab run fetch packages lint fuzz repro hardening-report tpm-report bench powercut soak corpus clean
NAME ?= first

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: packages ## build all, boot a gateway, then see a tampered kernel refused
	@tools/demo

test: packages ## run every test, of long lists a share; ends with "N passed, N failed"
	@tools/test

test-all: packages ## the same with long lists completely (slower)
	@tools/test --all

build: packages fetch ## build the gateway's firmware and root image (needs no network after fetch)
	@tools/build gateway

lab: packages fetch ## build the lab flavour and start it with a root shell on the console
	@tools/build lab
	@tools/gateway run lab --flavour lab

run: build ## boot a gateway (NAME=first) and attach to its console; ctrl-] detaches
	@tools/gateway run $(NAME)

fetch: packages ## download the pinned third-party sources and packages
	@tools/fetch

packages: ## install missing Debian packages (the only step that needs root)
	@tools/packages

lint: packages ## formatters, linters and our own rules, without building images
	@tools/lint

fuzz: packages ## fuzz everything that parses (or FUZZ_TARGETS), FUZZ_SECONDS (600) for each target
	@tools/fuzz $(or $(FUZZ_SECONDS),600) $(FUZZ_TARGETS)

repro: packages fetch ## build twice in two folders and compare FIP, kernel and root image
	@tools/repro

hardening-report: packages fetch ## kernel, unit and file hardening of the built gateway
	@tools/hardening-report

tpm-report: packages fetch ## what the TPM adds to sizes and to the time of a boot
	@tools/tpm-report --limit --pairs $(or $(PAIRS),5)

bench: lab-build ## a deep check beside SHA-256, the verifier beside OpenSSL, updates beside other ways, what the monitor costs
	@tools/bench --limit
	@tools/bench-verifier --limit
	@tools/bench-update --limit
	@/usr/bin/python3 -m pytest -q -s -p no:cacheprovider tests/bench

powercut: lab-build ## POWERCUT_RUNS (1000000) simulated updates and POWERCUT_GATEWAYS (500) whole ones, with power cuts
	@tools/powercut $(or $(POWERCUT_RUNS),1000000) --gateways $(or $(POWERCUT_GATEWAYS),500)

soak: lab-build ## SOAK (500) deep checks under load, without a false alarm
	@KAPU_SOAK=$(or $(SOAK),500) /usr/bin/python3 -m pytest -q -p no:cacheprovider \
		tests/attacks/test_watching.py -k load

corpus: lab-build ## every attack of the lab's corpus, seen by the secure world
	@KAPU_CORPUS=all /usr/bin/python3 -m pytest -q -p no:cacheprovider \
		tests/attacks/test_watching.py -k secure_world_finds

lab-build: build
	@tools/build lab

clean: ## remove build/ (keys and the cache outside the tree stay)
	@tools/clean
