# Chaguan: build, run, test, install.
#
#   make            builds the programs into build/, and gets what the site serves from npm
#   make run        installs what is missing, builds, runs everything in the foreground; Ctrl-C stops it
#   make up, down   the same in the background
#   make test       every test; unit and integration run one half
#   make asan       every test on binaries with the address, undefined-behaviour and leak sanitizers
#   make tsan       the unit tests with the thread sanitizer
#   make faults     what fails under talk, and whether anything is lost: ROUNDS=20 SEED= ONLY=; with
#                   ONLY=durable MariaDB is killed ROUNDS times
#   make sequences  random sequences of commands, answers and failures on sanitized binaries: SECONDS_EACH=300 SEQ_SEED=
#   make hostile    attacks of one process without an account, while honest people talk: ONLY= SECONDS=20 SAME=1
#   make soak       clients that come and go, MINUTES=30: memory, descriptors, threads, keys
#   make fuzz       every parser of outside bytes, FUZZ_SECONDS=60 each
#   make bookworm, trixie   every test in a clean clone within a bare root of that release of Debian; needs root
#   make lint, fmt  warnings as errors, clang-tidy and the layer rules; clang-format
#   make flame      where a relay's CPU time goes: flame graphs in docs/ (needs perf)
#   make bench      speed and memory beside other servers, docs/performance.md: ONLY=a,b SECONDS=4 ROUNDS=2
#   make man        the programs' manual pages, build/man, from what they say with --help
#   make install    PREFIX=/usr/local, DESTDIR=
#   make release    VERSION=1.2.3: writes it down, commits, tags; tarball and notes in build/release; DRY=1 only says so
#   HANDOFF=0       with any of these: without nginx' module; nginx proxies the WebSockets then
#   make clean      stops a running instance and leaves nothing behind
#
# A fresh machine has neither a compiler nor pkg-config, so nothing here may call them while the file is being read: the
# flags below are worked out when the first recipe needs them, and every target that promises to install what is missing
# does that first and then calls make again for the build.

VERSION := 0.1.0

PREFIX     ?= /usr/local
DESTDIR    ?=
bindir     ?= $(PREFIX)/bin
datadir    ?= $(PREFIX)/share
sysconfdir ?= /etc
nginxdir   ?= /usr/lib/nginx/modules
unitdir    ?= $(PREFIX)/lib/systemd/system
usersdir   ?= $(PREFIX)/lib/sysusers.d
tmpfilesdir ?= $(PREFIX)/lib/tmpfiles.d
mandir     ?= $(datadir)/man
rundir     ?= /run/chaguan
statedir   ?= /var/lib/chaguan

# Another BUILD directory holds another variant, complete: make BUILD=build/asan SANITIZE=address,undefined
BUILD    ?= build
SANITIZE ?=
WERROR   ?=
JOBS     ?= $(shell nproc)
HANDOFF  ?= 1
export HANDOFF

# ---- flags -----------------------------------------------------------------------------------------------------------

PKG_CONFIG ?= pkg-config
PACKAGES   := libwebsockets libuv hiredis libmariadb json-c libjwt libcrypto libsodium libmagic icu-i18n icu-uc libcurl sqlite3

# Asked once, when first used. -isystem: other people's headers need not meet our warnings.
pkg_cflags = $(eval pkg_cflags := $$(patsubst -I%,-isystem%,$$(shell $(PKG_CONFIG) --cflags $(PACKAGES))))$(pkg_cflags)
pkg_libs   = $(eval pkg_libs := $$(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lfcgi -lhttp_parser)$(pkg_libs)
test_libs  = $(eval test_libs := $$(shell $(PKG_CONFIG) --libs cmocka))$(test_libs)

OPTIMIZE ?= -O2
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
HARDEN   := -fstack-protector-strong -fPIE

ifeq ($(SANITIZE),)
HARDEN   += -D_FORTIFY_SOURCE=2
else
# _FORTIFY_SOURCE hides calls from the sanitizers.
HARDEN   += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
endif

# No -DNDEBUG, ever: an assertion marks a bug, and a bug must stop the process in production too.
all_cflags  = -std=gnu11 $(OPTIMIZE) -g -fno-omit-frame-pointer -pthread $(WARNINGS) $(if $(WERROR),-Werror) \
	      $(HARDEN) $(CFLAGS)
all_cppflags = -I. -D_GNU_SOURCE -DCHAGUAN_VERSION='"$(VERSION)"' -DCHAGUAN_SQL_DIR='"$(datadir)/chaguan/sql"' \
	       $(pkg_cflags) $(CPPFLAGS)
all_ldflags = -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

# ---- what is built ---------------------------------------------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c $(1)/*/*.c))

COMMON_O := $(call objects,common)
RELAY_O  := $(filter-out %/main.o,$(call objects,relay))
REST_O   := $(filter-out %/main.o,$(call objects,rest))
WORKER_O := $(filter-out %/main.o,$(call objects,worker))
ADMIN_O  := $(call objects,admin)
BENCH_O  := $(call objects,bench/load)
THUMBNAIL_O := $(filter-out %/main.o,$(call objects,thumbnail))
TESTS    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*/test_*.c))
# Those of the load generator, which is none of the product.
BENCH_TESTS := $(filter $(BUILD)/unit/bench/%,$(TESTS))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

LIBCOMMON := $(BUILD)/libcommon.a
LIBRELAY  := $(BUILD)/librelay.a
LIBREST   := $(BUILD)/librest.a
LIBWORKER := $(BUILD)/libworker.a
PROGRAMS  := $(BUILD)/chaguan-relay $(BUILD)/chaguan-rest $(BUILD)/chaguan-worker $(BUILD)/chaguan
# What another program starts, and nobody else: without settings, with libraries of its own.
HELPERS   := $(BUILD)/chaguan-thumbnail
SOURCES    = $(foreach folder,common relay rest worker admin thumbnail bench tests/unit tests/fuzz,$(wildcard $(folder)/*.c $(folder)/*/*.c))
HEADERS    = $(foreach folder,common relay rest worker admin thumbnail bench tests/unit tests/fuzz,$(wildcard $(folder)/*.h $(folder)/*/*.h))
FORMATTED  = $(SOURCES) $(HEADERS) $(wildcard nginx/*/*.c)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: all programs site module
all: programs site module
programs: $(PROGRAMS) $(HELPERS)
site: $(BUILD)/socket.io/.made

.PHONY: help
help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

.PHONY: unit-programs
unit-programs: $(TESTS)

$(LIBCOMMON): $(COMMON_O)
$(LIBRELAY):  $(RELAY_O)
$(LIBREST):   $(REST_O)
$(LIBWORKER): $(WORKER_O)

# From nothing each time, so that an object whose source is gone does not linger in the archive.
$(BUILD)/%.a:
	@rm -f $@
	@$(if $(V),,echo "  AR    $@";) $(AR) rcs $@ $^

$(BUILD)/chaguan-relay: $(BUILD)/relay/main.o $(LIBRELAY) $(LIBCOMMON)
$(BUILD)/chaguan-rest:  $(BUILD)/rest/main.o $(LIBREST) $(LIBCOMMON)
$(BUILD)/chaguan-worker: $(BUILD)/worker/main.o $(LIBWORKER) $(LIBCOMMON)
$(BUILD)/chaguan:       $(ADMIN_O) $(LIBCOMMON)

$(PROGRAMS):
	@$(if $(V),,echo "  LINK  $@")
	$(if $(V),,@)$(CC) $(all_ldflags) -o $@ $^ $(pkg_libs) $(LDLIBS)

$(BUILD)/chaguan-thumbnail: $(BUILD)/thumbnail/main.o $(THUMBNAIL_O)
	@$(if $(V),,echo "  LINK  $@")
	$(if $(V),,@)$(CC) $(all_ldflags) -o $@ $^ -lgd $(LDLIBS)

# Every object is named in a rule of its own program: make deletes those that it only finds by a chain of patterns, and
# with .SECONDARY, which would keep them, it does not make one that is missing, so that a new source was left out.
$(filter-out $(BENCH_TESTS),$(TESTS)): $(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(THUMBNAIL_O) $(LIBRELAY) $(LIBREST) $(LIBWORKER) $(LIBCOMMON)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LINK  $@")
	$(if $(V),,@)$(CC) $(all_ldflags) -o $@ $^ $(test_libs) $(pkg_libs) $(LDLIBS)

$(BENCH_TESTS): $(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(filter-out %/main.o,$(BENCH_O))
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LINK  $@")
	$(if $(V),,@)$(CC) $(all_ldflags) -o $@ $^ $(test_libs)

# libFuzzer brings its own main, so its library comes in only here.
$(FUZZERS): $(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(THUMBNAIL_O) $(LIBRELAY) $(LIBREST) $(LIBCOMMON)
	@mkdir -p $(@D)
	@$(if $(V),,echo "  LINK  $@")
	$(if $(V),,@)$(CC) $(subst fuzzer-no-link,fuzzer,$(all_ldflags)) -o $@ $^ $(pkg_libs) $(LDLIBS)

$(BUILD)/rest/asyncapi.o: docs/asyncapi.json $(wildcard docs/clients/*.asyncapi.json)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(if $(V),,echo "  CC    $<")
	$(if $(V),,@)$(CC) $(all_cppflags) $(all_cflags) -MMD -MP -c -o $@ $<

# The browser's client of Socket.IO, as nginx serves it. Copies, because their age is what a browser is told of a new
# version by, and npm gives every file of every package the same. The stamp is written last.
CLIENT_FILES := $(addprefix socket.io,.js .js.map .min.js .min.js.map .esm.min.js .esm.min.js.map)
$(BUILD)/socket.io/.made: deploy/npm/package-lock.json
	@rm -rf $(BUILD)/npm $(@D)
	@mkdir -p $(BUILD)/npm $(@D)
	@cp deploy/npm/package.json deploy/npm/package-lock.json $(BUILD)/npm
	@command -v npm >/dev/null || \
		{ echo "no npm: run 'make deps' (Debian) or install it; 'make programs' can do without" >&2; exit 1; }
	@echo "  NPM   $(@D)"
	@cd $(BUILD)/npm && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || { echo \
		"socket.io-client could not be got from the npm registry ('make programs' can do without; the site lacks" \
		"/socket.io/socket.io.js then)" >&2; exit 1; }
	@cd $(BUILD)/npm/node_modules/socket.io-client/dist && cp $(CLIENT_FILES) $(abspath $(@D))
	@touch $@

# nginx' module, for the nginx of this machine: Debian's nginx-dev knows how that one was built. Without nginx-dev there
# is none, and deploy/run.sh lets nginx proxy.
NGINX_SRC ?= /usr/share/nginx/src
MODULE    := ngx_http_chaguan_handoff_module
MODULE_SO := $(if $(filter-out 0,$(HANDOFF)),$(if $(wildcard $(NGINX_SRC)/configure),$(BUILD)/$(MODULE).so))
module: $(MODULE_SO)
$(BUILD)/$(MODULE).so: nginx/handoff/$(MODULE).c nginx/handoff/config common/handoff_wire.h
$(BUILD)/$(MODULE).so: $(wildcard $(NGINX_SRC)/conf_flags)
	@rm -rf $(BUILD)/nginx
	@mkdir -p $(BUILD)/nginx
	@echo "  NGINX $@"
	@cd $(NGINX_SRC) && { bash -c '. ./conf_flags && ./configure "$${NGX_CONF_FLAGS[@]}" \
		--with-cc-opt="-O2 -g -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2" --with-ld-opt="-Wl,-z,relro -Wl,-z,now" \
		--add-dynamic-module="$$1" --builddir="$$2"' - $(abspath nginx/handoff) $(abspath $(BUILD)/nginx) && \
		$(MAKE) --no-print-directory -f $(abspath $(BUILD)/nginx)/Makefile modules; } >$(abspath $(BUILD)/nginx)/log 2>&1 || \
		{ tail -n 15 $(abspath $(BUILD)/nginx)/log >&2; \
		  echo "nginx' module could not be built: 'make HANDOFF=0' does without" >&2; exit 1; }
	@cp $(BUILD)/nginx/$(MODULE).so $@.new && mv $@.new $@

# Changes only when the flags do, so that make PREFIX=/usr after make rebuilds instead of mixing the two.
.PHONY: FORCE
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@command -v $(CC) >/dev/null && command -v $(PKG_CONFIG) >/dev/null || \
		{ echo "no $(CC) or no $(PKG_CONFIG): run 'make deps' (Debian) or install what deploy/packages/build lists" >&2; exit 1; }
	@printf '%s\n' $(call quote,$(CC) $(all_cppflags) $(all_cflags) $(all_ldflags)) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Neither knows anything of the product's code.
$(BUILD)/bench-bare: $(BUILD)/bench/bare.o
$(BUILD)/bench-load: $(BENCH_O)
$(BUILD)/bench-bare $(BUILD)/bench-load:
	@$(if $(V),,echo "  LINK  $@")
	$(if $(V),,@)$(CC) $(all_ldflags) -o $@ $^

quote = '$(subst ','\'',$(1))'

-include $(patsubst %.o,%.d,$(COMMON_O) $(RELAY_O) $(REST_O) $(WORKER_O) $(ADMIN_O) $(BENCH_O) $(THUMBNAIL_O)) \
	 $(BUILD)/bench/bare.d \
	 $(BUILD)/relay/main.d $(BUILD)/rest/main.d $(BUILD)/worker/main.d $(BUILD)/thumbnail/main.d $(patsubst $(BUILD)/unit/%,$(BUILD)/tests/unit/%.d,$(TESTS)) \
	 $(patsubst %.c,$(BUILD)/%.d,$(wildcard tests/fuzz/*.c))

# ---- what a developer does -------------------------------------------------------------------------------------------

# make again, with the cores there are unless the caller said how many.
again = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: bench
bench:
	@deploy/install-packages.sh build run bench
	@$(optional_deps)
	@$(again) programs-and-bench bench/peers/node_modules/.installed
	@exec node bench/run.mjs $(BUILD) $(if $(ONLY),--only $(ONLY)) $(call asked,SECONDS,--seconds) $(call asked,ROUNDS,--rounds)
# An option with the variable's value, if whoever calls make has set it.
asked = $(if $(filter command environment,$(firstword $(origin $(1)))),$(2) $($(1)))

.PHONY: flame
flame:
	@deploy/install-packages.sh build run flame
	@$(optional_deps)
	@$(again) programs-and-bench
	@exec node bench/flame.mjs $(BUILD)

.PHONY: programs-and-bench
programs-and-bench: all $(BUILD)/bench-load $(BUILD)/bench-bare

.PHONY: deps deps-test deps-style deps-lint
deps:
	@deploy/install-packages.sh build run
	@$(optional_deps)
deps-test:
	@deploy/install-packages.sh build run test bench
	@$(optional_deps)
# Only for Debian's own nginx; nothing else is lost without it.
optional_deps = [ "$(HANDOFF)" = 0 ] || deploy/install-packages.sh --optional handoff
deps-style:
	@deploy/install-packages.sh style
deps-lint:
	@deploy/install-packages.sh build lint fuzz

.PHONY: run up down
# What readers try is there, unless they say otherwise.
shown_settings = demos=on $(SETTINGS)
run: deps
	@$(again) all
	@CG_BIN=$(abspath $(BUILD)) SETTINGS="$(shown_settings)" exec deploy/run.sh run
up: deps
	@$(again) all
	@CG_BIN=$(abspath $(BUILD)) SETTINGS="$(shown_settings)" deploy/run.sh up
down:
	@deploy/run.sh down

.PHONY: test unit integration
test: deps-test
	@$(again) unit-programs $(for_integration)
	@tests/run.sh $(BUILD) unit integration
unit: deps-test
	@$(again) unit-programs
	@tests/run.sh $(BUILD) unit
integration: deps-test
	@$(again) $(for_integration)
	@tests/run.sh $(BUILD) integration
for_integration = programs-and-bench tests/node_modules/.installed bench/peers/node_modules/.installed

# The stamp is written last, so that an installation that failed half way is made again.
tests/node_modules/.installed bench/peers/node_modules/.installed: %/node_modules/.installed: %/package-lock.json
	@echo "  NPM   $(@D)"
	@cd $* && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed

# The sanitizers write their findings to files of their own: a finding in a server that some suite started would
# otherwise only stand in a log that nobody reads.
.PHONY: asan tsan
asan: deps-test
	@$(again) BUILD=build/asan SANITIZE=address,undefined OPTIMIZE=-O1 unit-programs $(for_integration)
	@SANITIZER_REPORTS=$(abspath build/asan/reports) tests/run.sh build/asan unit integration
tsan: deps-test
	@$(again) BUILD=build/tsan SANITIZE=thread OPTIMIZE=-O1 unit-programs
	@SANITIZER_REPORTS=$(abspath build/tsan/reports) tests/run.sh build/tsan unit

# The same drivers run briefly with all unit tests; a failure prints the SEQ_SEED of its round.
.PHONY: sequences
SECONDS_EACH ?= 300
SEQUENCES    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*/test_seq_*.c))
sequences: deps-test
	@$(again) BUILD=build/asan SANITIZE=address,undefined OPTIMIZE=-O1 $(SEQUENCES:%=build/asan/unit/%)
	@$(again) BUILD=build/tsan SANITIZE=thread OPTIMIZE=-O1 $(SEQUENCES:%=build/tsan/unit/%)
	@for program in $(foreach variant,asan tsan,$(SEQUENCES:%=build/$(variant)/unit/%)); do \
		echo "---- $$program"; SEQ_SECONDS=$(SECONDS_EACH) $$program || exit; \
	done

# A package that only this machine has, and a library that behaves otherwise in the next release, show there.
.PHONY: bookworm trixie
bookworm trixie:
	@tests/debian-root.sh $@

.PHONY: faults soak hostile
ROUNDS  ?= 20
SEED    ?=
MINUTES ?= 30
faults: deps-test
	@$(again) all tests/node_modules/.installed
	@CG_BIN=$(abspath $(BUILD)) node tests/faults/run.mjs --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only '$(ONLY)')
hostile: deps-test
	@$(again) all tests/node_modules/.installed
	@CG_BIN=$(abspath $(BUILD)) node tests/hostile/run.mjs $(if $(ONLY),--only $(ONLY)) $(call asked,SECONDS,--seconds) \
		$(if $(SAME),--same)
soak: deps-test
	@$(again) all tests/node_modules/.installed
	@CG_BIN=$(abspath $(BUILD)) node tests/faults/soak.mjs --minutes $(MINUTES)

.PHONY: fuzz fuzzers
FUZZ_SECONDS ?= 60
for_fuzz     := CC=clang SANITIZE=fuzzer-no-link,address,undefined OPTIMIZE=-O1
fuzz:
	@deploy/install-packages.sh build fuzz
	@$(again) BUILD=build/fuzz $(for_fuzz) fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) JOBS=$(JOBS) tests/fuzz/run.sh build/fuzz $(notdir $(FUZZERS))
fuzzers: $(FUZZERS)

# style: what can be told without a compiler, in seconds. lint: all of it.
.PHONY: style lint fmt tidy
style: deps-style
	@deploy/layers.sh
	@clang-format-19 --dry-run -Werror $(FORMATTED)
	@node docs/rooms.mjs --check
lint: style deps-lint
	@$(again) BUILD=build/lint WERROR=1 programs unit-programs
	@$(again) BUILD=build/fuzz $(for_fuzz) fuzzers
	@$(again) tidy
tidy:
	@printf '%s\n' $(SOURCES) | xargs -P $(JOBS) -I{} clang-tidy --quiet {} -- $(all_cppflags) -std=gnu11 2>/dev/null
fmt: deps-style
	@clang-format-19 -i $(FORMATTED)

.PHONY: clean
clean:
	@deploy/run.sh clean --quiet
	rm -rf build run tests/node_modules bench/peers/node_modules

# ---- releases ----------------------------------------------------------------------------------------------------------

MAN_PAGES := $(PROGRAMS:$(BUILD)/%=$(BUILD)/man/%.8)
.PHONY: man release
man: $(BUILD)/man/.made
$(BUILD)/man/.made: $(PROGRAMS) deploy/man.mjs
	@echo "  MAN   $(@D)"
	@node deploy/man.mjs $(BUILD) $(@D) && touch $@

release:
	@deploy/release.sh "$(VERSION)" $(if $(DRY),dry)

# ---- what an administrator does --------------------------------------------------------------------------------------

# The templates say @name@ where an installation differs from another.
substitute = sed -e 's|@bindir@|$(bindir)|g' -e 's|@datadir@|$(datadir)|g' -e 's|@sysconfdir@|$(sysconfdir)|g' \
		 -e 's|@rundir@|$(rundir)|g' -e 's|@statedir@|$(statedir)|g'
units   = chaguan.target chaguan-rest.service chaguan-relay@.service chaguan-worker.service \
	  chaguan-media-gc.service chaguan-media-gc.timer
sqldir  = $(DESTDIR)$(datadir)/chaguan/sql
siodir  = $(DESTDIR)$(datadir)/chaguan/socket.io
webdir  = $(DESTDIR)$(datadir)/chaguan/web
clientdir = $(DESTDIR)$(datadir)/chaguan/client
confdir = $(DESTDIR)$(sysconfdir)/chaguan
sitedir = $(DESTDIR)$(sysconfdir)/nginx/sites-available

# Installs files and changes nothing else: no user is made, no unit enabled, no site switched on. An existing
# configuration is never written over; the .sample beside it always shows the settings of this version.
.PHONY: install
install: all man
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man8 $(sqldir) $(webdir) $(clientdir) $(siodir) $(confdir) $(sitedir) $(DESTDIR)$(unitdir) \
		$(DESTDIR)$(usersdir) $(DESTDIR)$(tmpfilesdir)
	install -m 755 $(PROGRAMS) $(HELPERS) $(DESTDIR)$(bindir)
	install -m 644 $(MAN_PAGES) $(DESTDIR)$(mandir)/man8
	rm -rf $(sqldir)/* $(webdir)/* $(clientdir)/* $(siodir)/*
	install -m 644 sql/*.sql $(sqldir)
	cp -R web/. $(webdir)
	cp -R client/. $(clientdir)
	chmod -R u=rwX,go=rX $(webdir) $(clientdir)
	install -m 644 $(addprefix $(BUILD)/socket.io/,$(CLIENT_FILES)) $(siodir)
	$(substitute) deploy/chaguan.conf.sample >$(confdir)/chaguan.conf.sample
	$(substitute) deploy/README.installed >$(DESTDIR)$(datadir)/chaguan/README
	install -m 644 deploy/systemd/chaguan.sysusers $(DESTDIR)$(usersdir)/chaguan.conf
	$(substitute) deploy/systemd/chaguan.tmpfiles >$(DESTDIR)$(tmpfilesdir)/chaguan.conf
	if [ -n "$(MODULE_SO)" ]; then install -D -m 644 $(MODULE_SO) $(DESTDIR)$(nginxdir)/$(MODULE).so; fi
	HANDOFF="#" UPGRADES=@chaguan_relay SITE="$(if $(SITE_DIR),,#)" SITE_DIR="$(SITE_DIR)" SITE_POLICY="$(SITE_POLICY)" \
		PAGES="$(if $(SITE_DIR),@chaguan_pages,/)" ADDRESS_MAX=4000 BODIES_ADDRESS=250 BODIES_ALL=2000 \
		ADDRESS_RATE=2000 ADDRESS_BURST=20000 RATED='$$chaguan_address' RELAYS=2 LISTEN=7005 RUN=$(rundir) WEB=$(datadir)/chaguan/web \
		SOCKETIO=$(datadir)/chaguan/socket.io MEDIA=$(statedir)/media ACCESS_LOG=/var/log/nginx/chaguan.access.log \
		ERROR_LOG=/var/log/nginx/error.log \
		deploy/render.sh nginx/chaguan.conf.in >$(sitedir)/chaguan
	for unit in $(units); do $(substitute) deploy/systemd/$$unit >$(DESTDIR)$(unitdir)/$$unit || exit; done
	@echo "installed; $(datadir)/chaguan/README says what is left to do once"

.PHONY: uninstall
uninstall:
	rm -f $(patsubst $(BUILD)/%,$(DESTDIR)$(bindir)/%,$(PROGRAMS) $(HELPERS)) \
		$(patsubst $(BUILD)/man/%,$(DESTDIR)$(mandir)/man8/%,$(MAN_PAGES)) $(addprefix $(DESTDIR)$(unitdir)/,$(units))
	rm -rf $(DESTDIR)$(datadir)/chaguan
	rm -f $(DESTDIR)$(nginxdir)/$(MODULE).so
	rm -f $(confdir)/chaguan.conf.sample $(sitedir)/chaguan $(DESTDIR)$(usersdir)/chaguan.conf $(DESTDIR)$(tmpfilesdir)/chaguan.conf
	@[ ! -d $(confdir) ] || rmdir $(confdir) 2>/dev/null || echo "left $(confdir): it holds files of yours"
