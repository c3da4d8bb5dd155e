# make demo and make test are all a newcomer needs. CI runs test, race, purego.
GO      ?= go
FUZZTIME ?= 60s
SOAK    ?= 1h
KILLS   ?= 60
RANDOM  ?= 2000
STUDY   ?= /tmp/zipnode-study
CHECK   ?= ../shared/data
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: all build demo test vet fmt fix lint unit race purego cross crash hostile soak memory many-tensors fuzz sim soak-repack planner-million study study-check study-million bench bench-codec bench-test generate-check clean

all: build

build: ; $(GO) build -trimpath -o bin/ ./cmd/zipnode

demo: build ; ./bin/zipnode demo

test: fmt vet fix lint unit

fmt:  ; @out=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }
vet:  ; $(GO) vet ./...
fix:  ; @out=$$($(GO) fix -diff ./... 2>&1); test -z "$$out" || { echo "$$out"; exit 1; }
lint: ; $(GO) tool staticcheck ./...
unit: ; $(GO) test ./...

race: ; $(GO) test -race -short ./...
# The portable path: our own assembly and klauspost's are left out.
purego: ; $(GO) vet -tags purego,noasm ./... && $(GO) test -short -tags purego,noasm ./...
cross: ; @for p in $(PLATFORMS); do echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/zipnode || exit 1; done

# Every crash point and every failing call of docs/reliability.md: minutes.
crash: ; $(GO) test ./store ./node -run 'EveryCrash|EveryFailure|Full|Others|OperationsCrash|NoRoom' -v -full -timeout 60m
# Five daemons for SOAK, KILLS killed processes of each kind, RANDOM stores; then
# the large model and the many tensors.
soak:
	$(GO) test ./store -run TestRandom -v -random $(RANDOM) -timeout 60m
	$(GO) test ./cmd/zipnode -run TestKill -v -kills $(KILLS) -timeout 60m
	$(GO) test ./cmd/zipnode -run TestSoak -v -soak $(SOAK) -timeout 0
	$(MAKE) memory many-tensors

# What docs/security.md says that hostile peers, models and links cannot do: minutes.
hostile: ; $(GO) test ./node ./p2p -v -run 'Liar|Mute|Hostile|TestLinks|Bad|Refuse|Rude|Stall|Trickle|Flood|False|Boast|Bounded|Silent|GaterDials|Temporaries|Lately'
# Every fuzz target for FUZZTIME each: minutes to hours. Now and then Go ends a run
# that found nothing with "context deadline exceeded" (golang/go#75804): that one
# failure, with no input written, is none.
fuzz: ; @d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT; for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	echo "$$p $$f"; rm -f "$$d/failed"; \
	{ $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$p || touch "$$d/failed"; } 2>&1 | tee "$$d/log"; \
	test ! -e "$$d/failed" || { grep -q '^ *context deadline exceeded$$' "$$d/log" && ! grep -q 'Failing input' "$$d/log"; } || exit 1; done; done
# The crowd of docs/simulations.md.
sim: ; $(GO) test ./simulations -run TestCrowd -v -timeout 60m -crowd 2,4,8,16
# A repack killed 20 times, at moments spread over its run; then completed each time.
soak-repack: ; $(GO) test ./cmd/zipnode -run TestRepackKilled -v -timeout 30m -kills 20
# The index of 10^6 tensors of docs/planner.md: half an hour, 9 GB of disk.
planner-million: ; $(GO) test ./node -run TestMillion -v -million 1000000 -timeout 180m
# A model of 4 GiB with a tensor of 3: no process may take more than 512 MiB, or
# have more than 256 in its heap. Takes 17 GB of disk under TMPDIR, and some minutes.
memory: build ; ./bin/zipnode bench --size 4GiB --most-memory 512MiB --most-heap 256MiB
# A model of 100,000 tensors, added, fetched and removed, in 256 MiB.
many-tensors: build ; ./bin/zipnode bench --size 8MiB --tensors 100000 --most-memory 256MiB --most-heap 256MiB
# The table of docs/study.md: 2.4 GB of models and as much again under STUDY; minutes.
study: ; $(GO) run ./simulations/hub -dir $(STUDY)
# An analysis of a million small files: under half a KiB of memory for each.
study-million: ; $(GO) test ./simulations/hub -run TestManySmallFiles -v -small 1000000 -timeout 60m
# The same files by packages from elsewhere, in an environment made for it (3 GB of
# disk under TMPDIR): FastCDC, zstd and ZipNN. CHECK is a directory of models.
study-check: ; @d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT && python3 -m venv "$$d/env" && \
	"$$d/env/bin/pip" install -q -r simulations/hub/outside/requirements.txt && \
	$(GO) run ./simulations/hub -dir "$$d" -models '$(CHECK)' -only chunk,zstd,zipnn >/dev/null && \
	"$$d/env/bin/python" -W ignore simulations/hub/outside/check.py '$(CHECK)' "$$d/results.json"
bench: ; $(GO) test -run '^$$' -bench . ./codec ./store ./p2p
# The codec beside BitX, TensorX, zstd and ZipNN: bench/README.md. Needs a C compiler.
# make bench-codec MODELS=DIR BENCH='-only finetune -rounds 9'
bench-codec: ; cd bench && $(GO) run . $(if $(MODELS),-models '$(abspath $(MODELS))') $(BENCH)
bench-test: ; cd bench && $(GO) vet ./... && $(GO) test ./...

# That the committed kernels are what codec/gen writes.
generate-check: ; @d=$$(mktemp -d) && trap 'rm -rf "$$d"' EXIT && cp -r codec/gen "$$d/gen" && cd codec && \
	$(GO) -C "$$d/gen" run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg codec && \
	for f in kernels_amd64.s kernels_amd64.go; do cmp "$$d/$$f" $$f || { echo "codec/$$f is not what codec/gen writes: run go generate ./codec"; exit 1; }; done

clean: ; rm -rf bin
