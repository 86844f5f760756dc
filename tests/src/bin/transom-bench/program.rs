//! A small Wayland program: windows of two buffers each, shown in turns, all of it damaged.

use std::{
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{MemfdFlags, ftruncate, memfd_create},
};
use transom_hypervisor::memory::{ClientFds, GrantMap, Quota};
use wayland_client::{
    Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop,
    protocol::{
        wl_buffer::{self, WlBuffer},
        wl_compositor::WlCompositor,
        wl_registry::{self, WlRegistry},
        wl_shm::{self, WlShm},
        wl_shm_pool::WlShmPool,
        wl_surface::WlSurface,
    },
};
use wayland_protocols::xdg::shell::client::{
    xdg_surface::{self, XdgSurface},
    xdg_toplevel::XdgToplevel,
    xdg_wm_base::{self, XdgWmBase},
};

/// An answer that takes longer never comes.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// What the program heard.
#[derive(Debug, Default)]
struct Heard {
    globals: Vec<(String, u32)>,
    configured: usize,
    released: usize,
}

/// A program.
pub(crate) struct Program {
    connection: Connection,
    queue: EventQueue<Heard>,
    registry: WlRegistry,
    heard: Heard,
    windows: usize,
}

/// A window of a program.
pub(crate) struct Window {
    surface: WlSurface,
    _toplevel: XdgToplevel,
    size: (i32, i32),
    buffers: [(WlBuffer, OwnedFd); 2],
    /// A picture a bit higher than the window, which scrolls over it.
    pattern: Vec<u8>,
    shown: usize,
}

/// Rows by which the picture can scroll.
const SCROLL: usize = 64;

/// A picture in which every pixel differs from the one above.
fn pattern((width, height): (i32, i32)) -> Vec<u8> {
    let rows = height as usize + SCROLL;
    let pixel = |x: usize, y: usize| [x as u8, (x ^ y) as u8, y as u8, 0xff];
    (0..rows).flat_map(|y| (0..width as usize).flat_map(move |x| pixel(x, y))).collect()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Program {
    /// Connects to a compositor's socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(socket).map_err(|e| format!("{}: {e}", socket.display()))?;
        let connection = Connection::from_socket(stream).map_err(text)?;
        let queue = connection.new_event_queue();
        let registry = connection.display().get_registry(&queue.handle(), ());
        let mut program = Self { connection, queue, registry, heard: Heard::default(), windows: 0 };
        let needed = ["wl_compositor", "wl_shm", "xdg_wm_base"];
        program.until(|heard| {
            needed.iter().all(|name| heard.globals.iter().any(|(global, _)| global == name))
        })?;
        Ok(program)
    }

    /// Hears what comes until there is this.
    fn until(&mut self, done: impl Fn(&Heard) -> bool) -> Result<(), String> {
        loop {
            self.queue.dispatch_pending(&mut self.heard).map_err(text)?;
            if done(&self.heard) {
                return Ok(());
            }
            self.connection.flush().map_err(text)?;
            let Some(guard) = self.connection.prepare_read() else { continue };
            let fd = guard.connection_fd();
            let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&PATIENCE)).map_err(text)?;
            if ready == 0 {
                return Err(format!("the compositor does not answer; so far: {:?}", self.heard));
            }
            guard.read().map_err(text)?;
        }
    }

    fn bind<I: Proxy + 'static>(&self) -> Result<I, String>
    where
        Heard: Dispatch<I, ()>,
    {
        let interface = I::interface().name;
        let global = self.heard.globals.iter().find(|(name, _)| name == interface);
        let (_, number) = global.ok_or_else(|| format!("no {interface}"))?;
        Ok(self.registry.bind(*number, 1, &self.queue.handle(), ()))
    }

    /// A window of this size, with a picture.
    pub(crate) fn window(&mut self, title: &str, size: (i32, i32)) -> Result<Window, String> {
        let queue = self.queue.handle();
        let compositor: WlCompositor = self.bind()?;
        let wm: XdgWmBase = self.bind()?;
        let shm: WlShm = self.bind()?;
        let surface = compositor.create_surface(&queue, ());
        let xdg_surface = wm.get_xdg_surface(&surface, &queue, ());
        let toplevel = xdg_surface.get_toplevel(&queue, ());
        toplevel.set_title(title.into());
        surface.commit();
        let configured = self.heard.configured;
        self.until(|heard| heard.configured > configured)?;
        let bytes = size.0 * size.1 * 4;
        let buffer = || -> Result<(WlBuffer, OwnedFd), String> {
            let fd = memfd_create("pool", MemfdFlags::CLOEXEC).map_err(text)?;
            ftruncate(&fd, bytes as u64).map_err(text)?;
            let pool = shm.create_pool(fd.as_fd(), bytes, &queue, ());
            let format = wl_shm::Format::Argb8888;
            Ok((pool.create_buffer(0, size.0, size.1, size.0 * 4, format, &queue, ()), fd))
        };
        let buffers = [buffer()?, buffer()?];
        let mut window =
            Window { surface, _toplevel: toplevel, size, buffers, pattern: pattern(size), shown: 0 };
        self.windows += 1;
        // Both buffers have pixels, and the compositor knows both.
        self.show(&mut window, true)?;
        self.show(&mut window, true)?;
        Ok(window)
    }

    /// Shows the buffer that is free, all of it damaged, and waits until the other one comes back;
    /// `draw`: with a picture that differs from the last one in every pixel.
    pub(crate) fn show(&mut self, window: &mut Window, draw: bool) -> Result<(), String> {
        if draw {
            window.paint()?;
        }
        self.commit(window)?;
        self.settle(window)
    }

    /// Shows the buffer that is free, all of it damaged.
    pub(crate) fn commit(&mut self, window: &mut Window) -> Result<(), String> {
        let (buffer, _) = &window.buffers[window.shown % 2];
        window.surface.attach(Some(buffer), 0, 0);
        window.surface.damage(0, 0, window.size.0, window.size.1);
        window.surface.commit();
        window.shown += 1;
        self.connection.flush().map_err(text)
    }

    /// After a commit: waits until the buffer before comes back, if there was one.
    pub(crate) fn settle(&mut self, window: &Window) -> Result<(), String> {
        if window.shown == 1 {
            return Ok(());
        }
        let released = self.heard.released;
        self.until(|heard| heard.released > released)
    }

    /// Goes on until the compositor is gone.
    pub(crate) fn stay(&mut self) {
        while self.queue.blocking_dispatch(&mut self.heard).is_ok() {}
    }
}

impl Window {
    /// Writes a picture into the buffer that is free: it differs from the last one in every pixel.
    pub(crate) fn paint(&self) -> Result<(), String> {
        let (_, fd) = &self.buffers[self.shown % 2];
        let row = self.size.0 as usize * 4;
        let from = self.shown % SCROLL * row;
        let mut pixels = &self.pattern[from..from + row * self.size.1 as usize];
        let mut at = 0;
        while !pixels.is_empty() {
            let written = rustix::io::pwrite(fd, pixels, at).map_err(text)?;
            pixels = &pixels[written..];
            at += written as u64;
        }
        Ok(())
    }

    /// Maps the window's memory and reads all of it, as programs have theirs mapped.
    pub(crate) fn map(&self) -> Result<Vec<GrantMap>, String> {
        let bytes = (self.size.0 * self.size.1 * 4) as u64;
        let mut page = vec![0; bytes as usize];
        let map = |fd: &OwnedFd| {
            let memory = ClientFds::new(Quota { max_bytes: bytes, max_grants: 1, max_mappings: 1 });
            let map = memory.map(fd.try_clone().map_err(text)?, bytes).map_err(text)?;
            map.all().copy_to(&mut page).map_err(text)?;
            Ok(map)
        };
        self.buffers.iter().map(|(_, fd)| fd).map(map).collect()
    }
}

/// Ten windows for the figure of memory; this process is the program in the qube.
pub(crate) fn windows(count: usize, size: (i32, i32)) -> Result<(), String> {
    let variable = |name: &str| std::env::var_os(name).ok_or_else(|| format!("no {name}"));
    let socket = Path::new(&variable("XDG_RUNTIME_DIR")?).join(variable("WAYLAND_DISPLAY")?);
    let mut program = Program::connect(&socket)?;
    let mut kept = Vec::new();
    for number in 0..count {
        let mut window = program.window(&format!("window {number}"), size)?;
        let map = window.map()?;
        // Time for dom0 to draw each of the two buffers while this window is the topmost.
        for _ in 0..2 {
            std::thread::park_timeout(Duration::from_millis(60));
            program.show(&mut window, true)?;
        }
        std::thread::park_timeout(Duration::from_millis(60));
        kept.push((window, map));
    }
    program.stay();
    Ok(())
}

impl Dispatch<WlRegistry, ()> for Heard {
    fn event(
        heard: &mut Self,
        _: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wl_registry::Event::Global { name, interface, .. } = event {
            heard.globals.push((interface, name));
        }
    }
}

impl Dispatch<XdgWmBase, ()> for Heard {
    fn event(
        _: &mut Self,
        wm: &XdgWmBase,
        event: xdg_wm_base::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            wm.pong(serial);
        }
    }
}

impl Dispatch<XdgSurface, ()> for Heard {
    fn event(
        heard: &mut Self,
        surface: &XdgSurface,
        event: xdg_surface::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            surface.ack_configure(serial);
            heard.configured += 1;
        }
    }
}

impl Dispatch<WlBuffer, ()> for Heard {
    fn event(
        heard: &mut Self,
        _: &WlBuffer,
        event: wl_buffer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if matches!(event, wl_buffer::Event::Release) {
            heard.released += 1;
        }
    }
}

delegate_noop!(Heard: WlCompositor);
delegate_noop!(Heard: ignore WlShm);
delegate_noop!(Heard: WlShmPool);
delegate_noop!(Heard: ignore WlSurface);
delegate_noop!(Heard: ignore XdgToplevel);
