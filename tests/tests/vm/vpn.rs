//! A qube that sends nothing but through a tunnel: with WireGuard and with OpenVPN, to a server in another
//! guest, which is also the qube before it and so sees all that leaves.

use std::{fs, process::Command, time::Instant};

use transom_tests::process::{until, wait_for};

use super::{
    lab::Lab,
    network::{as_root, create, file, in_force, networked},
};

/// The server at the other end of the tunnel, inside of it.
const INSIDE: &str = "10.9.0.1";

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

/// True if a counter of the qube before it has counted nothing, or something.
fn counted(lab: &Lab, name: &str) -> bool {
    as_root(lab, "world", &format!("nft list counter netdev watch {name} | grep -q 'packets 0 '")) == 1
}

fn value(lab: &Lab, qube: &str, word: &str, script: &str) -> String {
    assert_eq!(as_root(lab, qube, &format!("echo {word} $({script})")), 0, "{}", lab.log(qube));
    let log = lab.log(qube);
    let line = log.lines().rev().find_map(|line| line.split_once(&format!("{word} "))).unwrap();
    line.1.trim().to_owned()
}

/// `world`, its client `vpn` and `work` behind that.
struct Chain {
    lab: Lab,
    /// The server's address, before the tunnel.
    outer: String,
    /// The server's card to `vpn`.
    card: String,
}

/// Machines with a tunnel of this kind to a port of the server, which the server is not yet.
fn chain(lab: Lab, vpn: &str, endpoint: impl Fn(&str) -> String) -> Chain {
    networked(&lab);
    create(&lab, "world", "");
    create(&lab, "vpn", "network \"world\"");
    lab.start("world");
    until("its network is there", || (in_force(&lab, "world") > 0).then_some(()));
    let outer = value(
        &lab,
        "world",
        "outer",
        "ip -4 -o address | sed -n 's/.* inet \\(10[.0-9]*\\).*/\\1/p' | head -n 1",
    );
    let card = value(
        &lab,
        "world",
        "card",
        "ip -4 -o address | sed -n 's/.*: \\(eth[0-9]*\\) .*/\\1/p' | head -n 1",
    );
    let text = fs::read_to_string(file(&lab, "vpn")).unwrap();
    fs::write(file(&lab, "vpn"), format!("{text}vpn \"{vpn}\" endpoint=\"{}\"\n", endpoint(&outer))).unwrap();
    create(&lab, "work", "network \"vpn\"");
    Chain { lab, outer, card }
}

impl Chain {
    /// The server serves, at both of its addresses.
    fn serve(&self, port: &str) {
        self.lab.house.must(&["qube", "run", "world", "perl", "-MIO::Socket::INET", "-e", ECHO]);
        let open = format!(
            "nft insert rule inet transom input {port} accept && nft insert rule inet transom input tcp dport 7000 accept
             nft insert rule inet transom spoof iifname {{ wg0, tun0 }} accept"
        );
        assert_eq!(as_root(&self.lab, "world", &open), 0, "{}", self.lab.log("world"));
    }

    fn start_clients(&self) {
        self.lab.start("vpn");
        self.lab.start("work");
    }

    /// With the tunnel all goes through it, and with none nothing goes anywhere.
    fn nothing_goes_past_it(&self, tunnel: &str, make_down: &str, make_up: &str) {
        let lab = &self.lab;
        assert_eq!(as_root(lab, "world", &counters(&self.card, tunnel)), 0, "{}", lab.log("world"));
        let begin = Instant::now();
        let there = wait_for("the tunnel", || (lab.ends_with("work", &through(INSIDE)) == 0).then_some(()));
        assert!(there.is_ok(), "{}\n{}", lab.log("world"), lab.log("vpn"));
        println!("through the tunnel after {:.1} s", begin.elapsed().as_secs_f32());
        assert_eq!(lab.ends_with("vpn", &through(INSIDE)), 0, "its own packets go through it");
        assert!(counted(lab, "tunnel") && !counted(lab, "other"), "{}", lab.log("world"));

        // Nothing is at its other end any more; the tunnel is gone here; this qube's settings are gone.
        assert_eq!(as_root(lab, "world", make_down), 0, "{}", lab.log("world"));
        let leaks = |what: &str| {
            for qube in ["work", "vpn"] {
                let tries = [INSIDE, &self.outer, "203.0.113.7"]
                    .map(|address| format!("({} && touch ~/leak) &\n", through(address)));
                assert_eq!(
                    lab.ends_with(qube, &format!("{}wait; test ! -e ~/leak", tries.concat())),
                    0,
                    "{what}: {qube}"
                );
                let shout = "perl -MIO::Socket::INET -e 'for my $a (qw(203.0.113.7 9.9.9.9)) {
                    my $s = IO::Socket::INET->new(PeerAddr => \"$a:53\", Proto => \"udp\") or next; $s->send(\"x\") for 1 .. 20 }'";
                lab.ends_with(qube, shout);
            }
            assert!(
                !counted(lab, "other"),
                "{what}: something has left past the tunnel: {}",
                lab.log("world")
            );
        };
        leaks("the other end is gone");
        let away = "mv /home/user/vpn /home/user/away; ip link delete wg0; ip link delete tun0; true";
        assert_eq!(as_root(lab, "vpn", away), 0);
        leaks("the tunnel is gone");

        // It comes back by itself.
        assert_eq!(as_root(lab, "world", make_up), 0, "{}", lab.log("world"));
        assert_eq!(as_root(lab, "vpn", "mv /home/user/away /home/user/vpn"), 0);
        until("the tunnel is back", || (lab.ends_with("work", &through(INSIDE)) == 0).then_some(()));
        assert!(!counted(lab, "other"), "{}", lab.log("world"));

        // The VPN's qube is taken over: the qube before it lets through nothing but the tunnel even so.
        let taken_over = "kill -STOP $(/bin/busybox pidof transom-net); nft flush ruleset; ip route replace default via $(ip route show dev eth0 | sed -n 's/.* via \\([0-9.]*\\).*/\\1/p') dev eth0 onlink
            perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"203.0.113.7:53\", Proto => \"udp\") or exit 4; $s->send(\"x\") for 1 .. 20'";
        assert_eq!(as_root(lab, "vpn", taken_over), 0, "{}", lab.log("vpn"));
        until("it leaves its qube", || counted(lab, "other").then_some(()));
        let rules = value(lab, "world", "rules", "nft list chain inet transom client0");
        assert!(rules.contains("admin-prohibited") && !rules.contains("dnat accept"), "{rules}");
    }
}

#[test]
fn nothing_goes_past_wireguard() {
    let Some(lab) = Lab::new() else { return };
    let chain = chain(lab, "wireguard", |outer| format!("{outer}:51820"));
    let lab = &chain.lab;
    chain.start_clients();
    chain.serve("udp dport 51820");
    // Keys are made where they stay; public ones go across.
    let key =
        "umask 077; mkdir -p /home/user/vpn; wg genkey > /home/user/vpn/key; wg pubkey < /home/user/vpn/key";
    let (theirs, ours) = (value(lab, "world", "public", key), value(lab, "vpn", "public", key));
    let server = format!(
        "modprobe wireguard; ip link add wg0 type wireguard && wg set wg0 listen-port 51820 private-key /home/user/vpn/key \
         peer {ours} allowed-ips 10.9.0.2/32 && ip address add {INSIDE}/24 dev wg0 && ip link set wg0 up"
    );
    assert_eq!(as_root(lab, "world", &server), 0, "{}", lab.log("world"));
    let settings = format!(
        "cd /home/user/vpn && printf '[Interface]\\nPrivateKey = %s\\nAddress = 10.9.0.2/24\\n[Peer]\\nPublicKey = {theirs}\\n\
         AllowedIPs = 0.0.0.0/0\\nEndpoint = 203.0.113.66:1\\nPersistentKeepalive = 5\\n' $(cat key) > wireguard.conf"
    );
    assert_eq!(as_root(lab, "vpn", &settings), 0);
    chain.nothing_goes_past_it(
        &format!("ip daddr {} udp dport 51820", chain.outer),
        "ip link set wg0 down",
        "ip link set wg0 up",
    );
}

/// A key and a certificate that vouches for itself, and its fingerprint.
fn certificate(dir: &std::path::Path, name: &str) -> (String, String, String) {
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
    let print = print.trim().split_once('=').unwrap().1.to_owned();
    (fs::read_to_string(key).unwrap(), fs::read_to_string(cert).unwrap(), print)
}

#[test]
fn nothing_goes_past_openvpn() {
    let Some(lab) = Lab::new() else { return };
    let chain = chain(lab, "openvpn", |outer| format!("{outer}:1194"));
    let lab = &chain.lab;
    chain.start_clients();
    chain.serve("udp dport 1194");
    let temp = tempfile::tempdir().unwrap();
    let ([server, client], ports) =
        (["server", "client"].map(|name| certificate(temp.path(), name)), "port 1194\nproto udp4");
    let settings = |own: &(String, String, String), other: &str, more: &str| {
        format!(
            "{more}\ndev tun0\ndata-ciphers AES-256-GCM\n<key>\n{}</key>\n<cert>\n{}</cert>\npeer-fingerprint {other}\nkeepalive 2 10\n",
            own.0, own.1
        )
    };
    let theirs = settings(
        &server,
        &client.2,
        &format!("{ports}\nmode server\ntls-server\ndh none\ntopology subnet\nserver 10.9.0.0 255.255.255.0"),
    );
    // What would lead elsewhere, or run a program, is not followed.
    let ours = settings(
        &client,
        &server.2,
        "client\nremote 203.0.113.66 1\nscript-security 2\nup \"/bin/sh -c 'echo up > /tmp/script-ran'\"",
    );
    let put = |qube: &str, name: &str, text: &str| {
        let script = format!("mkdir -p /home/user/vpn && cat > /home/user/vpn/{name} <<'TEXT'\n{text}TEXT");
        assert_eq!(as_root(lab, qube, &script), 0);
    };
    put("world", "server.conf", &theirs);
    let up = "modprobe tun; openvpn --config /home/user/vpn/server.conf --daemon --writepid /tmp/openvpn.pid > /dev/null && \
              until ip -4 -o address show dev tun0 | grep -q 10.9.0.1; do sleep 0.2; done";
    assert_eq!(as_root(lab, "world", up), 0, "{}", lab.log("world"));
    put("vpn", "openvpn.conf", &ours);
    chain.nothing_goes_past_it(
        &format!("ip daddr {} udp dport 1194", chain.outer),
        "kill $(cat /tmp/openvpn.pid); while [ -e /sys/class/net/tun0 ]; do sleep 0.1; done",
        up,
    );
    assert_ne!(as_root(lab, "vpn", "test -e /tmp/script-ran"), 0, "a script of the settings was run");
}
