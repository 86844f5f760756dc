//! Networks of real guests: a server outside that is reached through `sys-firewall` and `sys-net`, rules by
//! qube, clients that lie about who they are, cables that are plugged elsewhere while all run; and dom0,
//! which is on no network meanwhile.

use std::{fs, path::PathBuf, time::Instant};

use transom_hypervisor::image::DEFAULT_NAME;
use transom_tests::{
    figure::figure,
    process::{until, wait_for},
};

use super::{
    devices, disposable,
    images::{DRIVERS, add_to_initramfs, own_of},
    lab::Lab,
    manager::{self, Figures},
    outside::{EIGHT, Outside, SEVEN},
    services, volume,
    vpn::{self, Chain},
};

/// The image of these tests.
pub(crate) const NETWORKED: &str = "networked";

/// What process 1 does besides: runs as root what the test writes to a pipe. It waits without a processor's
/// time, of which an emulated machine has little.
const ROOT: &str = r"
(
    while [ ! -d /run/lock ]; do /bin/busybox sleep 0.1; done
    mkdir -p -m 777 /run/as-root
    /bin/busybox mkfifo -m 666 /run/as-root/did /run/as-root/do
    while :; do
        sh /run/as-root/do
        echo $? > /run/as-root/did
    done
) &
";

/// Sends a MB to an address and compares what comes back: 0 if it is the same, 3 if nobody is there.
fn client(address: &str) -> String {
    sends(address, 100)
}

/// The same with so many pieces of 10 kB.
fn sends(address: &str, pieces: u32) -> String {
    format!(
        "perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(PeerAddr => \"{address}\", Timeout => 4) or exit 3; alarm 30;
        for my $n (1 .. {pieces}) {{
            my ($out, $in) = (chr($n) x 10000, \"\");
            syswrite($s, $out) == 10000 or exit 4;
            while (length $in < 10000) {{ sysread($s, $in, 10000 - length $in, length $in) or exit 5 }}
            $in eq $out or exit 6;
        }}'"
    )
}

/// A line to port 9000 of the server, by UDP.
fn note(text: &str) -> String {
    format!(
        "perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(PeerAddr => \"{SEVEN}:9000\", Proto => \"udp\") or exit 3; $s->send(\"{text}\")'"
    )
}

pub(crate) fn file(lab: &Lab, qube: &str) -> PathBuf {
    lab.data().join("qubes").join(qube).join("qube.kdl")
}

pub(crate) fn create(lab: &Lab, qube: &str, network: &str) {
    create_from(lab, NETWORKED, lab.backend, qube, network);
}

fn create_from(lab: &Lab, image: &str, backend: &str, qube: &str, network: &str) {
    lab.create_from(image, backend, qube, "blue", "memory \"256MiB\"\nvolume \"64MiB\"");
    let text = fs::read_to_string(file(lab, qube)).unwrap();
    fs::write(file(lab, qube), format!("{text}{network}\n")).unwrap();
}

/// Runs a script as the guest's root to its end.
pub(crate) fn as_root(lab: &Lab, qube: &str, script: &str) -> i32 {
    let tell = format!(
        "until [ -p /run/as-root/do ]; do sleep 0.1; done
        cat > /run/as-root/do <<'END'\n{script}\nEND
        read code < /run/as-root/did; exit $code"
    );
    lab.ends_with(qube, &tell)
}

/// Tries until it succeeds: rules and leases come in their own time.
fn until_reached(lab: &Lab, qube: &str, address: &str) {
    until(&format!("{qube} reaches {address}"), || {
        (lab.ends_with(qube, &client(address)) == 0).then_some(())
    });
}

/// The usual image, with a process 1 that lets tests be root.
pub(crate) fn networked(lab: &Lab) {
    with_root(lab, DEFAULT_NAME, NETWORKED);
}

/// An image of this name from another one, with a process 1 that lets tests be root.
pub(crate) fn with_root(lab: &Lab, image: &str, name: &str) {
    let init = transom_hypervisor::image::init();
    let init = init.replacen('\n', ROOT, 1);
    add_to_initramfs(&own_of(lab, image, name), &[("transom/init", init.as_bytes())]);
}

/// Sends back what it gets, at two ports.
const ECHO: &str = r#"$SIG{CHLD} = "IGNORE"; my $p = fork ? 7000 : 7001; my $l = IO::Socket::INET->new(LocalPort => $p, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $l->accept) { next if fork; while (sysread($c, my $b, 65536)) { syswrite($c, $b) } exit }"#;
/// The qube that the network goes through, as the guest knows it; for [`knock`].
const GATEWAY: &str = "$ENV{GATEWAY}:7000";

/// Has a qube that others' networks go through serve them itself.
fn serve(lab: &Lab, qube: &str) {
    lab.house.must(&["qube", "run", qube, "perl", "-MIO::Socket::INET", "-e", ECHO]);
    let up = "until perl -MIO::Socket::INET -e 'IO::Socket::INET->new(\"127.0.0.1:7000\") or exit 3'; do sleep 0.1; done";
    assert_eq!(lab.ends_with(qube, up), 0);
}

/// The address of the qube that a qube's network goes through.
fn gateway_of(lab: &Lab, qube: &str) -> String {
    let before = lab.log(qube).len();
    let say = "echo gateway $(ip route show default | cut -d' ' -f3) is it";
    lab.house.must(&["qube", "run", qube, "sh", "-c", say]);
    // What it says may come after its end.
    until("its gateway", || {
        let log = lab.log(qube);
        let (_, words) = log.get(before..)?.split_once("gateway ")?;
        Some(words.split_once(" is it")?.0.to_owned())
    })
}

/// Ends with 0 where somebody answers.
fn knock(address: &str) -> String {
    format!(
        "perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(PeerAddr => \"{address}\", Timeout => 4) or exit 3;
        alarm 20; syswrite($s, \"x\") and sysread($s, my $b, 9) and exit 0; exit 5'"
    )
}

/// Lets clients in, which only root can. Each new setup of the network puts this rule aside with all others.
fn open_to_clients(lab: &Lab, qube: &str) {
    as_root(lab, qube, "nft insert rule inet transom input tcp dport 7000-7001 accept");
}

/// Waits until a qube reaches the one that its network goes through.
fn reaches_gateway(lab: &Lab, qube: &str, gateway: &str) {
    let begin = Instant::now();
    let gateway_port = format!("export GATEWAY=$(ip route show default | cut -d' ' -f3); {}", knock(GATEWAY));
    let reached = wait_for("it reaches the other", || {
        open_to_clients(lab, gateway);
        (lab.ends_with(qube, &gateway_port) == 0).then_some(())
    });
    reached.unwrap_or_else(|late| panic!("{late}:\n{}\n{}", lab.log(gateway), lab.log(qube)));
    println!("{qube} reaches {gateway} after {:.1} s", begin.elapsed().as_secs_f32());
}

/// Cables between machines that the processor runs, exchanged while all run: a disposable and a network
/// qube of the linked VMM, and one of QEMU, whose way out is a card of the computer.
pub(crate) fn cables_on_the_processor(lab: &mut Lab) {
    const WITH_CARD: &str = "networked-drivers";
    networked(lab);
    with_root(lab, DRIVERS, WITH_CARD);
    create_from(lab, WITH_CARD, "qemu", "sys-net", &format!("uplink \"pci\" \"{}\"", devices::CARD));
    create(lab, "net", "network \"sys-net\"");
    create(lab, "one", "network \"net\"");
    let backends = ["sys-net", "net", "one"].map(|qube| lab.info(qube)["backend"].clone());
    assert_eq!(backends, ["qemu", "kvm", "kvm"]);
    let reason = lab.info("sys-net")["backend_reason"].to_string();
    assert!(reason.contains("on the processor by KVM"), "{reason}");
    let controller = format!("memory \"256MiB\"\nvolume \"64MiB\"\ndevice \"{}\"", devices::CONTROLLER);
    lab.create_from(DRIVERS, "qemu", "sys-usb", "red", &controller);
    devices::are_let_go(lab, "sys-net", "sys-usb");
    for qube in ["sys-net", "net"] {
        lab.start(qube);
        serve(lab, qube);
    }
    reaches_gateway(lab, "net", "sys-net");
    let outer = gateway_of(lab, "net");
    // Through the card's own driver.
    let server = format!("{}:7000", devices::SERVER);
    until("the server outside", || (lab.ends_with("net", &sends(&server, 3)) == 0).then_some(()));
    assert_eq!(lab.ends_with("sys-net", "ls -d /sys/bus/pci/drivers/e1000e/0*"), 0, "{}", lab.log("sys-net"));
    calls(lab, "sys-net", "net");

    // A disposable comes while its network qube runs, into a card that was spare, with the rules of its
    // pattern. It has waited with its window open.
    let rules = format!(
        "firewall {{\n allow \"tcp\" to=\"{outer}\" port=7000\n allow \"tcp\" to=\"{}\" port=7000\n \
         allow \"tcp\" to=\"{}\" port=7000\n}}\n",
        devices::SERVER,
        vpn::INSIDE
    );
    let text = fs::read_to_string(file(lab, "one")).unwrap();
    fs::write(file(lab, "one"), text + &rules).unwrap();
    let one = disposable::takes_one_that_waits(lab, "one");
    assert_eq!(lab.info(&one)["backend"], "kvm");
    reaches_gateway(lab, &one, "net");
    let net = gateway_of(lab, &one);
    let ends = |address: &str, port: u16| lab.ends_with(&one, &knock(&format!("{address}:{port}")));
    assert_eq!(ends(devices::SERVER, 7000), 0, "its rules allow it");
    assert_eq!(ends(&outer, 7000), 0, "its rules allow it");
    assert_ne!(ends(&outer, 7001), 0, "its rules do not allow it");

    // Plugged elsewhere, and back, and nowhere.
    lab.house.must(&["qube", "network", &one, "sys-net"]);
    reaches_gateway(lab, &one, "sys-net");
    assert_eq!(gateway_of(lab, &one), outer);
    assert_eq!(ends(&outer, 7001), 0, "it was there all the time");
    open_to_clients(lab, "net");
    assert_ne!(ends(&net, 7000), 0, "it still reaches the one that it had before");
    lab.house.must(&["qube", "network", &one, "net"]);
    reaches_gateway(lab, &one, "net");

    // The qube that it goes through ends and comes again. It has noticed nothing but silence.
    lab.house.must(&["qube", "stop", "net"]);
    assert_ne!(ends(&outer, 7000), 0, "nobody takes its packets on");
    lab.start("net");
    until("it reaches the server again", || (ends(devices::SERVER, 7000) == 0).then_some(()));
    assert_ne!(ends(&outer, 7001), 0, "its rules do not allow it");
    through_a_tunnel(lab, &one, "net", &net);
    lab.house.must(&["qube", "network", &one, "none"]);
    assert!(ends(&net, 7000) != 0 && ends(&outer, 7000) != 0, "it reaches somebody without a cable");

    services::go_when_the_person_says_so(lab, "vpn", "net");
    manager::with(lab, "net", |figures| {
        let Figures { memory, disk, says } = figures().unwrap();
        assert!(memory[0] > 64.0 && memory[0] <= 256.0 && disk[0] > 0.0 && disk[1] as u32 == 64);
        assert!(says.contains("network through sys-net"), "{says}");
    });
    Outside::has_no_part_of_dom0();
    disposable::ends_with_its_window(lab, &one);
    for qube in ["vpn", "net", "sys-net"] {
        lab.house.must(&["qube", "stop", qube]);
        assert_eq!(lab.info(qube)["state"]["is"], "halted");
    }
}

/// A qube's network goes through a tunnel from now on, which another one makes to the qube that they both go through.
fn through_a_tunnel(lab: &Lab, work: &str, world: &str, outer: &str) {
    let machine = "memory \"256MiB\"\nvolume \"64MiB\"\nencryption \"off\"";
    lab.create_from(NETWORKED, lab.backend, "vpn", "blue", machine);
    let plain = fs::read_to_string(file(lab, "vpn")).unwrap();
    let tunnel = |kind: &str, port: u16| {
        let network = format!("network \"{world}\"\nvpn \"{kind}\" endpoint=\"{outer}:{port}\"\n");
        fs::write(file(lab, "vpn"), plain.clone() + &network).unwrap();
    };
    tunnel("wireguard", vpn::WIREGUARD);
    assert_eq!((&lab.info("vpn")["backend"], &lab.info("vpn")["storage"]), (&"kvm".into(), &"plain".into()));
    lab.start("vpn");
    volume::gives_back(lab, "vpn", 12);
    lab.house.must(&["qube", "network", work, "vpn"]);
    let (outer, outside) = (outer.to_owned(), devices::SERVER);
    let mut chain = Chain { lab, world, work, outer, outside, port: vpn::WIREGUARD_PORT };
    chain.serve();
    chain.wireguard();
    chain.all_goes_through_it();
    assert_eq!(as_root(lab, world, "ip link set wg0 down"), 0);
    chain.leaks_nothing("the other end is gone");
    chain.comes_back("ip link set wg0 up");

    // The same with OpenVPN, which is its kind when it starts again.
    lab.house.must(&["qube", "stop", "vpn"]);
    assert_eq!(as_root(lab, world, "ip link delete wg0"), 0);
    tunnel("openvpn", vpn::OPENVPN);
    lab.start("vpn");
    chain.port = vpn::OPENVPN_PORT;
    chain.openvpn();
    chain.all_goes_through_it();
    assert_eq!(as_root(lab, world, vpn::OPENVPN_DOWN), 0);
    chain.leaks_nothing("the other end is gone");
    chain.comes_back(vpn::OPENVPN_UP);
}

/// A file goes from one qube to the other and back, by a service of each.
fn calls(lab: &Lab, one: &str, other: &str) {
    let config = lab.house.path().join("config/transom");
    fs::create_dir_all(&config).unwrap();
    let rule = |from, to| format!("allow \"transom.copy\" from=\"{from}\" to=\"{to}\"\n");
    fs::write(config.join("policy.kdl"), rule(one, other) + &rule(other, one)).unwrap();
    let said = |qube| format!("{}\n{}", lab.log(one), lab.log(qube));
    let there = format!("echo $((6 * 7)) > note && transom-copy --to {other} note");
    assert_eq!(lab.ends_with(one, &there), 0, "{}", said(other));
    let back = format!("transom-copy --to {one} ~/QubesIncoming/{one}/note");
    assert_eq!(lab.ends_with(other, &back), 0, "{}", said(other));
    assert_eq!(lab.ends_with(one, &format!("grep -x 42 ~/QubesIncoming/{other}/note")), 0, "{}", said(other));
    println!("a file went from {one} to {other} and back");
}

/// Setups that a qube has put in force so far.
pub(crate) fn in_force(lab: &Lab, qube: &str) -> usize {
    lab.log(qube)
        .lines()
        .filter(|line| line.contains("network: setup") && line.ends_with("is in force"))
        .count()
}

#[test]
fn a_server_is_reached_through_a_firewall_and_dom0_has_no_part_in_it() {
    // Making the image needs a network; from then on there is none.
    let Some(lab) = Lab::new() else { return };
    let Some(outside) = Outside::new() else { return };
    networked(&lab);
    create(&lab, "sys-net", &format!("uplink \"user\" namespace=\"{}\"", outside.way_out()));
    create(&lab, "sys-firewall", "network \"sys-net\"");
    let rules = format!(
        "firewall {{\n allow \"tcp\" to=\"{SEVEN}\" port=7000\n allow \"tcp\" host=\"example.test\" port=8000\n}}"
    );
    create(&lab, "work", &format!("network \"sys-firewall\"\n{rules}"));

    // What cannot be is said at the start.
    create(&lab, "circle", "network \"circle\"");
    lab.house.must(&["qube", "create", "box", "--label", "red", "--backend", "sandbox"]);
    fs::write(file(&lab, "box"), fs::read_to_string(file(&lab, "box")).unwrap() + "network \"sys-net\"\n")
        .unwrap();
    lab.unlocked();
    for (qube, reason) in [("circle", "names itself"), ("box", "a sandbox has no network")] {
        let output = lab.house.run(&["qube", "start", qube]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{said}");
    }
    for qube in ["circle", "box"] {
        lab.house.must(&["qube", "remove", "--yes", qube]);
    }

    for qube in ["sys-net", "sys-firewall", "work"] {
        lab.start(qube);
    }
    // By address and by name, as its rules say, and nowhere else.
    let seven = format!("{SEVEN}:7000");
    let begin = Instant::now();
    until_reached(&lab, "work", &seven);
    println!("work reaches the server {:.1} s after its start", begin.elapsed().as_secs_f32());
    let begin = Instant::now();
    assert_eq!(lab.ends_with("work", &client(&seven)), 0);
    figure("vm.network.mb_per_s", 2.0 / begin.elapsed().as_secs_f64(), "MB/s", 1);
    until_reached(&lab, "work", "example.test:8000");
    for denied in [format!("{EIGHT}:7000"), format!("{SEVEN}:7001"), "example.test:7001".to_owned()] {
        assert_eq!(lab.ends_with("work", &client(&denied)), 3, "{denied}");
    }
    lab.ends_with("work", &note("from work"));

    // A client that comes while all run gets a card that was spare. It has no rules, so all is allowed.
    create(&lab, "two", "network \"sys-firewall\"");
    lab.start("two");
    until_reached(&lab, "two", &format!("{EIGHT}:7000"));
    assert_eq!(lab.ends_with("two", &note("honest")), 0);
    until("an honest word arrives", || outside.notes().contains("honest").then_some(()));
    assert!(outside.notes().lines().all(|line| line.starts_with("198.51.100.2 ")), "{}", outside.notes());
    assert!(!outside.notes().contains("from work"), "its rules did not allow that");

    // Clients do not reach each other, whatever they say who they are.
    let address = "ip -4 -o address show dev eth0 | sed 's/.* inet \\([0-9.]*\\).*/\\1/'";
    assert_eq!(lab.ends_with("work", &format!("echo address $({address})")), 0);
    let log = lab.log("work");
    let works = log.lines().rev().find_map(|line| line.split_once("address 10.")).unwrap().1.trim();
    let works = format!("10.{works}");
    assert_eq!(lab.ends_with("two", &client(&format!("{works}:22"))), 3);
    assert_eq!(as_root(&lab, "work", "cat /sys/class/net/eth0/statistics/rx_packets > /tmp/before"), 0);
    let lie = format!(
        "ip address add {works}/32 dev eth0 && ip route replace {SEVEN}/32 via $(ip route show default | cut -d' ' -f3) \
         dev eth0 onlink src {works}\n{}; {}; ip route delete {SEVEN}/32; ip address delete {works}/32 dev eth0",
        note("a lie"),
        client(&seven)
    );
    as_root(&lab, "two", &lie);
    assert_eq!(lab.ends_with("two", &note("honest again")), 0);
    until("an honest word arrives", || outside.notes().contains("honest again").then_some(()));
    assert!(!outside.notes().contains("a lie"), "{}", outside.notes());
    assert_eq!(
        as_root(&lab, "work", "test $(cat /sys/class/net/eth0/statistics/rx_packets) = $(cat /tmp/before)"),
        0
    );

    // Its rules are another file's business than its own: nobody in a guest takes the place of its root.
    let ask = r#"perl -e 'socket(my $s, 40, 1, 0) or exit 3; connect($s, pack("SSLLCx3", 40, 0, 5003, 2, 0)) or exit 0;
        alarm 20; exit(sysread($s, my $b, 1) ? 4 : 0)'"#;
    assert_eq!(lab.ends_with("work", ask), 0, "a program is told what the network is to be");

    // Rules count at once as they stand in the file, for connections that are open, too.
    let open = format!(
        "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"{seven}\", Timeout => 9) or exit 3;
        while (1) {{ syswrite($s, \"x\") or exit 0; my $r = \"\"; vec($r, fileno($s), 1) = 1;
        select($r, undef, undef, 5) or exit 0; sysread($s, my $b, 9) or exit 0; select(undef, undef, undef, 0.2) }}' &
        sleep 2; kill -0 $!"
    );
    assert_eq!(lab.ends_with("work", &open), 0, "it goes on");
    let before = in_force(&lab, "sys-firewall");
    let text = fs::read_to_string(file(&lab, "work")).unwrap().replace("port=7000", "port=7001");
    fs::write(file(&lab, "work"), text).unwrap();
    lab.house.must(&["qube", "network", "work"]);
    until("the new rules are in force", || (in_force(&lab, "sys-firewall") > before).then_some(()));
    assert_eq!(lab.ends_with("work", &client(&seven)), 3);
    assert_eq!(lab.ends_with("work", &client(&format!("{SEVEN}:7001"))), 0);
    assert_eq!(
        lab.ends_with("work", "until ! /bin/busybox pgrep perl; do sleep 0.2; done"),
        0,
        "what was open has ended"
    );

    // Another way out while all run, none, and back.
    lab.house.must(&["qube", "network", "two", "sys-net"]);
    assert!(fs::read_to_string(file(&lab, "two")).unwrap().contains("network \"sys-net\""));
    until_reached(&lab, "two", &seven);
    lab.house.must(&["qube", "kill", "sys-firewall"]);
    assert_eq!(lab.ends_with("two", &client(&seven)), 0, "it does not go through the firewall any more");
    assert_eq!(lab.ends_with("work", &client(&format!("{SEVEN}:7001"))), 3, "work does");
    lab.house.must(&["qube", "network", "two", "none"]);
    assert_eq!(lab.ends_with("two", &client(&seven)), 3);
    lab.house.must(&["qube", "network", "two", "sys-net"]);
    until_reached(&lab, "two", &seven);

    // The firewall comes back, and with it its rules.
    lab.start("sys-firewall");
    until_reached(&lab, "work", &format!("{SEVEN}:7001"));
    assert_eq!(lab.ends_with("work", &client(&seven)), 3);

    // dom0's namespace: all of Transom is in it, and nothing of the network but what has left it.
    let ours = Outside::namespace_of("thread-self");
    for qube in ["sys-net", "work"] {
        assert_eq!(Outside::namespace_of(&lab.info(qube)["pid"].to_string()), ours);
    }
    Outside::has_no_part_of_dom0();
}
