#!/bin/sh
# guard.sh PROGRAM ARGUMENT... runs the program so that it ends when the process that started it does, even by SIGKILL.
# It keeps the process id, so signals and the exit code pass straight through. File descriptor 3 must be a pipe whose
# other end the starting process holds.
#
# Where util-linux is, the kernel does it (PR_SET_PDEATHSIG). Elsewhere a watcher blocks on the pipe, which the kernel
# closes when the starting process dies, and then kills the program that `exec` put in this shell's place.
if command -v setpriv >/dev/null 2>&1; then
  exec setpriv --pdeathsig KILL -- "$@"
fi
( read -r _ <&3; kill -KILL $$ ) >/dev/null 2>&1 </dev/null &
exec "$@"
