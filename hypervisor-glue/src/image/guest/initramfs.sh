#!/bin/busybox sh
# The first program of a qube's kernel: mounts the image read-only, a layer in memory above it and
# the private volume, and hands over to init.sh.
b=/bin/busybox
$b mkdir -p /proc /sys /dev /image /layer /new
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev

# Said on the console, and so in the qube's log: seconds since the kernel began.
stage() {
    read -r up _ < /proc/uptime
    echo "transom-stage $1 $up"
}
# Nothing can run: a restart tells the machine's owner so.
give_up() {
    echo "transom: cannot start: $*"
    $b reboot -f
}
load() {
    while read -r module; do
        $b insmod "/modules/$module.ko" || echo "transom: no module $module"
    done < "/modules/$1"
}

# A number of the private volume's superblock, by its place in units of four bytes.
superblock() {
    $b dd if=/new/dev/vdb bs=4 skip=$((256 + $1)) count=1 2>/dev/null | $b hexdump -e '1/4 "%u"'
}
# Its blocks are of 1 KiB, doubled so many times.
file_system_sectors() {
    echo $(($(superblock 1) * (2 << $(superblock 6))))
}

stage initramfs
load disk
# The stream to dom0 is needed only once the agent runs.
load stream &
stage modules

[ -b /dev/vda ] || give_up "there is no disk with the image"
$b mount -t erofs -o ro /dev/vda /image || give_up "the image is damaged: make it anew with 'transom image build'"
$b mount -t tmpfs -o mode=755 layer /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/image,upperdir=/layer/upper,workdir=/layer/work overlay /new ||
    give_up "the image cannot be layered"
$b mount -o move /dev /new/dev

if [ -b /new/dev/vdb ]; then
    if [ "$($b dd if=/new/dev/vdb bs=2 skip=540 count=1 2>/dev/null | $b hexdump -e '1/2 "%04x"')" != ef53 ]; then
        # Only a volume that was never written to is made into one.
        [ "$($b dd if=/new/dev/vdb bs=64k count=1 2>/dev/null | $b tr -d '\000' | $b wc -c)" = 0 ] ||
            give_up "the private volume holds no file system"
        $b chroot /new mkfs.ext4 -q -F -m 0 -E nodiscard -L private /dev/vdb ||
            give_up "the private volume cannot be made"
        stage volume-made
    fi
    # Mounted from within, so that its tools find it under its name.
    $b chroot /new /bin/busybox mount -t ext4 -o noatime,nodev /dev/vdb /rw ||
        give_up "the private volume is damaged"
    if [ "$(file_system_sectors)" -lt $(($($b cat /sys/class/block/vdb/size) - 2048)) ]; then
        $b mount -t proc proc /new/proc
        $b chroot /new resize2fs /dev/vdb || echo "transom: the private volume cannot grow"
        $b umount /new/proc
        stage volume-grown
    fi
    $b mkdir -p /new/rw/home
    $b mount -o bind /new/rw/home /new/home
fi

$b mkdir -p /new/usr/lib/transom
$b cp -a /transom/. /new/usr/lib/transom/
wait
stage root
$b mount -o move /proc /new/proc
$b mount -o move /sys /new/sys
exec $b switch_root /new /usr/lib/transom/init
