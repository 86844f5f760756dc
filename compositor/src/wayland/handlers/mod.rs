//! One file per protocol: what smithay asks of the desktop, handed on to this room's windows.

mod compositor;
mod cursor_shape;
mod data_device;
mod foreign_toplevel;
mod fractional_scale;
mod gamma_control;
mod idle_notify;
mod input_method;
mod layer_shell;
mod output;
mod output_management;
mod output_power;
mod presentation;
mod screencopy;
mod seat;
mod session_lock;
mod shm;
mod single_pixel_buffer;
mod text_input;
mod viewporter;
mod virtual_keyboard;
mod workspace;
mod xdg_decoration;
mod xdg_shell;

use smithay::{
    input::SeatState,
    reexports::{
        calloop::LoopHandle,
        wayland_protocols::{
            ext::workspace::v1::server::ext_workspace_manager_v1::ExtWorkspaceManagerV1,
            wp::text_input::zv3::server::zwp_text_input_manager_v3::ZwpTextInputManagerV3,
        },
        wayland_protocols_misc::{
            zwp_input_method_v2::server::zwp_input_method_manager_v2::ZwpInputMethodManagerV2,
            zwp_virtual_keyboard_v1::server::zwp_virtual_keyboard_manager_v1::ZwpVirtualKeyboardManagerV1,
        },
        wayland_protocols_wlr::{
            foreign_toplevel::v1::server::zwlr_foreign_toplevel_manager_v1::ZwlrForeignToplevelManagerV1,
            gamma_control::v1::server::zwlr_gamma_control_manager_v1::ZwlrGammaControlManagerV1,
            output_management::v1::server::zwlr_output_manager_v1::ZwlrOutputManagerV1,
            output_power_management::v1::server::zwlr_output_power_manager_v1::ZwlrOutputPowerManagerV1,
            screencopy::v1::server::zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1,
        },
        wayland_server::{DisplayHandle, protocol::wl_shm::WlShm},
    },
    wayland::{
        compositor::CompositorState,
        cursor_shape::CursorShapeManagerState,
        foreign_toplevel_list::ForeignToplevelListState,
        fractional_scale::FractionalScaleManagerState,
        idle_notify::IdleNotifierState,
        output::OutputManagerState,
        presentation::PresentationState,
        selection::data_device::DataDeviceState,
        session_lock::SessionLockManagerState,
        shell::{
            wlr_layer::WlrLayerShellState,
            xdg::{XdgShellState, decoration::XdgDecorationState},
        },
        single_pixel_buffer::SinglePixelBufferState,
        viewporter::ViewporterState,
    },
};

pub(super) use self::{
    foreign_toplevel::Taskbars,
    gamma_control::GammaControls,
    output_management::Managers,
    output_power::Powers,
    screencopy::Captures,
    shm::{Pools, ShmBuffer},
    virtual_keyboard::VirtualKeyboards,
    workspace::Workspaces,
};
use crate::Desktop;

/// Number of `CLOCK_MONOTONIC`.
const CLOCK_MONOTONIC: u32 = 1;

/// Globals and their state.
#[derive(Debug)]
pub(super) struct Globals {
    compositor: CompositorState,
    xdg_shell: XdgShellState,
    layer_shell: WlrLayerShellState,
    foreign_toplevels: ForeignToplevelListState,
    seat: SeatState<Desktop>,
    data_device: DataDeviceState,
    session_lock: SessionLockManagerState,
    idle_notify: IdleNotifierState<Desktop>,
    _decoration: XdgDecorationState,
    _outputs: OutputManagerState,
    _viewporter: ViewporterState,
    _fractional_scale: FractionalScaleManagerState,
    _cursor_shape: CursorShapeManagerState,
    _presentation: PresentationState,
    _single_pixel: SinglePixelBufferState,
}

impl Globals {
    pub(super) fn new(
        display: &DisplayHandle,
        seat: SeatState<Desktop>,
        event_loop: LoopHandle<'static, Desktop>,
    ) -> Self {
        display.create_global::<Desktop, WlShm, ()>(1, ());
        display.create_global::<Desktop, ZwlrOutputManagerV1, ()>(4, ());
        display.create_global::<Desktop, ZwlrOutputPowerManagerV1, ()>(1, ());
        display.create_global::<Desktop, ZwlrGammaControlManagerV1, ()>(1, ());
        display.create_global::<Desktop, ZwlrForeignToplevelManagerV1, ()>(3, ());
        display.create_global::<Desktop, ExtWorkspaceManagerV1, ()>(1, ());
        display.create_global::<Desktop, ZwlrScreencopyManagerV1, ()>(3, ());
        display.create_global::<Desktop, ZwpTextInputManagerV3, ()>(1, ());
        display.create_global::<Desktop, ZwpInputMethodManagerV2, ()>(1, ());
        display.create_global::<Desktop, ZwpVirtualKeyboardManagerV1, ()>(1, ());
        Self {
            compositor: CompositorState::new_v6::<Desktop>(display),
            xdg_shell: XdgShellState::new::<Desktop>(display),
            layer_shell: WlrLayerShellState::new::<Desktop>(display),
            foreign_toplevels: ForeignToplevelListState::new::<Desktop>(display),
            seat,
            data_device: DataDeviceState::new::<Desktop>(display),
            session_lock: SessionLockManagerState::new::<Desktop, _>(display, |_| true),
            idle_notify: IdleNotifierState::<Desktop>::new(display, event_loop),
            _decoration: XdgDecorationState::new::<Desktop>(display),
            _outputs: OutputManagerState::new_with_xdg_output::<Desktop>(display),
            _viewporter: ViewporterState::new::<Desktop>(display),
            _fractional_scale: FractionalScaleManagerState::new::<Desktop>(display),
            _cursor_shape: CursorShapeManagerState::new::<Desktop>(display),
            _presentation: PresentationState::new::<Desktop>(display, CLOCK_MONOTONIC),
            _single_pixel: SinglePixelBufferState::new::<Desktop>(display),
        }
    }
}
