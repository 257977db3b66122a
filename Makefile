# NovAI. `make help` lists what there is.
# The system's own Python is built with profile-guided optimisation; one that was compiled by hand (pyenv) may run at
# half its speed. The first one that is new enough and can make virtual environments; PYTHON=… names another.
PYTHON ?= $(firstword $(foreach python,/usr/bin/python3 python3,$(shell \
	$(python) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(python))) python3)
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CLIENTS := tests/clients
SDKS := python typescript
SDK_TS := sdk/typescript
KERNELS := internal/embedding/backends/transformers/int16.so
# What of a processor llama.cpp is better off without; where it is not there, this says nothing. AMX: the first product of
# a quantised model is a segmentation fault (D94). Half precision: attention of heads of 64 numbers falls back to one
# number at a time, and takes two to three times as long (D95).
WITHOUT := -U__AMX_INT8__ -U__AVX512FP16__
PROTOS := inference embedding model_host tool_execution
EXTRAS := inference,embedding,tools,dev,test
# Side by side, each with servers of its own. Tests wait for processes more than they compute; each may take 4 GB. In the
# order of their folders: pytest would leave files of few tests, which are the slow ones, to the end.
# What they start hundreds of times is compiled once, whatever the environment says.
TEST_PROCESSES ?= 3

.DEFAULT_GOAL := help
.PHONY: help run dev install kernels test test-clients check format gen sdk bench demo-model clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt setuptools wheel
	@echo "installing (the first time compiles llama.cpp: about 6 minutes on 2 cores)"
	CFLAGS="$$CFLAGS $(WITHOUT)" CXXFLAGS="$$CXXFLAGS $(WITHOUT)" CMAKE_BUILD_PARALLEL_LEVEL=$$(nproc) \
		$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

install: $(STAMP) $(KERNELS) ## the virtual environment, with everything in it

kernels: $(KERNELS) ## what is written in C; processors that it is not for do without

# It looks at the processor when it runs, so that one binary is for all.
%.so: %.c
	$(CC) -O3 -Wall -Wextra -fPIC -shared -o $@ $<

run: install ## the whole system: installs what is missing, starts, prints a ready-made curl
	$(BIN)/novai dev $(ARGS)

dev: run

test: install ## every test, on real PostgreSQL, Redis, gRPC and both demo models
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

$(CLIENTS)/node_modules/.package-lock.json $(SDK_TS)/node_modules/.package-lock.json: %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test-clients: install $(CLIENTS)/node_modules/.package-lock.json $(SDK_TS)/node_modules/.package-lock.json ## our SDK of TypeScript, the official one of Node and the AI SDK, on a NovAI of their own; needs npm
	cd $(SDK_TS) && npm run --silent build && npm run --silent check
	$(BIN)/python -m tests.clients $(ARGS)

format: install ## ruff format and its safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: install ## format, lint, types, imports, generated files, no breaking change
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python openapi/codegen/changes.py openapi/released.yaml openapi/spec.yaml
	cd sdk/python && $(abspath $(BIN))/mypy
	$(MAKE) gen sdk
	@git add -AN api/generated proto/gen sdk && git diff --exit-code --stat -- api/generated proto/gen sdk || \
		{ echo "generated files differ from openapi/spec.yaml or proto/: run make gen sdk and commit"; exit 1; }

gen: install ## everything that is made from openapi/spec.yaml and proto/
	$(BIN)/python -m grpc_tools.protoc -Igen=proto \
		--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
		--python_out=proto --grpc_python_out=proto --mypy_out=quiet:proto --mypy_grpc_out=quiet:proto \
		$(PROTOS:%=gen/%.proto)
	$(BIN)/python openapi/codegen/server.py openapi/spec.yaml api/generated

sdk: install ## the SDKs, from openapi/spec.yaml
	for language in $(SDKS); do $(BIN)/python openapi/codegen/sdk.py $$language openapi/spec.yaml sdk/$$language || exit; done

bench: install ## every benchmark of bench/ against the running stack, one JSON line each
	$(BIN)/python -m bench

demo-model: ## trains models/novai-tiny again: under two hours on 2 cores
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[recipe,inference]'
	$(BIN)/python models/novai-tiny/recipe/make.py $(ARGS)

clean: ## removes the virtual environment and the state of `novai dev`
	rm -rf $(VENV) $(KERNELS) .novai build dist *.egg-info
