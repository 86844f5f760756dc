//! A qube that sends nothing but through a tunnel: with WireGuard and with OpenVPN, to a server in another
//! guest, which is also the qube before it and so sees all that leaves.

use std::{fs, process::Command, time::Instant};

use transom_tests::process::{until, wait_for};

use super::{
    lab::Lab,
    network::{as_root, create, file, in_force, networked},
};

/// An address outside that nobody answers at.
const NOBODY: &str = "203.0.113.7";

/// The server at the other end of the tunnel, inside of it.
pub(crate) const INSIDE: &str = "10.9.0.1";

/// Sends a line there and wants it back: 0 if it comes, 3 if nobody is there.
fn through(address: &str) -> String {
    format!(
        "perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(PeerAddr => \"{address}:7000\", Timeout => 5) or exit 3; alarm 20;
        syswrite($s, \"x\" x 1000) == 1000 or exit 4; my $in = \"\";
        while (length $in < 1000) {{ sysread($s, $in, 1000 - length $in, length $in) or exit 5 }}'"
    )
}

const ECHO: &str = r#"$SIG{CHLD} = "IGNORE"; my $l = IO::Socket::INET->new(LocalPort => 7000, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $l->accept) { next if fork; while (sysread($c, my $b, 65536)) { syswrite($c, $b) } exit }"#;

/// Counts what comes from the VPN's qube and is not the tunnel, before anything else sees it.
fn counters(client: &str, tunnel: &str) -> String {
    format!(
        "nft -f - <<'RULES'
table netdev watch {{}}
delete table netdev watch
table netdev watch {{
    counter tunnel {{}}
    counter other {{}}
    chain seen {{
        type filter hook ingress device \"{client}\" priority -500; policy accept;
        ether type arp accept
        {tunnel} counter name \"tunnel\" accept
        counter name \"other\"
    }}
}}
RULES"
    )
}

/// The first line that a script of the qube's root says.
fn value(lab: &Lab, qube: &str, word: &str, script: &str) -> String {
    let before = lab.log(qube).len();
    assert_eq!(as_root(lab, qube, &format!("echo {word} $({script})")), 0, "{}", lab.log(qube));
    // What it says may come after its end.
    until(word, || {
        let log = lab.log(qube);
        let (_, line) = log.get(before..)?.split_once(&format!("{word} "))?;
        Some(line.split_once('\n')?.0.trim().to_owned())
    })
}

/// A server, its client `vpn`, and a client behind that.
pub(crate) struct Chain<'a> {
    pub(crate) lab: &'a Lab,
    /// The qube with the server.
    pub(crate) world: &'a str,
    pub(crate) work: &'a str,
    /// The server's address, before the tunnel.
    pub(crate) outer: String,
    /// Where else `work` tries to come without the tunnel.
    pub(crate) outside: &'a str,
    /// What the server's firewall calls packets of the tunnel.
    pub(crate) port: &'static str,
}

/// Machines with a tunnel of this kind to a port of the server, which the server is not yet.
fn chain<'a>(lab: &'a Lab, vpn: &str, endpoint: u16, port: &'static str) -> Chain<'a> {
    networked(lab);
    create(lab, "world", "");
    create(lab, "vpn", "network \"world\"");
    lab.start("world");
    until("its network is there", || (in_force(lab, "world") > 0).then_some(()));
    let outer = value(
        lab,
        "world",
        "outer",
        "ip -4 -o address | sed -n 's/.* inet \\(10[.0-9]*\\).*/\\1/p' | head -n 1",
    );
    let text = fs::read_to_string(file(lab, "vpn")).unwrap();
    fs::write(file(lab, "vpn"), format!("{text}vpn \"{vpn}\" endpoint=\"{outer}:{endpoint}\"\n")).unwrap();
    create(lab, "work", "network \"vpn\"");
    lab.start("vpn");
    lab.start("work");
    Chain { lab, world: "world", work: "work", outer, outside: NOBODY, port }
}

impl Chain<'_> {
    fn must(&self, qube: &str, script: &str) {
        // Whoever watches a slow machine sees that it goes on.
        println!("{qube}: {}", script.lines().next().unwrap_or_default());
        assert_eq!(as_root(self.lab, qube, script), 0, "{qube}: {script}\n{}", self.lab.log(qube));
    }

    /// The server serves, at both of its addresses.
    pub(crate) fn serve(&self) {
        self.lab.house.must(&["qube", "run", self.world, "perl", "-MIO::Socket::INET", "-e", ECHO]);
    }

    /// It lets its clients in. Each new setup of the network puts these rules aside with all others.
    fn open(&self) {
        let port = self.port;
        self.must(
            self.world,
            &format!(
                "nft insert rule inet transom input {port} accept && nft insert rule inet transom input tcp dport 7000 accept
                 nft insert rule inet transom spoof iifname {{ wg0, tun0 }} accept"
            ),
        );
    }

    /// True if the server's qube has counted something.
    fn counted(&self, name: &str) -> bool {
        let none = format!("nft list counter netdev watch {name} | grep -q 'packets 0 '");
        as_root(self.lab, self.world, &none) == 1
    }

    /// Waits until something comes through the tunnel; all that leaves `vpn` is then the tunnel.
    pub(crate) fn all_goes_through_it(&self) {
        let (lab, world) = (self.lab, self.world);
        let own =
            value(lab, "vpn", "own", "ip -4 -o address show dev eth0 | sed 's/.* inet \\([.0-9]*\\).*/\\1/'");
        let route = format!("ip route get {own} | sed -n 's/.* dev \\(eth[0-9]*\\).*/\\1/p'");
        let card = value(lab, world, "card", &route);
        self.must(world, &counters(&card, &format!("ip daddr {} {}", self.outer, self.port)));
        let begin = Instant::now();
        let there = wait_for("the tunnel", || {
            self.open();
            (lab.ends_with(self.work, &through(INSIDE)) == 0).then_some(())
        });
        assert!(there.is_ok(), "{}\n{}\n{}", lab.log(world), lab.log("vpn"), lab.log(self.work));
        println!("through the tunnel after {:.1} s", begin.elapsed().as_secs_f32());
        assert_eq!(lab.ends_with("vpn", &through(INSIDE)), 0, "its own packets go through it");
        assert!(self.counted("tunnel") && !self.counted("other"), "{}", lab.log(world));
    }

    /// Whatever is tried, nothing arrives and nothing leaves `vpn`.
    pub(crate) fn leaks_nothing(&self, what: &str) {
        let lab = self.lab;
        for qube in [self.work, "vpn"] {
            let tries = [INSIDE, &self.outer, self.outside]
                .map(|address| format!("({} && touch ~/leak) &\n", through(address)));
            let script = format!("{}wait; test ! -e ~/leak", tries.concat());
            assert_eq!(lab.ends_with(qube, &script), 0, "{what}: {qube}");
            let shout = "perl -MIO::Socket::INET -e 'for my $a (qw(203.0.113.7 9.9.9.9)) {
                my $s = IO::Socket::INET->new(PeerAddr => \"$a:53\", Proto => \"udp\") or next; $s->send(\"x\") for 1 .. 20 }'";
            lab.ends_with(qube, shout);
            println!("{what}: {qube} reaches nobody");
        }
        let log = lab.log(self.world);
        assert!(!self.counted("other"), "{what}: something has left past the tunnel: {log}");
    }

    /// The tunnel comes back by itself when its other end does.
    pub(crate) fn comes_back(&self, make_up: &str) {
        self.must(self.world, make_up);
        let back = || (self.lab.ends_with(self.work, &through(INSIDE)) == 0).then_some(());
        until("the tunnel is back", back);
        assert!(!self.counted("other"), "{}", self.lab.log(self.world));
    }

    /// With the tunnel all goes through it, and with none nothing goes anywhere.
    fn nothing_goes_past_it(&self, make_down: &str, make_up: &str) {
        let lab = self.lab;
        self.all_goes_through_it();
        // Nothing is at its other end any more; the tunnel is gone here; this qube's settings are gone.
        self.must(self.world, make_down);
        self.leaks_nothing("the other end is gone");
        self.must("vpn", "mv /home/user/vpn /home/user/away; ip link delete wg0; ip link delete tun0; true");
        self.leaks_nothing("the tunnel is gone");
        self.must("vpn", "mv /home/user/away /home/user/vpn");
        self.comes_back(make_up);

        // The VPN's qube is taken over: the qube before it lets through nothing but the tunnel even so.
        let taken_over = "kill -STOP $(/bin/busybox pidof transom-net); nft flush ruleset; ip route replace default via $(ip route show dev eth0 | sed -n 's/.* via \\([0-9.]*\\).*/\\1/p') dev eth0 onlink
            perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"203.0.113.7:53\", Proto => \"udp\") or exit 4; $s->send(\"x\") for 1 .. 20'";
        self.must("vpn", taken_over);
        until("it leaves its qube", || self.counted("other").then_some(()));
        let rules = value(lab, self.world, "rules", "nft list chain inet transom client0");
        assert!(rules.contains("admin-prohibited") && !rules.contains("dnat accept"), "{rules}");
    }

    /// A tunnel of WireGuard from `vpn` to the server, made by hand as its person would.
    pub(crate) fn wireguard(&self) {
        let (lab, world) = (self.lab, self.world);
        // Keys are made where they stay; public ones go across.
        let key = "umask 077; mkdir -p /home/user/vpn; wg genkey > /home/user/vpn/key; wg pubkey < /home/user/vpn/key";
        let (theirs, ours) = (value(lab, world, "public", key), value(lab, "vpn", "public", key));
        self.must(
            world,
            &format!(
                "modprobe wireguard; ip link add wg0 type wireguard && wg set wg0 listen-port {WIREGUARD} private-key /home/user/vpn/key \
                 peer {ours} allowed-ips 10.9.0.2/32 && ip address add {INSIDE}/24 dev wg0 && ip link set wg0 up"
            ),
        );
        let settings = format!(
            "cd /home/user/vpn && printf '[Interface]\\nPrivateKey = %s\\nAddress = 10.9.0.2/24\\n[Peer]\\nPublicKey = {theirs}\\n\
             AllowedIPs = 0.0.0.0/0\\nEndpoint = 203.0.113.66:1\\nPersistentKeepalive = 5\\n' $(cat key) > wireguard.conf"
        );
        self.must("vpn", &settings);
    }

    /// The same of OpenVPN.
    pub(crate) fn openvpn(&self) {
        let temp = tempfile::tempdir().unwrap();
        let [server, client] = ["server", "client"].map(|name| certificate(temp.path(), name));
        let settings = |own: &Certificate, other: &Certificate, more: &str| {
            format!(
                "{more}\ndev tun0\ndata-ciphers AES-256-GCM\n<key>\n{}</key>\n<cert>\n{}</cert>\npeer-fingerprint {}\nkeepalive 2 10\n",
                own.key, own.text, other.fingerprint
            )
        };
        let theirs = format!(
            "port {OPENVPN}\nproto udp4\nmode server\ntls-server\ndh none\ntopology subnet\nserver 10.9.0.0 255.255.255.0"
        );
        // What would lead elsewhere, or run a program, is not followed.
        let ours =
            "client\nremote 203.0.113.66 1\nscript-security 2\nup \"/bin/sh -c 'echo up > /tmp/script-ran'\"";
        let put = |qube: &str, name: &str, text: &str| {
            let script =
                format!("mkdir -p /home/user/vpn && cat > /home/user/vpn/{name} <<'TEXT'\n{text}TEXT");
            self.must(qube, &script);
        };
        put(self.world, "server.conf", &settings(&server, &client, &theirs));
        self.must(self.world, OPENVPN_UP);
        put("vpn", "openvpn.conf", &settings(&client, &server, ours));
    }
}

/// Where a server of WireGuard listens for the tunnel.
pub(crate) const WIREGUARD: u16 = 51820;
/// The same for its firewall.
pub(crate) const WIREGUARD_PORT: &str = "udp dport 51820";
/// The same of OpenVPN.
pub(crate) const OPENVPN: u16 = 1194;
pub(crate) const OPENVPN_PORT: &str = "udp dport 1194";
/// What begins and ends a server of OpenVPN.
pub(crate) const OPENVPN_UP: &str = "modprobe tun; openvpn --config /home/user/vpn/server.conf --daemon --writepid /tmp/openvpn.pid > /dev/null && \
    until ip -4 -o address show dev tun0 | grep -q 10.9.0.1; do sleep 0.2; done";
pub(crate) const OPENVPN_DOWN: &str =
    "kill $(cat /tmp/openvpn.pid); while [ -e /sys/class/net/tun0 ]; do sleep 0.1; done";

#[test]
fn nothing_goes_past_wireguard() {
    let Some(lab) = Lab::new() else { return };
    let chain = chain(&lab, "wireguard", WIREGUARD, WIREGUARD_PORT);
    chain.serve();
    chain.wireguard();
    chain.nothing_goes_past_it("ip link set wg0 down", "ip link set wg0 up");
}

/// A certificate that vouches for itself, with its key.
struct Certificate {
    key: String,
    text: String,
    fingerprint: String,
}

fn certificate(dir: &std::path::Path, name: &str) -> Certificate {
    let (key, cert) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.crt")));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "3650",
        ])
        .args(["-subj", &format!("/CN={name}"), "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let print = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&cert)
        .output();
    let print = String::from_utf8(print.unwrap().stdout).unwrap();
    let fingerprint = print.trim().split_once('=').unwrap().1.to_owned();
    Certificate {
        key: fs::read_to_string(key).unwrap(),
        text: fs::read_to_string(cert).unwrap(),
        fingerprint,
    }
}

#[test]
fn nothing_goes_past_openvpn() {
    let Some(lab) = Lab::new() else { return };
    let chain = chain(&lab, "openvpn", OPENVPN, OPENVPN_PORT);
    chain.serve();
    chain.openvpn();
    chain.nothing_goes_past_it(OPENVPN_DOWN, OPENVPN_UP);
    assert_ne!(as_root(&lab, "vpn", "test -e /tmp/script-ran"), 0, "a script of the settings was run");
}
