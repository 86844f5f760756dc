//! The machine's network as the kernel and Debian's tools have it.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
};

use transom_protocol::network::Mac;

/// What a qube that filters needs of the kernel. Loaded by name, so that no rule has to.
const MODULES: [&str; 8] = [
    "nf_tables",
    "nft_ct",
    "nft_nat",
    "nft_chain_nat",
    "nft_masq",
    "nft_limit",
    "nft_reject_inet",
    "nf_conntrack",
];

/// Cards by their addresses: the kernel's names.
pub fn cards() -> io::Result<BTreeMap<Mac, String>> {
    let mut cards = BTreeMap::new();
    for entry in fs::read_dir("/sys/class/net")? {
        let entry = entry?;
        // What has no device is no card: the machine itself, tunnels.
        if !entry.path().join("device").exists() {
            continue;
        }
        let address = fs::read_to_string(entry.path().join("address"))?;
        if let (Some(mac), Ok(name)) = (mac(address.trim()), entry.file_name().into_string()) {
            cards.insert(mac, name);
        }
    }
    Ok(cards)
}

fn mac(text: &str) -> Option<Mac> {
    let bytes: Result<Vec<u8>, _> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes.ok()?.try_into().ok().map(Mac)
}

/// Sets a value below `/proc/sys`; one that the kernel does not have stays.
pub fn set(name: &str, value: &str) {
    let path = Path::new("/proc/sys").join(name);
    if path.exists()
        && let Err(error) = fs::write(&path, value)
    {
        tracing::warn!(name, %error, "a setting of the kernel stays as it was");
    }
}

/// Lets packets through from card to card, or none.
///
/// # Errors
/// The kernel refuses.
pub fn set_forwarding(on: bool) -> io::Result<()> {
    fs::write("/proc/sys/net/ipv4/ip_forward", if on { "1" } else { "0" })
}

/// What holds for every card from now on: IPv4 only, packets only from where answers would go, nobody else
/// says where packets go.
pub fn harden() {
    for family in ["all", "default"] {
        set(&format!("net/ipv6/conf/{family}/disable_ipv6"), "1");
        for (name, value) in [
            ("rp_filter", "1"),
            ("arp_ignore", "1"),
            ("accept_redirects", "0"),
            ("send_redirects", "0"),
            ("accept_source_route", "0"),
        ] {
            set(&format!("net/ipv4/conf/{family}/{name}"), value);
        }
    }
}

/// Loads what filters need.
pub fn load_filters() {
    if let Err(reason) = run("modprobe", &["-a", "-q"].into_iter().chain(MODULES).collect::<Vec<_>>(), None) {
        // What is really missing shows when rules are put in force.
        tracing::info!(reason, "modules");
    }
}

/// Loads a module.
///
/// # Errors
/// The kernel has none of this name.
pub fn load(module: &str) -> Result<(), String> {
    run("modprobe", &["-q", module], None)
}

/// Puts rules in force, all or none.
///
/// # Errors
/// What `nft` says.
pub fn filter(rules: &str) -> Result<(), String> {
    run("nft", &["-f", "-"], Some(rules))
}

/// Runs commands of `ip`, up to the first that fails.
///
/// # Errors
/// What `ip` says.
pub fn ip(commands: &str) -> Result<(), String> {
    run("ip", &["-batch", "-"], Some(commands))
}

/// Says who answers questions about names.
///
/// # Errors
/// The file cannot be written.
pub fn resolve_by(dns: Option<Ipv4Addr>) -> io::Result<()> {
    let text = dns.map(|dns| format!("nameserver {dns}\n")).unwrap_or_default();
    let new = "/etc/resolv.conf.new";
    fs::write(new, text)?;
    fs::rename(new, "/etc/resolv.conf")
}

/// Runs a program to its end. The error is what it said, or why it could not.
pub fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Result<(), String> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut command = Command::new(program);
    command.args(arguments).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // One that does not read it says why at its end.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    Err(format!("{program}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_cards() {
        assert_eq!(mac("02:00:0a:ff:00:01"), Some(Mac([2, 0, 10, 255, 0, 1])));
        for bad in ["", "02:00", "02:00:00:00:00:00:00", "zz:00:00:00:00:00"] {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_program_says_is_the_reason() {
        assert_eq!(run("sh", &["-c", "cat > /dev/null"], Some("x")), Ok(()));
        assert_eq!(run("sh", &["-c", "echo no >&2; exit 3"], None), Err("sh: no".to_owned()));
        assert!(run("/nowhere/at/all", &[], None).is_err());
    }
}
