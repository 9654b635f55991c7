#!/bin/sh
# Every row of tests/mutations/mutations.def can still be applied, and its test is there. Usage: mutations.sh <source root>
exec "$1/scripts/mutations" --check
