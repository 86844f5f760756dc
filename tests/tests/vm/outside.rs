//! What lies outside of all qubes: two network namespaces, one with the computer's way out, and one with
//! servers; and a third one for dom0, in which there is nothing.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use transom_tests::process::until;

/// Servers: they say back what they hear; `.7` also by the name `example.test`.
pub(crate) const SEVEN: &str = "203.0.113.7";
pub(crate) const EIGHT: &str = "203.0.113.8";
const DNS: &str = "203.0.113.53";

/// Sends back what it gets.
const ECHO: &str = r#"$SIG{CHLD} = "IGNORE"; my $l = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 5, ReuseAddr => 1) or die;
while (my $c = $l->accept) { next if fork; while (sysread($c, my $b, 65536)) { syswrite($c, $b) } exit }"#;

/// Writes down what it gets, and from whom.
const NOTES: &str = r#"my $s = IO::Socket::INET->new(LocalPort => 9000, Proto => "udp") or die; open(my $f, ">", $ARGV[0]) or die;
$f->autoflush; while (my $from = $s->recv(my $b, 1500)) { printf $f "%s %s\n", $s->peerhost, $b }"#;

pub(crate) struct Outside {
    tag: String,
    servers: Vec<Child>,
    notes: tempfile::NamedTempFile,
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Outside {
    /// Makes it, and has this thread and all that it starts be in dom0's namespace. `None`, and a line
    /// that says why, where there can be none.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIP no network namespaces: this is not root");
            return None;
        }
        let tag = format!("tw{}", std::process::id());
        let outside = Self { tag, servers: Vec::new(), notes: tempfile::NamedTempFile::new().unwrap() };
        Some(outside.build())
    }

    fn build(mut self) -> Self {
        let (dom0, out, world) = (self.name("dom0"), self.way_out(), self.name("world"));
        for name in [&dom0, &out, &world] {
            ip(&format!("netns add {name}"));
        }
        ip(&format!("-n {out} link add out type veth peer name world netns {world}"));
        ip(&format!("-n {out} addr add 198.51.100.2/24 dev out"));
        ip(&format!("-n {world} addr add 198.51.100.1/24 dev world"));
        for address in [SEVEN, EIGHT, DNS] {
            ip(&format!("-n {world} addr add {address}/32 dev lo"));
        }
        for (name, card) in [(&out, "lo"), (&out, "out"), (&world, "lo"), (&world, "world")] {
            ip(&format!("-n {name} link set {card} up"));
        }
        ip(&format!("-n {out} route add default via 198.51.100.1"));
        let settings = Path::new("/etc/netns").join(&out);
        fs::create_dir_all(&settings).unwrap();
        fs::write(settings.join("resolv.conf"), format!("nameserver {DNS}\n")).unwrap();
        for port in ["7000", "7001", "8000"] {
            self.serve(&["perl", "-MIO::Socket::INET", "-e", ECHO, port]);
        }
        let notes = self.notes.path().display().to_string();
        self.serve(&["perl", "-MIO::Socket::INET", "-MIO::Handle", "-e", NOTES, &notes]);
        self.serve(&[
            "dnsmasq",
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
            &format!("--listen-address={DNS}"),
            &format!("--address=/example.test/{SEVEN}"),
        ]);
        until("the servers listen", || {
            let list = self.in_world(&["cat", "/proc/net/tcp"]);
            // 7000, 7001, 8000 and 53, listening.
            let there = |port: &str| list.lines().any(|line| line.contains(port) && line.contains(" 0A "));
            [":1B58 ", ":1B59 ", ":1F40 ", ":0035 "].into_iter().all(there).then_some(())
        });
        let into = File::open(Path::new("/run/netns").join(dom0)).unwrap();
        move_into_link_name_space(std::os::fd::AsFd::as_fd(&into), Some(LinkNameSpaceType::Network)).unwrap();
        self
    }

    fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.tag)
    }

    /// The namespace with the computer's way out.
    pub(crate) fn way_out(&self) -> String {
        self.name("out")
    }

    fn serve(&mut self, words: &[&str]) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name("world")]).args(words).stdin(Stdio::null());
        self.servers.push(command.stdout(Stdio::null()).spawn().unwrap());
    }

    fn in_world(&self, words: &[&str]) -> String {
        let output =
            Command::new("ip").args(["netns", "exec", &self.name("world")]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What came to port 9000 by UDP: a line for each, with who sent it.
    pub(crate) fn notes(&self) -> String {
        fs::read_to_string(self.notes.path()).unwrap()
    }

    /// dom0 is on no network: no card but its own loopback, which is off, no address, no route, no socket
    /// that could send anything.
    pub(crate) fn has_no_part_of_dom0() {
        let read = |name: &str| {
            fs::read_to_string(Path::new("/proc/thread-self/net").join(name)).unwrap_or_default()
        };
        let cards: Vec<String> = read("dev").lines().skip(2).map(|line| line.trim().to_owned()).collect();
        assert!(cards.len() == 1 && cards[0].starts_with("lo:"), "{cards:?}");
        for (table, heads) in [
            ("tcp", 1),
            ("tcp6", 1),
            ("udp", 1),
            ("udp6", 1),
            ("udplite", 1),
            ("raw", 1),
            ("raw6", 1),
            ("icmp", 1),
            ("packet", 1),
            ("route", 1),
            ("arp", 1),
            ("fib_trie", 0),
            ("if_inet6", 0),
        ] {
            let text = read(table);
            assert!(text.lines().count() <= heads, "{table}: {text}");
        }
    }

    /// The network namespace of a process, as a file of the kernel's.
    pub(crate) fn namespace_of(process: &str) -> PathBuf {
        fs::read_link(format!("/proc/{process}/ns/net")).unwrap()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        for name in ["dom0", "out", "world"] {
            let _ = Command::new("ip").args(["netns", "delete", &self.name(name)]).status();
        }
        let _ = fs::remove_dir_all(Path::new("/etc/netns").join(self.way_out()));
    }
}
