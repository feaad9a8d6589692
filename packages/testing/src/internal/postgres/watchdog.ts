/**
 * Ties a child process to this one, so that it ends even if this process is killed and runs no finalizer.
 *
 * PostgreSQL does not watch its parent process, so a POSIX shell in between does: it holds the read end of a pipe on
 * descriptor 3, and this process holds the write end and never writes. The kernel closes the write end however this
 * process ends; the shell then stops its child by `SIGINT` (PostgreSQL's fast shutdown, and the end of `initdb`) and
 * removes the directory with its data.
 */

/**
 * Runs the command given after the directory.
 *
 * - A background command gets `/dev/null` as its input (POSIX, 2.9.3.1), hence the detour over descriptor 4. It also
 *   starts with `SIGINT` ignored, so that an early one is lost, hence the `SIGTERM` before it: that ends a program that
 *   has not started up yet, and has no further effect on one that gets a `SIGINT`.
 * - `wait` returns early when a trap runs, hence the loop; `kill -0` fails once the child has been waited for.
 * - A child that dies along with this process, for example because it prints, may be gone before the shell is notified.
 *   So the shell prints an empty line at the end: that fails if there is no reader left.
 * - The reader is killed by a signal that cannot be lost, as it starts with the shell's own traps. It is also waited
 *   for, because it would remain a zombie where no process adopts orphans.
 */
export const script = `
directory=$1
shift
exec 4<&0
"$@" <&4 3<&- 4<&- &
child=$!
exec 4<&-
cut=
trap 'cut=1; kill -TERM "$child" 2>/dev/null; kill -INT "$child" 2>/dev/null' TERM INT HUP
{ read -r _ <&3; kill -TERM $$; } 2>/dev/null &
reader=$!
exec 3<&-
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do
  wait "$child"
  status=$?
done
trap '' TERM INT HUP PIPE
kill -KILL "$reader" 2>/dev/null
wait "$reader" 2>/dev/null
echo 2>/dev/null || cut=1
[ -z "$cut" ] || rm -rf -- "$directory"
exit "$status"
`
