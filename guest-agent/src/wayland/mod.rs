//! The Wayland server for the qube's programs: smithay's protocols, and what the agent does about
//! them.

pub(crate) mod clients;
mod handlers;
mod seat;
mod shell;
pub mod shm;
mod tablet;
pub(crate) mod text_input;
mod xdg_checks;

use smithay::{
    reexports::{
        wayland_protocols::wp::text_input::zv3::server::zwp_text_input_manager_v3::ZwpTextInputManagerV3,
        wayland_protocols_misc::server_decoration::server::org_kde_kwin_server_decoration_manager::Mode,
        wayland_server::{DisplayHandle, protocol::wl_shm::WlShm},
    },
    wayland::{
        compositor::CompositorState,
        cursor_shape::CursorShapeManagerState,
        fractional_scale::FractionalScaleManagerState,
        idle_inhibit::IdleInhibitManagerState,
        output::OutputManagerState,
        pointer_constraints::PointerConstraintsState,
        pointer_gestures::PointerGesturesState,
        presentation::PresentationState,
        relative_pointer::RelativePointerManagerState,
        selection::{data_device::DataDeviceState, primary_selection::PrimarySelectionState},
        shell::{
            kde::decoration::KdeDecorationState,
            xdg::{XdgShellState, decoration::XdgDecorationState},
        },
        single_pixel_buffer::SinglePixelBufferState,
        tablet_manager::TabletManagerState,
        viewporter::ViewporterState,
        xdg_activation::XdgActivationState,
        xwayland_shell::XWaylandShellState,
    },
};

use crate::Agent;

/// Number of `CLOCK_MONOTONIC`.
const CLOCK_MONOTONIC: u32 = 1;

/// Globals and their state.
#[derive(Debug)]
pub(crate) struct Protocols {
    pub(crate) compositor: CompositorState,
    pub(crate) xdg_shell: XdgShellState,
    pub(crate) data_device: DataDeviceState,
    pub(crate) primary_selection: PrimarySelectionState,
    pub(crate) activation: XdgActivationState,
    pub(crate) xwayland_shell: XWaylandShellState,
    pub(crate) kde_decoration: KdeDecorationState,
    _decoration: XdgDecorationState,
    _outputs: OutputManagerState,
    _viewporter: ViewporterState,
    _fractional_scale: FractionalScaleManagerState,
    _cursor_shape: CursorShapeManagerState,
    _presentation: PresentationState,
    _single_pixel: SinglePixelBufferState,
    _relative_pointer: RelativePointerManagerState,
    _gestures: PointerGesturesState,
    _constraints: PointerConstraintsState,
    _tablets: TabletManagerState,
    _idle_inhibit: IdleInhibitManagerState,
}

impl Protocols {
    pub(crate) fn new(display: &DisplayHandle) -> Self {
        display.create_global::<Agent, WlShm, ()>(1, ());
        display.create_global::<Agent, ZwpTextInputManagerV3, ()>(1, ());
        Self {
            compositor: CompositorState::new_v6::<Agent>(display),
            xdg_shell: XdgShellState::new::<Agent>(display),
            data_device: DataDeviceState::new::<Agent>(display),
            primary_selection: PrimarySelectionState::new::<Agent>(display),
            activation: XdgActivationState::new::<Agent>(display),
            xwayland_shell: XWaylandShellState::new::<Agent>(display),
            // The only protocol by which GTK 3 leaves its title bar out.
            kde_decoration: KdeDecorationState::new::<Agent>(display, Mode::Server),
            _decoration: XdgDecorationState::new::<Agent>(display),
            _outputs: OutputManagerState::new_with_xdg_output::<Agent>(display),
            _viewporter: ViewporterState::new::<Agent>(display),
            _fractional_scale: FractionalScaleManagerState::new::<Agent>(display),
            _cursor_shape: CursorShapeManagerState::new::<Agent>(display),
            _presentation: PresentationState::new::<Agent>(display, CLOCK_MONOTONIC),
            _single_pixel: SinglePixelBufferState::new::<Agent>(display),
            _relative_pointer: RelativePointerManagerState::new::<Agent>(display),
            _gestures: PointerGesturesState::new::<Agent>(display),
            _constraints: PointerConstraintsState::new::<Agent>(display),
            _tablets: TabletManagerState::new::<Agent>(display),
            _idle_inhibit: IdleInhibitManagerState::new::<Agent>(display),
        }
    }
}
