#!/bin/sh
# The last step of mmdebstrap, run by it with the root folder as $1: takes the kernel from its
# package, makes what a qube needs, and packs the root file system. All that leaves the folder goes
# to $1/transom-out, from where mmdebstrap itself copies it out.
set -eu
root=$1
out=$root/transom-out

say() { echo "transom: $*" >&2; }

say "trying the agent"
chroot "$root" /transom-out/transom-agent --version >&2

say "fetching the kernel"
(
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
    export APT_CONFIG
    package=$(apt-cache depends --important "$TRANSOM_KERNEL" | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1)
    cd "$out"
    apt-get download -qq "${package:-$TRANSOM_KERNEL}"
)
chroot "$root" sh -c 'dpkg-deb -x /transom-out/linux-image-*.deb /transom-out/linux'
mv "$out"/linux/boot/vmlinuz-* "$out/kernel"
rm -rf "$root/usr/lib/modules"
mv "$out/linux/lib/modules" "$root/usr/lib/modules"
ls "$root/usr/lib/modules" > "$out/release"
chroot "$root" /sbin/depmod "$(cat "$out/release")"
cp "$root/bin/busybox" "$out/busybox"

say "setting up"
echo 'user:x:1000:1000::/home/user:/bin/bash' >> "$root/etc/passwd"
echo 'user:x:1000:' >> "$root/etc/group"
echo 'user:!:1::::::' >> "$root/etc/shadow"
# What a qube of this image can start, before it has ever run. As its user would see it.
chroot "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/games LANG=C.UTF-8 HOME=/nonexistent \
    /transom-out/transom-agent --list-programs > "$out/programs" || : > "$out/programs"
mkdir -p "$root/rw" "$root/home"
: > "$root/etc/machine-id"
rm -rf "$root/var/lib/apt/lists"/* "$root/var/cache/apt"/* "$root/var/log"/* \
    "$root/var/cache/ldconfig"/* "$root/var/cache/debconf"/*-old "$root/var/lib/dpkg"/*-old \
    "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/apt/apt.conf.d/99mmdebstrap" \
    "$root/var/lib/dbus/machine-id"

say "packing"
# mmdebstrap takes its own settings away itself, and fails if they are not there.
# Without extended attributes: no file needs one, and the search for them would enter /proc.
mkfs.erofs --quiet -zlz4 -x-1 -T"$SOURCE_DATE_EPOCH" -U 5472616e-736f-6d20-726f-6f7400000000 \
    --exclude-regex='^(transom-out$|etc/apt/apt.conf.d/00mmdebstrap$|(proc|sys|dev|run|tmp)/)' "$out/root.erofs" "$root"
