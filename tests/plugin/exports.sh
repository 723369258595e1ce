#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every module of the build exports mg_module and nothing else.  exports.sh FOLDER...
passed=0 failed=0
for module in $(find "$@" -name '*.so' 2>/dev/null | sort); do
    # Sanitizers add symbols of their own.
    exported=$(nm -D --defined-only "$module" | awk '{print $NF}' | grep -Ev '^_*(asan|odr_asan|ubsan|tsan|sancov)' |
        tr '\n' ' ')
    if [ "$exported" = "mg_module " ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$module exports: $exported" >&2
    fi
done
echo "exports: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
