#!/bin/sh
# limiter_api_client.sh - all requests are answered, at the rate, one after a refusal
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

expect_output "$1" <<'END'
20 requests: 20 answers, after 1 refusal
sent before their time: 0
at once or not at all: no token, the next one within the hour
a wait that would miss its deadline is told so at once
END
