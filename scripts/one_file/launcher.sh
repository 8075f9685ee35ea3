#!/bin/sh
# clsctl @VERSION@ (@FLAVOUR@), in one file: unpacks itself once into the user's cache and runs from
# there. What follows the last line of this script is a compressed archive with SHA-256 @DIGEST@.
set -eu

if [ -n "${CLSCTL_HOME:-}" ]; then
    cache=$CLSCTL_HOME/cache data=$CLSCTL_HOME
else
    if [ -z "${XDG_CACHE_HOME:-}${HOME:-}" ]; then
        echo 'clsctl: HOME is not set; set CLSCTL_HOME to a folder for models and caches' >&2
        exit 2
    fi
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/clsctl data=${XDG_DATA_HOME:-$HOME/.local/share}/clsctl
fi
# A folder for each flavour, so that none takes another for an old release of itself.
folder=$cache/one-file/@FLAVOUR@
home=$folder/@VERSION@-@SHORT@

fail() {
    echo "clsctl: $1" >&2
    exit 1
}

# Only one unpacks: the others wait for the lock, and find what they need or take over from one that
# was killed. Where a file system has no locks each unpacks for itself, and whoever is first renames.
unpack() {
    echo 'note: unpacking clsctl @VERSION@ into the cache, once' >&2
    mkdir -p "$folder" && : >>"$folder.lock" ||
        fail "cannot write to $cache; set CLSCTL_HOME to another folder"
    exec 9>>"$folder.lock"
    if flock 9 2>/dev/null; then
        rm -rf "$folder"/.part-*
        [ ! -e "$home/bin/clsctl" ] || return 0
    fi
    [ "$(archive | sha256sum | cut -c 1-64)" = @DIGEST@ ] ||
        fail "$0 is damaged: its checksum is not what it should be; copy or download it again"
    part=$(mktemp -d "$folder/.part-XXXXXX")
    trap 'rm -rf "$part"' EXIT
    trap 'exit 130' HUP INT TERM
    archive | gzip -dc | tar -xf - -C "$part" ||
        fail "cannot unpack into $cache; is the disk full?"
    sync -f "$part" 2>/dev/null || sync
    mv -T "$part" "$home" 2>/dev/null || [ -e "$home/bin/clsctl" ] || fail "cannot write $home"
    remove_other_releases
    rm -rf "$part"
    trap - EXIT HUP INT TERM
}

archive() {
    tail -c +@OFFSET@ "$0"
}

# Keeps those that a process runs, which /proc names by the path without symbolic links.
remove_other_releases() {
    running=$(ls -l /proc/[0-9]*/exe 2>/dev/null || :)
    real=$(cd "$folder" && pwd -P)
    for release in "$real"/*; do
        case $running in *" $release/"*) continue ;; esac
        [ "${release##*/}" = "${home##*/}" ] || rm -rf "$release" || :
    done
}

if [ ! -e "$home/bin/clsctl" ]; then
    unpack
    exec 9>&-
fi
unset PYTHONHOME PYTHONPATH PYTHONNOUSERSITE PYTHONSAFEPATH
# Where `clsctl plugins install` puts plugins: Python looks there by itself.
export PYTHONUSERBASE="$data/plugins"
# Without /proc the loader does not know where the interpreter lies.
[ -e /proc/self/exe ] || export LD_LIBRARY_PATH="$home/lib"
exec "$home/bin/python3" "$home/bin/clsctl" "$@"
