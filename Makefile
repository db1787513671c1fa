# Everything runs in .venv, which is created on demand from the pinned requirements.

PYTHON ?= python3
WEB_PORT ?= 3000
EXAMPLES ?= 200
POSTGRES_15 ?= /usr/lib/postgresql/15/bin
BIN := .venv/bin
# Written once. Later starts save the second that loading trially takes.
SETTINGS = test -s instance/settings.env || $(BIN)/python -c 'from trially.config import write_development_settings as write; write()'

.DEFAULT_GOAL := help
.PHONY: help setup running port run status web test faults test-postgres-15 fuzz agree check format docs docs-site isolation-docs bench bench-peers client lock clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: ## Create the virtual environment for all targets, and this machine's settings
	@$(PYTHON) -I tools/environment.py development
	@$(SETTINGS)

running:
	@$(PYTHON) -I tools/environment.py running
	@$(SETTINGS)

port:
	@$(PYTHON) -I trially/demo/ports.py $(PORT)

run: export TRIALLY_DEVELOPMENT = 1
run: port running ## Serve the demo tenants on http://127.0.0.1:5000 (PORT=… for another port)
	@echo "Starting …"
	@$(BIN)/python -m flask demo serve $(if $(PORT),--port $(PORT))

status: export TRIALLY_DEVELOPMENT = 1
status: running ## Show the demo's addresses, clients, tokens, and the settings of a web app
	@$(BIN)/python -m flask demo status

web: export TRIALLY_DEVELOPMENT = 1
web: export NEXT_TELEMETRY_DISABLED = 1
web: running ## Serve the example web app on http://localhost:3000 beside make run (WEB_PORT=…; needs Node)
	@examples/nextjs/scripts/install
	@$(BIN)/python -m flask demo status | node examples/nextjs/scripts/settings.mjs http://localhost:$(WEB_PORT)
	@echo "Open http://localhost:$(WEB_PORT)"
	@cd examples/nextjs && exec node node_modules/next/dist/bin/next dev --hostname localhost --port $(WEB_PORT)

test: setup ## Run the tests
	$(BIN)/python -m pytest --numprocesses 3

test-postgres-15: setup ## Attack pooled rows on PostgreSQL 15 (apt-get install postgresql-15)
	TEST_POSTGRES_BIN=$(POSTGRES_15) $(BIN)/python -m pytest tests/isolation -k pooled_rows

fuzz: setup ## Fuzz the API with new requests each time (EXAMPLES=… of each kind)
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/fuzz

agree: setup ## Compare the evaluators of criteria on new patients each time (EXAMPLES=… clinics on each tier)
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/recruiting/matching/test_three_evaluators.py tests/recruiting/real_patients

check: setup ## Check format, lint, types, import contracts, migrations and OpenAPI documents
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.migration_numbers
	$(BIN)/python -m tools.lint_migrations
	$(BIN)/python -m tools.start_checks

format: setup ## Format the code and fix what can be fixed
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

docs: setup ## Write docs/permissions.md, problems.md, imported-elements.md and the tables of commands.md, field-encryption.md and criteria.md
	@$(BIN)/python -m tools.permission_tables > docs/permissions.md
	@$(BIN)/python -m tools.problem_codes > docs/problems.md
	@$(BIN)/python -m tools.imported_elements > docs/imported-elements.md
	@$(BIN)/python -m tools.command_table
	@$(BIN)/python -m tools.field_table
	@$(BIN)/python -m tools.criteria_reference

docs-site: setup ## Build the documentation's site into build/guide/ (diagrams need Node)
	@$(BIN)/python -m tools.docs_site

isolation-docs: setup ## Write docs/isolation.md from what the attacks in tests/isolation find
	WRITE_ISOLATION=1 $(BIN)/python -m pytest -q tests/isolation

bench: setup ## Run the published benchmarks; see benchmarks/README.md
	$(BIN)/python -m benchmarks.requests
	$(BIN)/python -m benchmarks.create_tenant
	$(BIN)/python -m benchmarks.import_fhir
	$(BIN)/python -m benchmarks.guard
	TRIALLY_DEVELOPMENT=1 $(BIN)/python -m benchmarks.commands

bench-peers: setup ## Compare requests with conventional apps, django-tenants and fastapi-tenancy (25 minutes)
	@$(BIN)/python -m benchmarks.peers

faults: setup ## Run all faults under load, and write docs/faults.md and docs/faults-of-moves.md (45 minutes)
	$(BIN)/python -m faults --write docs/faults.md
	$(BIN)/python -m faults.moves --write docs/faults-of-moves.md

client: export TRIALLY_DEVELOPMENT = 1
client: running ## Generate the TypeScript client from the API (needs Node)
	@$(BIN)/python -m flask openapi > clients/typescript/openapi.json
	cd clients/typescript && npm ci --no-audit --no-fund && npm run generate && npm run build

lock: setup ## Pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --upgrade --python-version 3.11 pyproject.toml -o requirements/production.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --upgrade --python-version 3.11 --extra development pyproject.toml -o requirements/development.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --extra google-kms --extra aws-kms --extra pkcs11 --constraint requirements/development.txt pyproject.toml -o requirements/key-providers.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --extra embedded --constraint requirements/development.txt pyproject.toml -o requirements/running.txt

clean: ## Remove the virtual environments; instance/ stays
	rm -rf .venv benchmarks/peers/.venv
