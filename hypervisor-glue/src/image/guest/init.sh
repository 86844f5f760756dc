#!/bin/busybox sh
# Process 1 of a qube: starts the agent, keeps it running, and ends the machine with it.
# A full init takes many seconds of a software-emulated machine before the first window; for the
# same reason the shell is busybox, which has most of the commands below in itself.
lib=/usr/lib/transom
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LANG=C.UTF-8 HOME=/root

stage() {
    read -r up _ < /proc/uptime
    echo "transom-stage $1 $up"
}

mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
mount -t tmpfs -o mode=755,nosuid,nodev run /run
mount -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
mkdir -p -m 1777 /tmp/.X11-unix /tmp/.ICE-unix
mkdir -p /run/dbus /run/lock
mkdir -p -m 700 /run/user/1000
chown 1000:1000 /run/user/1000
ln -sf /proc/self/fd /dev/fd

read -r name < $lib/hostname
echo "$name" > /proc/sys/kernel/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > /etc/hosts
tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
ifconfig lo 127.0.0.1 2>/dev/null

if [ ! -d /home/user ]; then
    cp -a /etc/skel /home/user
    chown -R 1000:1000 /home/user
    chmod 700 /home/user
fi

as_user() {
    cd /home/user || return 1
    . $lib/environment
    export HOME=/home/user USER=user LOGNAME=user SHELL=/bin/bash XDG_RUNTIME_DIR=/run/user/1000
    export DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus
    exec /usr/bin/setpriv --reuid=1000 --regid=1000 --init-groups --inh-caps=-all -- "$@"
}

# The part that pins programs' memory has the rights for that, and does nothing else.
pin=
if [ -x $lib/transom-pin ]; then
    mkdir -p -m 755 /run/transom
    pin="--pin-socket /run/transom/pin"
    $lib/transom-pin --socket /run/transom/pin --agent-uid 1000 &
fi
if [ -x $lib/transom-services ]; then
    for tool in @TOOLS@; do
        ln -sf $lib/transom-services /usr/bin/$tool
    done
fi
# A qube with a USB controller hands its mice and keyboards to dom0, which asks the person.
usb=
for class in /sys/bus/pci/devices/*/class; do
    [ -r "$class" ] || continue
    read -r is < "$class"
    case $is in 0x0c03*) usb=1 ;; esac
done
if [ "$usb" ] && [ -x $lib/transom-input ]; then
    (
        for module in xhci-pci ehci-pci uhci-hcd ohci-pci usbhid hid-generic evdev; do
            modprobe -q $module
        done
        mkdir -p /dev/input
        exec $lib/transom-input
    ) &
fi
# A real card of the network has a driver that nobody has loaded yet.
for device in /sys/bus/pci/devices/*; do
    if [ -e "$device/driver" ] || [ ! -r "$device/class" ]; then continue; fi
    read -r is < "$device/class"
    case $is in 0x02*) read -r alias < "$device/modalias" && modprobe -q "$alias" ;; esac
done
# The network is what dom0 says; nobody else here has a say in it.
if [ -x $lib/transom-net ]; then
    (while :; do $lib/transom-net; sleep 1; done) &
fi
stage agent
# Buses wait for nobody, and nobody waits for them.
dbus-daemon --system --nofork --nopidfile &
(as_user dbus-daemon --session --nofork --nopidfile --address=unix:path=/run/user/1000/bus) &

# dom0 presses the power button where the agent does not hear it.
pressed=
trap 'pressed=1' USR1
for device in /sys/class/input/event*; do
    phys=
    [ -r "$device/device/phys" ] && read -r phys < "$device/device/phys"
    case $phys in LNXPWRBN/* | PNP0C0C/*) ;; *) continue ;; esac
    button=/dev/input/${device##*/}
    [ -c "$button" ] && (dd bs=24 count=1 < "$button" > /dev/null 2>&1 && kill -USR1 1) &
done

# An agent that crashes is started again, a few times: dom0 gets its streams anew.
left=5
while :; do
    (as_user $lib/transom-agent --vsock $pin --runtime-dir /run/user/1000) &
    wait $!
    code=$?
    [ "$pressed" ] && code=0
    [ $code = 0 ] && break
    echo "transom: the agent ended with status $code"
    left=$((left - 1))
    [ $left = 0 ] && break
    sleep 0.2
done

stage end
# From process 1 this is everybody else.
kill -TERM -1
# After the button, programs hear it only now; else the agent has given them their time.
if [ "$pressed" ]; then sleep 1; else sleep 0.1; fi
kill -KILL -1
# What was deleted is free on dom0's disk from now on.
grep -q ' /rw ' /proc/mounts && sync && timeout -s KILL 5 fstrim /rw
# What was killed holds its files for a moment longer.
left=30
for dir in /home /rw; do
    while grep -q " $dir " /proc/mounts && ! umount $dir 2>/dev/null && [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.1
    done
done
grep -q ' /rw ' /proc/mounts && mount -o remount,ro /rw
sync
# Switched off: as it should be. Restarted: something is wrong.
[ "$code" = 0 ] && poweroff -f
reboot -f
