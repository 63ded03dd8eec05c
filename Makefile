# What a developer types. The README has the same without make.

VENV := .venv
BIN := $(VENV)/bin

$(BIN)/twistd: pyproject.toml setup.py
	python3 -m venv $(VENV)
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

.PHONY: run test check ci clean
run: $(BIN)/twistd
	$(BIN)/twistd -n chatnet --port 8888

test: $(BIN)/twistd
	$(BIN)/trial chatnet tests

check: $(BIN)/twistd
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy chatnet tests benchmarks certs setup.py twisted/plugins/chatnet_plugin.py
	$(BIN)/lint-imports

ci:
	.ci/run

clean:
	rm -rf $(VENV) _trial_temp* build *.egg-info .mypy_cache .ruff_cache .hypothesis
