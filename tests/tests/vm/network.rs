//! Cables between real guests: a qube and the qube that its network goes through, which may each come
//! and go; its other client; and one with no network at all.

use std::{fs, time::Instant};

use super::{
    images::{add_to_initramfs, own},
    lab::Lab,
};

/// What process 1 does first: addresses by hand. `two` also takes one in `one`'s range, so that
/// nothing but the cable stands between them.
const ADDRESSES: &str = "
echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
up() { /bin/busybox ip link set $1 up; /bin/busybox ip addr add $2/24 dev $1; }
case $(cat /usr/lib/transom/hostname) in
    net) up eth0 10.9.1.1; up eth1 10.9.2.1;;
    one) up eth0 10.9.1.2;;
    two) up eth0 10.9.2.2; up eth0 10.9.1.3;;
esac
";

/// Sends back what it gets.
const SERVER: &str = r#"$SIG{CHLD} = "IGNORE"; my $l = IO::Socket::INET->new(LocalPort => 7000, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $l->accept) { next if fork; while (sysread($c, my $b, 65536)) { syswrite($c, $b) } exit }"#;

/// Sends a MB to an address and compares what comes back: 0 if it is the same, 3 if nobody is there.
fn client(address: &str) -> String {
    format!(
        "perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(PeerAddr => \"{address}:7000\", Timeout => 4) or exit 3; alarm 30;
        for my $n (1 .. 100) {{
            my ($out, $in) = (chr($n) x 10000, \"\");
            syswrite($s, $out) == 10000 or exit 4;
            while (length $in < 10000) {{ sysread($s, $in, 10000 - length $in, length $in) or exit 5 }}
            $in eq $out or exit 6;
        }}'"
    )
}

fn create(lab: &Lab, qube: &str, network: Option<&str>) {
    create_on(lab, lab.backend, qube, network);
}

fn create_on(lab: &Lab, backend: &str, qube: &str, network: Option<&str>) {
    lab.create_on(backend, qube, "blue", "memory \"256MiB\"\nvolume \"64MiB\"");
    let file = lab.data().join("qubes").join(qube).join("qube.kdl");
    let mut text = fs::read_to_string(&file).unwrap().replace("debian-12", "networked");
    text.extend(network.map(|network| format!("network \"{network}\"\n")));
    fs::write(file, text).unwrap();
}

fn serve(lab: &Lab) {
    lab.house.must(&["qube", "run", "net", "perl", "-MIO::Socket::INET", "-e", SERVER]);
    let listens = "until perl -MIO::Socket::INET -e 'IO::Socket::INET->new(\"127.0.0.1:7000\") or exit 3'
        do sleep 0.1; done";
    assert_eq!(lab.ends_with("net", listens), 0);
}

/// The image, with a process 1 that gives addresses.
fn networked(lab: &Lab) {
    let init = include_str!("../../../hypervisor-glue/src/image/guest/init.sh");
    let init = init.replacen('\n', ADDRESSES, 1);
    add_to_initramfs(&own(lab, "networked"), &[("transom/init", init.as_bytes())]);
}

/// Cables between machines that the processor runs: two of the linked VMM, and one of QEMU.
pub(crate) fn cables_on_the_processor(lab: &Lab) {
    networked(lab);
    create(lab, "net", None);
    create(lab, "one", Some("net"));
    create_on(lab, "qemu", "two", Some("net"));
    let backends = ["net", "one", "two"].map(|qube| lab.info(qube)["backend"].clone());
    assert_eq!(backends, ["kvm", "kvm", "qemu"]);
    let reason = lab.info("two")["backend_reason"].to_string();
    assert!(reason.contains("on the processor by KVM"), "{reason}");
    lab.start("net");
    serve(lab);
    for (qube, address) in [("one", "10.9.1.1"), ("two", "10.9.2.1")] {
        lab.start(qube);
        let begin = Instant::now();
        assert_eq!(lab.ends_with(qube, &client(address)), 0, "{}", lab.log(qube));
        println!("{qube}: 1 MB there and back in {:.1} s", begin.elapsed().as_secs_f32());
    }
    assert_eq!(lab.ends_with("one", &client("10.9.2.1")), 3, "one client reaches the other's cable");
    for qube in ["one", "two", "net"] {
        lab.house.must(&["qube", "stop", qube]);
        assert_eq!(lab.info(qube)["state"]["is"], "halted");
    }
}

/// A number that a guest counts, and whether it is that.
fn received(lab: &Lab, qube: &str, card: &str, test: &str) -> bool {
    let script = format!("test $(cat /sys/class/net/{card}/statistics/rx_packets) {test}");
    lab.ends_with(qube, &script) == 0
}

#[test]
fn qubes_are_linked_as_their_files_say() {
    let Some(lab) = Lab::new() else { return };
    networked(&lab);
    create(&lab, "net", None);
    for client in ["one", "two"] {
        create(&lab, client, Some("net"));
    }
    create(&lab, "alone", None);

    // What cannot be is said at the start.
    create(&lab, "circle", Some("circle"));
    lab.house.must(&["qube", "create", "box", "--label", "red", "--backend", "sandbox"]);
    let file = lab.data().join("qubes/box/qube.kdl");
    fs::write(&file, fs::read_to_string(&file).unwrap() + "network \"net\"\n").unwrap();
    lab.unlocked();
    for (qube, reason) in [("circle", "names itself"), ("box", "a sandbox has no network")] {
        let output = lab.house.run(&["qube", "start", qube]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{said}");
    }

    // The client is there before the qube that it names.
    lab.start("one");
    assert_eq!(lab.ends_with("one", &client("10.9.1.1")), 3, "nobody is there yet");
    lab.start("net");
    serve(&lab);
    let begin = Instant::now();
    assert_eq!(lab.ends_with("one", &client("10.9.1.1")), 0);
    println!("1 MB there and back in {:.1} s", begin.elapsed().as_secs_f32());

    // Its other client comes later. The two do not hear each other, whatever addresses they take.
    lab.start("two");
    assert_eq!(lab.ends_with("two", &client("10.9.2.1")), 0);
    assert_eq!(lab.ends_with("two", "cat /sys/class/net/eth0/statistics/rx_packets > ~/before"), 0);
    let shout = "perl -MSocket -e 'socket(my $s, PF_INET, SOCK_DGRAM, 0); setsockopt($s, SOL_SOCKET, SO_BROADCAST, 1);
        for (1 .. 200) { send($s, \"all\", 0, sockaddr_in(9, inet_aton(\"10.9.1.255\"))) or exit 4 }'";
    assert_eq!(lab.ends_with("one", shout), 0);
    assert_eq!(lab.ends_with("one", &client("10.9.1.3")), 3, "one client reaches the other");
    assert!(received(&lab, "net", "eth0", "-ge 200"), "the qube between them heard it");
    assert!(received(&lab, "two", "eth0", "= $(cat ~/before)"), "one client hears the other");

    // Who names no network has no card; who has one has one.
    lab.start("alone");
    assert_eq!(lab.ends_with("alone", "test \"$(echo $(ls /sys/class/net))\" = lo"), 0);
    assert_eq!(lab.ends_with("one", "test \"$(echo $(ls /sys/class/net))\" = 'eth0 lo'"), 0);
    lab.house.must(&["qube", "kill", "alone"]);

    // The client dies and comes back; so does the qube that it names. Nobody else is started again.
    lab.house.must(&["qube", "kill", "one"]);
    lab.start("one");
    assert_eq!(lab.ends_with("one", &client("10.9.1.1")), 0, "{}", lab.log("net"));
    lab.house.must(&["qube", "kill", "net"]);
    assert_eq!(lab.ends_with("one", &client("10.9.1.1")), 3, "nobody is there any more");
    lab.start("net");
    serve(&lab);
    for (qube, address) in [("one", "10.9.1.1"), ("two", "10.9.2.1")] {
        assert_eq!(lab.ends_with(qube, &client(address)), 0, "{}", lab.log(qube));
    }

    // One that comes new is told that it has to wait for the other's next start.
    create(&lab, "late", Some("net"));
    lab.start("late");
    assert!(lab.log("late").contains("net was started before it had this client"), "{}", lab.log("late"));
}
