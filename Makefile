# SPDX-License-Identifier: MIT

GO         ?= go
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR    ?=
UNITDIR    ?= $(PREFIX)/lib/systemd/system
# Of the nginx that connects to the socket.
NGINX_GROUP ?= $(shell getent group www-data >/dev/null && echo www-data || echo nginx)
# make test FUZZ=30s fuzzes each target for so long, beyond its seeds.
FUZZ       ?=
# make bench BENCH=hits makes one measurement.
BENCH      ?=
# Of the end-to-end tests. -whole: a test that can't run here fails instead of
# being skipped; it takes root, mounts, loop devices, FUSE and ptrace.
E2EFLAGS   ?=

# ARCH=arm64 make deb rpm packs for another machine: see scripts/cross.sh.
ARCH    ?= $(shell $(GO) env GOHOSTARCH)
FOREIGN := $(filter-out $(shell $(GO) env GOHOSTARCH),$(ARCH))
BUILD   := build$(FOREIGN:%=/%)
# Where packages and their repositories go.
DIST    ?= dist
VERSION := $(shell git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null | sed 's/^v//')
ifeq ($(VERSION),)
VERSION := 0.0.0~git$(shell git log -1 --format=%cd.%h --date=format:%Y%m%d --abbrev=8 2>/dev/null || echo 0)
endif

# The linters' versions: changed here and nowhere else.
STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Packs; later ones do not install from the module proxy.
NFPM         := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
# An S3 store, for tests alone.
VERSITYGW    := github.com/versity/versitygw/cmd/versitygw@v1.8.0
TOOLS        := build/tools

SETUP   := sh packaging/scripts/setup.sh
# Below nginx/ and, as they are installed into /etc, packaging/nginx/.
NGINX_FILES := $(shell cd nginx && echo */*.conf)
SOURCES := $(shell find cmd internal -name '*.go' -o -name '*.[ch]' -o -name '*.html') $(shell find nginx -type f) go.mod go.sum
# Tests of the engine that an instrumented one can't pass: it needs more memory, and its
# runtime must be loaded before a library that takes memory away.
UNMEASURED := Memory|EachAllocation
# go test under AddressSanitizer and UBSan.
SANITIZED := ASAN_OPTIONS=detect_leaks=0 CC=gcc \
	CGO_CFLAGS='-g -O1 -fsanitize=undefined -fno-sanitize-recover=undefined' \
	CGO_LDFLAGS=-fsanitize=undefined $(GO) test -asan -count=1
# All but the packages with cgo and those that start whole programs.
PURE     = $(shell CGO_ENABLED=0 $(GO) list ./... 2>/dev/null | grep -Ev '/(engine|thumbd-render|test/(rig|peer|demo|e2e|faults|guards|frontends|clinic|clients|farm|frameworks|gluster|nodes|kit|bench|boot|packages|container|wordpress))(/|$$)')
# The tests of the built programs behind nginx. Each waits more than it computes.
E2E      := $(addprefix ./internal/test/,faults e2e guards frontends clinic clients farm nodes)
E2ETEST   = THUMBD_BUILD=$(CURDIR)/build $(GO) test -count=1 $(E2E)
# Pictures and arithmetic: who runs them makes no difference, and the engine's take
# minutes of one processor.
ENGINE   := ./internal/engine $(addprefix ./internal/engine/,jpeg plane png)
# The tests of programs that an ordinary user can get other results of than root:
# they open, make, own or remove files, follow folders, take locks, read keys, start
# workers in their sandbox, or kill them.
AS_USER  := Answers|Permissions|Rights|Purge$$|InPlace$$|Layouts|Warm|Followed|Remote|ItsTree|IdleExit$$
AS_USER  := $(AS_USER)|WorkerFailures|InTheMiddle|OddOriginals|ComesAndGoes|ComeAndGo|Configuration|Doctor|Nginxconf
AS_USER  := $(AS_USER)|Front|Protected$$|Downloads|CheckTouches|Login|Demo|Address|Report|Lacks
AS_USER  := $(AS_USER)|AllNodes|ComesBack|TwoDaemons|OnNodes|JournalIs|NodeIsReady|Bucket|OfAJournal
FUZZERS  = $(shell grep -rl '^func Fuzz' --include='*_test.go' internal | xargs -n1 dirname | sort -u)

.PHONY: .FORCE all demo test test-engine test-programs test-busy test-user asan check check-processors bench campaign install deb rpm repo image check-image clients check-clients check-cms check-nodes check-packages e2e-systemd clean

all: $(BUILD)/thumbd $(BUILD)/thumbd-render

# Changes only when the version does.
build/version: .FORCE
	@mkdir -p build && echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

$(BUILD)/thumbd: $(SOURCES) build/version
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/thumbd

$(BUILD)/thumbd-render: $(SOURCES) build/version
	@$(SETUP) build
	$(GO) build -trimpath -buildmode=pie -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/thumbd-render

demo:
	@$(SETUP) test
	@$(MAKE) --no-print-directory all
	@$(GO) build -o build/demo ./internal/test/demo
	@THUMBD_BUILD=$(CURDIR)/build PORT='$(PORT)' ORIGINALS='$(ORIGINALS)' exec build/demo

test: $(TOOLS)/versitygw
	@$(SETUP) test
	@$(SETUP) others
	@$(MAKE) --no-print-directory all
	@: -cover prints the share of each package that its own tests run
	CGO_ENABLED=0 $(GO) test -cover $(PURE)
	cd packaging/clients/go && $(GO) vet . && $(GO) test .
	$(GO) test -race -timeout 30m $(PURE) ./internal/engine/probe ./cmd/thumbd-render/...
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-programs test-engine
ifneq ($(FUZZ),)
	@set -e; for dir in $(FUZZERS); do \
		for f in $$(grep -rhoE '^func Fuzz[A-Za-z0-9]+' $$dir/*_test.go | cut -c6-); do \
			$(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ) -fuzzminimizetime 5x ./$$dir; \
		done; done
endif

# One goroutine and minutes of arithmetic; ten times as many with -race.
test-engine:
	$(GO) test -timeout 30m $(ENGINE)

# Without -race, which would watch the tests' own code alone, and they are the workers
# that go wrong, too: those would start slowly. A campaign has it.
test-programs: $(TOOLS)/thumbd-wrong-clock
	$(E2ETEST) -p 3 -parallel 4 -timeout 30m $(E2EFLAGS)

# make test beside two busy loops, which end with it, also if it fails or is interrupted.
# BUSY=test-programs runs another target beside them.
test-busy: BUSY = test
test-busy:
	@loops=; trap 'kill $$loops 2>/dev/null' EXIT; trap 'exit 1' HUP INT TERM; \
	for i in 1 2; do sh -c 'while :; do :; done' & loops="$$loops $$!"; done; \
	$(MAKE) --no-print-directory $(BUSY)

# The same as the user nobody, for root, but for the engine: see AS_USER.
test-user: $(TOOLS)/versitygw
	@$(SETUP) test
	@$(MAKE) --no-print-directory all
	sh packaging/scripts/test-user.sh '$(AS_USER)' $$($(GO) list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./... | \
		sed 's,^$(CURDIR)/,,' | grep -vxF "$$($(GO) list -f '{{.Dir}}' $(ENGINE) | sed 's,^$(CURDIR)/,,')")

# The engine's tests, with the seeds of its fuzz targets, and 40 damaged copies
# of each sample, under AddressSanitizer and UBSan. "make asan ASAN=" takes all
# colors and cuts. The tests that measure memory or compare whole pictures in Go are
# left out: they take minutes there, and the emulator does not run such programs. Leaks
# are found by TestMemoryStaysFlat: GLib keeps some memory for ever.
asan: ASAN = -short
asan:
	@$(SETUP) test
	$(SANITIZED) -timeout 60m -skip '$(UNMEASURED)|LookAsTheyShould|Chroma|OldProcessors' $(ASAN) ./internal/engine -mutants 40
	$(SANITIZED) -timeout 60m ./internal/engine/jpeg ./internal/engine/plane ./internal/engine/png

# Under emulation, against this processor's bytes: the own C of the engine on arm64, and
# thumbnails on a processor without AVX2.
check-processors:
	@$(SETUP) test
	@$(SETUP) processors
	$(GO) test -count=1 -v -run 'TestArm64MakesTheSameBytes|TestOldProcessors' ./internal/engine -emulate

check: $(TOOLS)/staticcheck $(TOOLS)/golangci-lint
	@$(SETUP) check
	@$(MAKE) --no-print-directory all
	@unformatted=$$(gofmt -l cmd internal nginx packaging/clients); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	@: depguard sees only the imports of each package, not the imports of these
	deps=$$($(GO) list -deps ./internal/keep ./cmd/thumbd-render) && ! echo "$$deps" | grep -x net/http
	@: with optimization, without which the compiler sees less
	set -e; for f in $$(find internal cmd -name '*.c'); do \
		$(CC) -c -O3 -Wall -Wextra -Werror $$(pkg-config --cflags vips libwebp libdeflate libpng) -o /dev/null $$f; done
	$(TOOLS)/staticcheck ./...
	$(TOOLS)/golangci-lint run
	mandoc -T lint -W warning packaging/man/*
	sh packaging/scripts/check-units.sh
	shellcheck packaging/scripts/*.sh packaging/nginx.sh packaging/deb/p*[mt] packaging/rpm/p* testdata/*.sh internal/test/boot/*.sh .ci/run

# What the packages hold and do; as root also their scripts.
check-packages: $(TOOLS)/nfpm
	@$(SETUP) packages
	@rm -rf build/check
	@$(MAKE) --no-print-directory deb rpm repo DIST=build/check
	THUMBD_PACKAGES=$(CURDIR)/build/check $(GO) test -count=1 -timeout 30m ./internal/test/packages $(E2EFLAGS)

# Two nodes with originals on a GlusterFS, which caches attributes. As root.
check-nodes:
	@$(SETUP) test
	@$(SETUP) nodes
	@$(MAKE) --no-print-directory all
	THUMBD_BUILD=$(CURDIR)/build sh packaging/scripts/gluster.sh $(GO) test -count=1 ./internal/test/gluster $(E2EFLAGS)

# WordPress itself behind thumbd, with the plug-in and server block of its example.
check-cms:
	@$(SETUP) test
	@$(SETUP) cms
	@$(MAKE) --no-print-directory all build/wordpress
	THUMBD_BUILD=$(CURDIR)/build THUMBD_WORDPRESS=$(CURDIR)/build/wordpress $(GO) test -count=1 ./internal/test/wordpress $(E2EFLAGS)

build/wordpress: packaging/scripts/wordpress.sh
	sh packaging/scripts/wordpress.sh $@

# For tests alone: thumbd with a clock that is wrong by THUMBD_CLOCK.
$(TOOLS)/thumbd-wrong-clock: $(SOURCES) packaging/scripts/wrong-clock.sh
	GO='$(GO)' sh packaging/scripts/wrong-clock.sh $@

# A tool is built once for each version.
$(TOOLS)/staticcheck: TOOL = $(STATICCHECK)
$(TOOLS)/golangci-lint: TOOL = $(GOLANGCI)
$(TOOLS)/nfpm: TOOL = $(NFPM)
$(TOOLS)/versitygw: TOOL = $(VERSITYGW)
$(TOOLS)/staticcheck $(TOOLS)/golangci-lint $(TOOLS)/nfpm $(TOOLS)/versitygw: Makefile
	GOBIN=$(CURDIR)/$(TOOLS) $(GO) install $(TOOL)
	@touch $@

deb rpm: $(TOOLS)/nfpm
	@$(SETUP) build
	@$(MAKE) --no-print-directory all ARCH=
	@$(if $(FOREIGN),sh packaging/scripts/cross.sh $(ARCH) $(MAKE) --no-print-directory all)
	sh packaging/scripts/package.sh $@ $(ARCH) '$(VERSION)' $(BUILD) $(DIST)

# The packages for applications, of npm, pip, composer, gem and Go.
clients:
	@$(SETUP) clients
	sh packaging/scripts/clients.sh '$(VERSION)' $(DIST)/clients

# The packages for applications with many originals, and in pages of Next.js,
# Nuxt and Astro.
check-clients:
	@$(SETUP) test
	@$(SETUP) others
	@$(MAKE) --no-print-directory all clients DIST=build/clients
	sh packaging/scripts/frameworks.sh build/frameworks build/clients/clients
	THUMBD_BUILD=$(CURDIR)/build $(GO) test -count=1 -timeout 30m ./internal/test/clients -campaign $(E2EFLAGS)
	THUMBD_BUILD=$(CURDIR)/build THUMBD_FRAMEWORKS=$(CURDIR)/build/frameworks \
		$(GO) test -count=1 -timeout 30m ./internal/test/frameworks $(E2EFLAGS)

# An OCI image of what is built, with the libraries of this machine.
image:
	@$(SETUP) build
	@$(SETUP) image
	@$(MAKE) --no-print-directory all
	sh packaging/scripts/image.sh '$(VERSION)' $(DIST)

# The image in podman with runc, and the compose file of the examples, as root.
check-image:
	@$(MAKE) --no-print-directory image DIST=build/image
	THUMBD_IMAGE=$(CURDIR)/build/image/thumbd_$(VERSION).oci.tar $(GO) test -count=1 ./internal/test/container

# A signed repository for apt and one for dnf, of what dist holds.
repo:
	@$(SETUP) repo
	sh packaging/scripts/repo.sh $(DIST)

# The packages of this version and of a next one, on Debian 12 and 13 with a
# systemd of their own. As root. Their root file systems are made once, with the
# network, and kept in $XDG_CACHE_HOME/thumbd.
e2e-systemd: export DIST = build/boot
e2e-systemd:
	@$(SETUP) boot
	@rm -rf $(DIST)
	@$(MAKE) --no-print-directory deb VERSION='$(VERSION)+next'
	@$(MAKE) --no-print-directory deb
	@$(MAKE) --no-print-directory repo
	THUMBD_REPO=$(CURDIR)/$(DIST)/repo $(GO) test -count=1 -timeout 40m -v ./internal/test/boot $(E2EFLAGS)

bench:
	@$(SETUP) test
	@$(SETUP) bench
	@$(MAKE) --no-print-directory all
	THUMBD_BUILD=$(CURDIR)/build $(GO) run ./internal/test/bench $(BENCH)

# What is tried at random, so often that it takes an hour or two; as root.
campaign:
	@$(SETUP) test
	@$(MAKE) --no-print-directory all
	$(E2ETEST) -race -p 1 -timeout 6h -v -whole -campaign \
		-run 'UnderLoad|IdleExitRaces|Killed|PowerCut|Watchdog|Mutated|RandomGuards'
	$(GO) test -count=1 -timeout 2h -v ./internal/tidy -campaign -run 'Large|Killed'
	@: ten minutes of one processor
	$(GO) test -count=1 -timeout 2h -v ./internal/engine -campaign -run Matrix
	$(GO) test -count=1 -timeout 2h -v ./internal/engine/jpeg -campaign
	$(GO) test -count=1 -timeout 2h -v ./internal/engine/png -campaign
	@: what is damaged, under the sanitizers, too
	$(SANITIZED) -timeout 6h -v -run Damaged ./internal/engine/jpeg ./internal/engine/png -campaign

install: all
	install -D -m 0755 build/thumbd $(DESTDIR)$(PREFIX)/bin/thumbd
	install -D -m 0755 build/thumbd-render $(DESTDIR)/usr/libexec/thumbd/thumbd-render
	@: nginx includes files of /etc, which stay as you have made them, and these
	@: include those of PREFIX/share, which are replaced
	@set -e; for f in $(NGINX_FILES); do \
		install -D -m 0644 nginx/$$f $(DESTDIR)$(PREFIX)/share/thumbd/nginx/$$f; \
		to=$(DESTDIR)$(SYSCONFDIR)/nginx/$$f; \
		[ ! -e $$to ] || { echo "$$to is there and stays; thumbd doctor tells if it is outdated"; continue; }; \
		mkdir -p $${to%/*}; \
		sed 's,/usr/share,$(PREFIX)/share,' packaging/nginx/$$f >$$to; \
	done
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man5 packaging/man/*.5
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man7 packaging/man/*.7
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 packaging/man/*.8
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/share/doc/thumbd
	cp -R packaging/examples $(DESTDIR)$(PREFIX)/share/doc/thumbd/
	cp -R packaging/clients testdata/vectors $(DESTDIR)$(PREFIX)/share/doc/thumbd/examples/
	sed 's,/usr/bin,$(PREFIX)/bin,' packaging/systemd/thumbd.service >$(DESTDIR)$(UNITDIR)/thumbd.service
	install -m 0644 -t $(DESTDIR)$(UNITDIR) packaging/systemd/thumbd-admin.socket packaging/systemd/thumbd-metrics.socket
	sed 's,/usr/bin,$(PREFIX)/bin,' packaging/systemd/thumbd-gc.service >$(DESTDIR)$(UNITDIR)/thumbd-gc.service
	install -m 0644 packaging/systemd/thumbd-gc.timer $(DESTDIR)$(UNITDIR)
	sed 's,^SocketGroup=.*,SocketGroup=$(NGINX_GROUP),' packaging/systemd/thumbd.socket >$(DESTDIR)$(UNITDIR)/thumbd.socket
	install -D -m 0644 packaging/sysusers.d/thumbd.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/thumbd.conf
	install -D -m 0644 packaging/tmpfiles.d/thumbd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/thumbd.conf
	install -m 0644 packaging/thumbd.toml $(DESTDIR)$(PREFIX)/share/doc/thumbd/thumbd.toml
	install -d $(DESTDIR)$(SYSCONFDIR)/thumbd/sites.d
	@to=$(DESTDIR)$(SYSCONFDIR)/thumbd/thumbd.toml; [ -e $$to ] || install -m 0644 packaging/thumbd.toml $$to
	@: the user, the groups, the folder of keys and the socket, as the packages make them
	@[ -n '$(DESTDIR)' ] || { systemd-sysusers $(PREFIX)/lib/sysusers.d/thumbd.conf && \
		systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/thumbd.conf; }
	@[ -n '$(DESTDIR)' ] || [ ! -d /run/systemd/system ] || { systemctl daemon-reload && \
		systemctl enable --now thumbd.socket; }

clean:
	rm -rf build dist
