#!/usr/bin/env bash
# Builds the image, and runs it as its configuration says: user, environment, entrypoint, a root
# that nobody can write to, a network and processes of its own. Then it talks to it, asks how it
# is, stops it, starts it again, and looks for what was said.
#
#   tests/container.sh [OPTION...]        options for "buildah build"
#
# Needs root, buildah and python3, but no daemon. BASE names the base image, or is a folder with a
# root file system; if it is not given, debootstrap makes one. EXTRAS is the image's.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

work=$(mktemp -d)
server=
first=
clean_up() {
    [ -z "$server" ] || kill -KILL $first "$server" 2>/dev/null || true
    containers rm --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT

containers() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }
step() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    [ ! -f "$work/log" ] || cat "$work/log" >&2
    exit 1
}

base() {
    local folder=${BASE:-$work/base} container
    if [ -n "${BASE:-}" ] && [ ! -d "$BASE" ]; then
        echo "$BASE"
        return
    fi
    [ -n "${BASE:-}" ] || debootstrap --variant=minbase \
        --include=ca-certificates,python3,python3-venv stable "$folder" >&2
    container=$(containers from scratch)
    containers add --quiet "$container" "$folder" / >/dev/null
    containers commit --quiet --rm "$container" localhost/base >/dev/null
    echo localhost/base
}

step "the base"
base=$(base)
echo "$base"

step "the build"
containers build --isolation chroot --format docker --file Containerfile --tag chatnet \
    --build-arg "BASE=$base" --build-arg "EXTRAS=${EXTRAS:-}" "$@" .

step "the configuration"
containers inspect --type image chatnet >"$work/config"
says() { python3 -c "import json, sys; config = json.load(open(sys.argv[1]))[\"Docker\"][\"config\"]; $1" "$work/config"; }
says 'print(json.dumps({k: v for k, v in config.items() if v}, indent=2))'
user=$(says 'print(config["User"])')
folder=$(says 'print(config["WorkingDir"])')
volume=$(says '[volume] = config["Volumes"]; print(volume)')
port=$(says '[port] = config["ExposedPorts"]; print(port.partition("/")[0])')
stop=$(says 'print(config["StopSignal"])')
readarray -t environment < <(says 'print(*config["Env"], sep="\n")')
readarray -t entrypoint < <(says 'print(*config["Entrypoint"], sep="\n")')
readarray -t health < <(says 'kind, *words = config["Healthcheck"]["Test"]; assert kind == "CMD"; print(*words, sep="\n")')
[[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || fail "the user is '$user', which has to be two numbers and not root"

root=$(containers mount "$(containers from chatnet)")
for path in etc/pip.conf run/secrets src; do
    [ ! -e "$root/$path" ] || fail "/$path stayed in the image"
done

# A new volume takes over the mode and the owner of the image's folder.
mkdir "$work/volume"
cp -a "$root$volume/." "$work/volume"
chmod --reference="$root$volume" "$work/volume"
chown --reference="$root$volume" "$work/volume"

# run OPTION...: start the server with the image's entrypoint as the first process.
run() {
    : >"$work/log"
    unshare --mount --net --pid --fork bash -euc '
        root=$1 volume=$2 data=$3
        shift 3
        ip link set lo up
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
        mount --bind "$data" "$root$volume"
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/tmp"
        mount --rbind /dev "$root/dev"
        exec "$@"' run "$root" "$volume" "$work/volume" \
        chroot --userspec="$user" "$root" env --chdir="$folder" -i "${environment[@]}" "${entrypoint[@]}" "$@" \
        >"$work/log" 2>&1 &
    server=$!
    for _ in {1..300}; do
        kill -0 "$server" 2>/dev/null || fail "it ended"
        first=$(cat "/proc/$server/task/$server/children")
        first=${first// /}
        ! grep -q 'connect with:' "$work/log" || return 0
        sleep 0.1
    done
    fail "it does not listen"
}

# inside COMMAND...: run a command in the container, as the image's user.
inside() {
    nsenter --target "$first" --mount --net --pid --root --wd \
        --setuid="${user%%:*}" --setgid="${user##*:}" env -i "${environment[@]}" "$@"
}

# talk LINE...: type lines at the port, and show what is answered until the server hangs up.
talk() {
    printf '%s\r\n' "$@" /quit | nsenter --target "$first" --net timeout 20 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$0"; cat >&3; cat <&3' "$port" | tr -d '\r'
}

stop() {
    kill -"$stop" "$first"
    for _ in {1..150}; do
        kill -0 "$first" 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 "$first" 2>/dev/null || fail "it does not stop"
    status=0
    wait "$server" || status=$?
    server= first=
    grep -q 'all is stored; goodbye' "$work/log" || fail "no goodbye"
    [ "$status" = 0 ] || fail "it ended with $status"
}

step "the first run"
run --motd "Be kind."
grep -E '^(Uid|Gid|NSpid|Umask)' "/proc/$first/status"
[ "$(awk '/^Uid/ { print $2, $3, $4, $5 }' "/proc/$first/status")" = \
    "${user%%:*} ${user%%:*} ${user%%:*} ${user%%:*}" ] || fail "it does not run as $user"
[ "$(awk '/^NSpid/ { print $NF }' "/proc/$first/status")" = 1 ] || fail "it is not the first process"
inside "${health[@]}" || fail "it is not well"
talk "/nick ann" "/join tea" "the kettle is on" | tee "$work/heard"
grep -qx 'Be kind.' "$work/heard" || fail "its options did not reach it"
echo "from the client" | inside python3 -m chatnet.client tea --host 127.0.0.1 --name bob \
    || fail "the client does not work"
[ "$(stat -c %a "$work/volume") $(stat -c %a "$work/volume/chatnet.db")" = "700 600" ] || fail "others can read it"
stop
cat "$work/log"

step "the second run"
run --tls-only
inside "${health[@]}" || fail "it is not well with TLS only"
stop

step "the third run"
run
inside "${health[@]}" || fail "it is not well"
talk "/join tea" | tee "$work/heard"
grep -qx 'ann: the kettle is on' "$work/heard" || fail "the history is gone"
grep -qx 'bob: from the client' "$work/heard" || fail "the history is gone"

step "all is well"
