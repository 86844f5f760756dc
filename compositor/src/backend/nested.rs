//! A window on another desktop: the way to try Transom without leaving what you use.
//!
//! winit brings the window and its input on Wayland and X11; what was drawn on the canvas is shown
//! through softbuffer, only where something changed.

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use smithay::{
    reexports::calloop::{Interest, LoopHandle, Mode, PostAction, generic::Generic},
    utils::{Physical, Size},
};
use tracing::{error, info};
use transom_protocol::types::AxisSource;
use winit::{
    application::ApplicationHandler,
    dpi::PhysicalSize,
    event::{ElementState, MouseButton, MouseScrollDelta, Touch, TouchPhase, WindowEvent},
    event_loop::{ActiveEventLoop, ControlFlow, EventLoop},
    platform::{
        pump_events::{EventLoopExtPumpEvents, PumpStatus},
        scancode::PhysicalKeyExtScancode,
    },
    window::{Window, WindowId},
};

use super::host_gone;
use crate::{
    Desktop, DesktopError,
    input::event::InputEvent,
    render::{DeviceRect, canvas::Canvas},
    screens::Monitor,
};

type Surface = softbuffer::Surface<Arc<Window>, Arc<Window>>;

/// Shows the canvas in the host's window.
pub(crate) struct Presenter {
    window: Arc<Window>,
    surface: Surface,
    /// The host's buffer has this size; (0, 0): not set yet.
    size: (u32, u32),
}

impl fmt::Debug for Presenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presenter").field("window", &self.window.id()).finish_non_exhaustive()
    }
}

impl Presenter {
    fn new(window: Arc<Window>) -> Result<Self, softbuffer::SoftBufferError> {
        let context = softbuffer::Context::new(window.clone())?;
        let surface = softbuffer::Surface::new(&context, window.clone())?;
        Ok(Self { window, surface, size: (0, 0) })
    }

    /// Copies the canvas into the window.
    pub(crate) fn present(&mut self, canvas: &mut Canvas, screen: u32, damage: &[DeviceRect]) {
        if let Err(error) = self.try_present(canvas, screen, damage) {
            error!(%error, "the host's window cannot be drawn");
        }
    }

    fn try_present(
        &mut self,
        canvas: &mut Canvas,
        screen: u32,
        damage: &[DeviceRect],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (pixels, size) = canvas.read(screen)?;
        let (Some(width), Some(height)) = (NonZeroU32::new(size.w as u32), NonZeroU32::new(size.h as u32))
        else {
            return Ok(());
        };
        if self.size != (width.get(), height.get()) {
            self.surface.resize(width, height)?;
            self.size = (width.get(), height.get());
        }
        let mut buffer = self.surface.buffer_mut()?;
        for (out, pixel) in buffer.iter_mut().zip(pixels.chunks_exact(4)) {
            *out = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]);
        }
        let damage: Vec<softbuffer::Rect> = damage
            .iter()
            .filter_map(|rect| {
                Some(softbuffer::Rect {
                    x: rect.loc.x.max(0) as u32,
                    y: rect.loc.y.max(0) as u32,
                    width: NonZeroU32::new(rect.size.w.max(0) as u32)?,
                    height: NonZeroU32::new(rect.size.h.max(0) as u32)?,
                })
            })
            .collect();
        self.window.pre_present_notify();
        buffer.present_with_damage(&damage)?;
        Ok(())
    }
}

/// What the host said, in order.
#[derive(Debug)]
enum HostEvent {
    Input(InputEvent),
    Resized(Size<i32, Physical>, f64),
    Redraw,
    Close,
}

/// Collects the host's events; the desktop takes them up afterwards.
#[derive(Debug, Default)]
struct Host {
    window: Option<Arc<Window>>,
    wanted: (u32, u32),
    events: Vec<HostEvent>,
    error: Option<String>,
    scale: f64,
}

impl Host {
    fn push(&mut self, event: InputEvent) {
        self.events.push(HostEvent::Input(event));
    }

    fn resized(&mut self) {
        if let Some(window) = &self.window {
            let size = window.inner_size();
            let size = (size.width.max(1) as i32, size.height.max(1) as i32);
            self.events.push(HostEvent::Resized(size.into(), self.scale));
        }
    }
}

impl ApplicationHandler for Host {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.window.is_some() {
            return;
        }
        let attributes = Window::default_attributes()
            .with_title("Transom")
            .with_inner_size(PhysicalSize::new(self.wanted.0, self.wanted.1));
        match event_loop.create_window(attributes) {
            Ok(window) => {
                window.set_cursor_visible(false);
                self.scale = window.scale_factor();
                self.window = Some(Arc::new(window));
                self.resized();
            }
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested | WindowEvent::Destroyed => self.events.push(HostEvent::Close),
            WindowEvent::Resized(_) => self.resized(),
            WindowEvent::ScaleFactorChanged { scale_factor, .. } => {
                self.scale = scale_factor;
                self.resized();
            }
            WindowEvent::RedrawRequested => self.events.push(HostEvent::Redraw),
            WindowEvent::Focused(false) => self.push(InputEvent::Lost),
            // Repeats of the host are dropped: dom0 makes its own.
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } if !event.repeat => {
                if let Some(code) = event.physical_key.to_scancode() {
                    self.push(InputEvent::Key { code, pressed: event.state == ElementState::Pressed });
                }
            }
            WindowEvent::CursorMoved { position, .. } => {
                self.push(InputEvent::PointerTo { x: position.x / self.scale, y: position.y / self.scale });
            }
            WindowEvent::MouseInput { state, button, .. } => {
                let code = match button {
                    MouseButton::Left => 0x110,
                    MouseButton::Right => 0x111,
                    MouseButton::Middle => 0x112,
                    MouseButton::Back => 0x116,
                    MouseButton::Forward => 0x115,
                    MouseButton::Other(other) => 0x110 + u32::from(other % 16),
                };
                self.push(InputEvent::Button { code, pressed: state == ElementState::Pressed });
            }
            WindowEvent::MouseWheel { delta, .. } => self.push(match delta {
                MouseScrollDelta::LineDelta(x, y) => InputEvent::wheel(f64::from(-x), f64::from(-y)),
                MouseScrollDelta::PixelDelta(by) => InputEvent::Axis {
                    source: AxisSource::Continuous,
                    x: -by.x / self.scale,
                    y: -by.y / self.scale,
                    x120: 0,
                    y120: 0,
                    stop: (false, false),
                    inverted: false,
                },
            }),
            WindowEvent::Touch(Touch { phase, location, id, .. }) => {
                let (x, y) = (location.x / self.scale, location.y / self.scale);
                let id = id as i32;
                self.push(match phase {
                    TouchPhase::Started => InputEvent::TouchDown { id, x, y },
                    TouchPhase::Moved => InputEvent::TouchMotion { id, x, y },
                    TouchPhase::Ended => InputEvent::TouchUp { id },
                    TouchPhase::Cancelled => InputEvent::TouchCancel,
                });
                self.push(InputEvent::TouchFrame);
            }
            _ => {}
        }
    }
}

/// Opens a window on the desktop this runs on and makes it Transom's screen.
pub fn start(handle: &LoopHandle<'static, Desktop>, desktop: &mut Desktop) -> Result<(), DesktopError> {
    let failed = |what: String| DesktopError::Host(what);
    let mut events = EventLoop::new().map_err(|e| failed(e.to_string()))?;
    events.set_control_flow(ControlFlow::Wait);
    let size = desktop.screens.lead().map_or_else(|| (1280, 720).into(), |screen| screen.size);
    let wanted = (size.w as u32, size.h as u32);
    let mut host = Host { wanted, scale: 1.0, ..Host::default() };
    let status = events.pump_app_events(Some(Duration::ZERO), &mut host);
    if let PumpStatus::Exit(code) = status {
        return Err(failed(format!("the host ended the window at once ({code})")));
    }
    let Some(window) = host.window.clone() else {
        return Err(failed(host.error.take().unwrap_or_else(|| "the host gave no window".into())));
    };
    let presenter = Presenter::new(window).map_err(|e| failed(e.to_string()))?;
    host_gone::watch_xlib();
    desktop.backend.attach(presenter);
    take_up(desktop, &mut host);
    info!("nested in a window of the host");
    let fd = {
        use std::os::fd::AsFd;
        events.as_fd().try_clone_to_owned().map_err(|e| failed(e.to_string()))?
    };
    let source = Generic::new(fd, Interest::READ, Mode::Level);
    handle
        .insert_source(source, move |_, _, desktop: &mut Desktop| {
            if let PumpStatus::Exit(_) = events.pump_app_events(Some(Duration::ZERO), &mut host) {
                desktop.fail(host_gone::GONE);
                return Ok(PostAction::Remove);
            }
            take_up(desktop, &mut host);
            Ok(PostAction::Continue)
        })
        .map_err(|e| DesktopError::Loop(e.to_string()))?;
    Ok(())
}

fn take_up(desktop: &mut Desktop, host: &mut Host) {
    for event in std::mem::take(&mut host.events) {
        match event {
            HostEvent::Input(event) => desktop.input(event),
            HostEvent::Resized(size, scale) => {
                let scale = ((scale * 120.0).round() as u32).clamp(60, 480);
                let mut monitor = Monitor::simple("window", size);
                monitor.hint.scale = Some(scale);
                desktop.plug(vec![monitor]);
            }
            HostEvent::Redraw => desktop.redraw_all(),
            HostEvent::Close => desktop.quit(),
        }
    }
}
