#!/bin/sh
# How long a container takes, ours beside crun and runc: `run` of /bin/true, and create + start +
# delete, interleaved so that the machine's moods hit all alike. Prints minimum, median and mean in
# milliseconds, and the ratio of medians to ours.
#
#   sudo crates/machine/runtime/benches/latency.sh PATH-OF-TEU-RUNTIME [RUNS]
#
# PATH is a release build: `cargo build --release -p teu-runtime --example runtime`, or a link named
# teu-runtime to teu. Works in a private mount namespace: Debian's crun refuses a hybrid hierarchy.
set -eu
subject=$(realpath "$1")
runs=${2:-100}
if [ -z "${TEU_BENCH_INSIDE:-}" ]; then
    TEU_BENCH_INSIDE=1 exec unshare --mount --propagation private "$0" "$subject" "$runs"
fi
mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/rootfs/bin" "$work/rootfs/proc" "$work/rootfs/sys" "$work/rootfs/dev"
cp /bin/busybox "$work/rootfs/bin/"
ln -s busybox "$work/rootfs/bin/true"
cd "$work"
runc spec
sed -i 's/"terminal": true/"terminal": false/; s#"sh"#"/bin/true"#' config.json
# A path of its own makes each of them use every hierarchy.
[ -n "${CGROUPS_PATH:-}" ] && sed -i "s#\"linux\": {#\"linux\": { \"cgroupsPath\": \"/$CGROUPS_PATH\",#" config.json

now() { date +%s%N; }
whole() { "$1" --root "$work/state-$2" run "bench-$2" >/dev/null 2>&1; }
steps() {
    "$1" --root "$work/state-$2" create "bench-$2" >/dev/null 2>&1
    "$1" --root "$work/state-$2" start "bench-$2"
    # The program is /bin/true: it has ended, or is about to.
    until "$1" --root "$work/state-$2" delete "bench-$2" 2>/dev/null; do :; done
}
for way in whole steps; do
    round=0
    while [ "$round" -lt $((runs + 3)) ]; do
        for name in teu crun runc; do
            case $name in teu) program=$subject ;; *) program=$name ;; esac
            before=$(now)
            "$way" "$program" "$name"
            after=$(now)
            # The first three rounds warm caches.
            [ "$round" -lt 3 ] || echo $((after - before)) >>"$work/$way-$name"
        done
        round=$((round + 1))
    done
    for name in teu crun runc; do
        sort -n "$work/$way-$name" | awk -v name="$name" -v way="$way" '
            { all[NR] = $1 / 1e6; sum += $1 / 1e6 }
            END { printf "%s %s min %.1f median %.1f mean %.1f\n", way, name, all[1], all[int((NR + 1) / 2)], sum / NR }'
    done | awk '{ if ($2 == "teu") own = $6; printf "%s  ratio %.2f\n", $0, $6 / own }'
done
