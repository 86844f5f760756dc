//! Process 1 of the guest in this crate's own tests (lane 5): loads the modules in `/modules`, tries
//! each device, writes what it finds to the console, and ends as `probe=` on the kernel's command
//! line says.
#![allow(unsafe_code, reason = "addresses of vsock and packet sockets; a test program")]

mod ether;
mod flood;

use std::{
    error::Error,
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::Shutdown,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    mount::{MountFlags, mount},
    system::{RebootCommand, finit_module, reboot},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
/// Tries a device, says what it found.
type Test = fn() -> Result<String>;

/// The host's vsock port that answers, and one that is not allowed.
const ALLOWED: u32 = 5000;
const FORBIDDEN: u32 = 22;
/// How long the host may look at an idle guest.
const IDLE: Duration = Duration::from_secs(5);
/// Bytes that go to the host and back.
const BULK: usize = 1 << 20;

fn main() {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        let _ = fs::create_dir_all(place);
        let _ = mount(kind, place, kind, MountFlags::empty(), None::<&std::ffi::CStr>);
    }
    let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console") else { return };
    let mut say = |line: &str| {
        let _ = writeln!(console, "GUEST {line}");
    };
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let probe = line.split_whitespace().find_map(|word| word.strip_prefix("probe=")).unwrap_or("off");
    say(&format!("user space, uptime {}", first_word("/proc/uptime")));
    if let Err(error) = load_modules() {
        say(&format!("error: modules: {error}"));
    }
    say(&format!("cpus {}", first_word("/sys/devices/system/cpu/online")));
    if probe == "off" {
        let tests: [(&str, Test); 7] = [
            ("rng", rng),
            ("disk", disk),
            ("overlay", overlay),
            ("net", || net("eth0")),
            ("tap", || net("eth1")),
            ("vsock", vsock),
            ("vsock refused", vsock_refused),
        ];
        for (name, test) in tests {
            match test() {
                Ok(found) => say(&format!("{name}: {found}")),
                Err(error) => say(&format!("error: {name}: {error}")),
            }
        }
        say("idle");
        thread::sleep(IDLE);
    }
    if probe == "flood" {
        match flood::flood() {
            Ok(found) => say(&format!("flood: {found}")),
            Err(error) => say(&format!("error: flood: {error}")),
        }
    }
    say("done");
    end(probe);
}

fn end(probe: &str) -> ! {
    match probe {
        "reset" => drop(reboot(RebootCommand::Restart)),
        "panic" => drop(fs::write("/proc/sysrq-trigger", "c")),
        "stay" => {}
        _ => drop(reboot(RebootCommand::PowerOff)),
    }
    loop {
        thread::park();
    }
}

fn first_word(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().unwrap_or("").to_owned()
}

fn load_modules() -> Result<()> {
    let mut paths =
        fs::read_dir("/modules")?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    // Their names begin with their place in the order.
    paths.sort();
    for path in paths {
        finit_module(&File::open(&path)?, &CString::default(), 0)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Devices appear a moment after their module.
fn wait_for(path: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !Path::new(path).exists() {
        if Instant::now() > end {
            return Err(format!("{path} does not appear").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn rng() -> Result<String> {
    wait_for("/dev/hwrng")?;
    let mut bytes = [0; 32];
    File::open("/dev/hwrng")?.read_exact(&mut bytes)?;
    if bytes == [0; 32] {
        return Err("all zero".into());
    }
    Ok(format!("32 bytes from {}", first_word("/sys/class/misc/hw_random/rng_current")))
}

fn sector(device: &str, number: u64) -> Result<[u8; 512]> {
    wait_for(device)?;
    let mut file = File::open(device)?;
    file.seek(SeekFrom::Start(number * 512))?;
    let mut bytes = [0; 512];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What the host wrote into sector `number`.
fn pattern(number: u64) -> [u8; 512] {
    std::array::from_fn(|index| (number as usize * 7 + index) as u8)
}

fn disk() -> Result<String> {
    for number in [0, 9, 2047] {
        if sector("/dev/vda", number)? != pattern(number) {
            return Err(format!("sector {number} is wrong").into());
        }
    }
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/vda")
        .and_then(|mut file| file.write_all(&[1; 4096]).and_then(|()| file.sync_all()));
    if written.is_ok() {
        return Err("it can be written".into());
    }
    Ok(format!("read, serial {}, read-only", first_word("/sys/block/vda/serial")))
}

fn overlay() -> Result<String> {
    if sector("/dev/vdb", 5)? != pattern(5) {
        return Err("the base is not seen".into());
    }
    let mut file = OpenOptions::new().write(true).open("/dev/vdb")?;
    file.seek(SeekFrom::Start(512 * 64))?;
    file.write_all(&[0xa5; 4096])?;
    file.sync_all()?;
    drop(file);
    // Not what is cached, but what the device has.
    fs::write("/proc/sys/vm/drop_caches", "1")?;
    if sector("/dev/vdb", 65)? != [0xa5; 512] || sector("/dev/vdb", 63)? != pattern(63) {
        return Err("what was written is not read".into());
    }
    Ok("read and written".into())
}

fn net(device: &str) -> Result<String> {
    wait_for(&format!("/sys/class/net/{device}"))?;
    let address = first_word(&format!("/sys/class/net/{device}/address"));
    let mut file = File::from(ether::open(device)?);
    let mut frame = vec![0xff; 6];
    for byte in address.split(':') {
        frame.push(u8::from_str_radix(byte, 16)?);
    }
    frame.extend(ether::ETHER_TYPE.to_be_bytes());
    frame.extend(b"from the guest".iter().chain(&[0; 100]));
    file.write_all(&frame)?;
    let mut answer = [0; 2048];
    let length = file.read(&mut answer)?;
    let text = String::from_utf8_lossy(&answer[14..length.max(14)]);
    Ok(format!("{address} heard {:?} in {length} bytes", text.trim_end_matches('\0')))
}

fn connect(port: u32) -> io::Result<UnixStream> {
    // SAFETY: plain system calls on values of our own that live long enough. A stream is a stream:
    // the type is used for its methods, none of which cares for the address family.
    unsafe {
        let fd = libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let stream = UnixStream::from(OwnedFd::from_raw_fd(fd));
        let mut to: libc::sockaddr_vm = std::mem::zeroed();
        (to.svm_family, to.svm_cid, to.svm_port) = (libc::AF_VSOCK as u16, libc::VMADDR_CID_HOST, port);
        let size = size_of::<libc::sockaddr_vm>() as libc::socklen_t;
        if libc::connect(stream.as_raw_fd(), (&raw const to).cast(), size) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stream)
    }
}

/// The host sends back what it gets, until we end our side.
fn vsock() -> Result<String> {
    let mut stream = connect(ALLOWED)?;
    let sent: Vec<u8> = (0..BULK).map(|index| (index / 3) as u8).collect();
    let mut writer = stream.try_clone()?;
    let to_send = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&to_send)?;
        writer.shutdown(Shutdown::Write)
    });
    let start = Instant::now();
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    writing.join().map_err(|_| "the writer panicked")??;
    if received != sent {
        return Err(format!("{} bytes came back, and not the same", received.len()).into());
    }
    Ok(format!("{BULK} bytes there and back in {} ms", start.elapsed().as_millis()))
}

fn vsock_refused() -> Result<String> {
    match connect(FORBIDDEN) {
        Ok(_) => Err("a port that is not allowed took the connection".into()),
        Err(error) => Ok(error.to_string()),
    }
}
