#!/bin/sh
# Stands in for workerd where Miniflare starts it: Miniflare takes one path without arguments, and holds the other end of
# file descriptor 3 as its control channel.
exec "$(dirname "$0")/guard.sh" "$SYNCSPHERE_WORKERD" "$@"
