# Words for what is done every day; each is a script that runs without just, and CI runs the same.

# Everything, as CI does.
test:
    tests/run

# Installs what the tests need, and fetches the real parts.
setup:
    tests/run setup

# Format, lints, documentation.
lint:
    tests/run lint

# Unit tests, stories and guards on SQLite.
sqlite:
    tests/run sqlite

# Stories and guards on Postgres.
postgres:
    tests/run postgres

# Stories whose names have this in them, on SQLite: `just story saga::`.
story name:
    cargo test --workspace --test it -- {{name}}

# The same on Postgres.
story-postgres name:
    TENANTRY_TEST_DB="$(tests/postgres)" cargo test --workspace --test it -- {{name}}

# Writes anew what is generated from the code: openapi.json, problems.md, events.md, lifecycles.md, steps.md, access.out.
generate:
    TENANTRY_TEST_UPDATE=1 cargo test --workspace --test it -- guards

# The tour of a newcomer.
demo:
    tests/run demo

# What takes longer: every place at which the store can fail, every door drawn anew, half an hour of mixed load under faults.
interop *arguments:
    tests/interop {{arguments}}
