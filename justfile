# Shortcuts; each is a script that runs without just.

# The whole gate.
test:
    tests/run

# What takes longer: every place at which the store can fail, half an hour of mixed load under faults.
interop *arguments:
    tests/interop {{arguments}}
