/**
 * Ties a process to ours, so that it ends when we do, even when we are killed and run no finalizer.
 *
 * PostgreSQL has nothing like a parent that it watches. A POSIX shell between us and it does: it holds one end of a pipe
 * on descriptor 3, we hold the other and never write. The kernel closes ours however we end; the shell then stops its
 * child by `SIGINT` (PostgreSQL's fast shutdown, and the end of `initdb`) and removes the directory with its data.
 */

/**
 * Runs the command given after the directory.
 *
 * - A command in the background gets `/dev/null` for its input (POSIX, 2.9.3.1), hence the detour over descriptor 4. It
 *   also starts with `SIGINT` ignored, so that one which comes too early is lost, hence the `SIGTERM` before it: that
 *   ends a program that is not up yet, and adds nothing to a `SIGINT` for one that is.
 * - `wait` returns early when a trap runs, hence the loop; `kill -0` fails once the child has been waited for.
 * - A program that dies of our death, for example because it prints, may be gone before the shell hears of it. So the
 *   shell prints an empty line at the end: that fails when there is nobody to read it.
 * - The reader is killed by a signal that cannot be lost: it begins with the shell's own traps. It is waited for as
 *   well, because it would stay a zombie wherever nobody adopts orphans.
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
