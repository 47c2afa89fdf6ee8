# SPDX-License-Identifier: Apache-2.0
# This file only dispatches; tools/ does the work. `make help` lists what there is.

.DEFAULT_GOAL := help
.PHONY: help demo test build lab run fetch packages lint fuzz repro hardening-report tpm-report bench clean
NAME ?= first

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: packages ## build all, boot a gateway, then see a tampered kernel refused
	@tools/demo

test: packages ## run every test; ends with "N passed, N failed"
	@tools/test

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

fuzz: packages ## fuzz everything that parses, FUZZ_SECONDS (600) for each target
	@tools/fuzz $(or $(FUZZ_SECONDS),600)

repro: packages fetch ## build twice in two folders and compare FIP, kernel and root image
	@tools/repro

hardening-report: packages fetch ## kernel, unit and file hardening of the built gateway
	@tools/hardening-report

tpm-report: packages fetch ## what the TPM adds to sizes and to the time of a boot
	@tools/tpm-report --limit --pairs $(or $(PAIRS),5)

bench: build ## time and memory of a deep check, beside plain SHA-256 of as many bytes
	@tools/bench --limit

clean: ## remove build/ (keys and the cache outside the tree stay)
	@tools/clean
