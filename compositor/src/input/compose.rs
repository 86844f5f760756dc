//! From keys to characters, for what is typed to dom0 itself: dead keys and the compose key work as in programs.

use smithay::input::keyboard::xkb;

/// What has been pressed of a sequence.
#[derive(Default)]
pub(crate) struct Compose(Option<xkb::compose::State>);

impl std::fmt::Debug for Compose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Compose").field(&self.0.is_some()).finish()
    }
}

impl Compose {
    /// By the rules of the person's locale; without any, keys stand for themselves.
    pub(crate) fn new() -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let context = xkb::Context::new(xkb::CONTEXT_NO_FLAGS);
        let table = xkb::compose::Table::new_from_locale(
            &context,
            &locale.unwrap_or_else(|| "C".into()),
            xkb::compose::COMPILE_NO_FLAGS,
        );
        Self(table.ok().map(|table| xkb::compose::State::new(&table, xkb::compose::STATE_NO_FLAGS)))
    }

    /// The character that a key makes, or ends; `None`: none, or not yet.
    pub(crate) fn character(&mut self, sym: u32) -> Option<char> {
        let plain = |sym: u32| char::from_u32(xkb::keysym_to_utf32(sym.into())).filter(|c| *c != '\0');
        let Some(state) = &mut self.0 else { return plain(sym) };
        state.feed(sym.into());
        match state.status() {
            xkb::compose::Status::Nothing => plain(sym),
            xkb::compose::Status::Composing => None,
            xkb::compose::Status::Composed => {
                let (sym, text) = (state.keysym(), state.utf8());
                state.reset();
                text.and_then(|text| text.chars().next()).or_else(|| plain(sym?.raw()))
            }
            xkb::compose::Status::Cancelled => {
                state.reset();
                None
            }
        }
    }

    /// A sequence that was begun is forgotten.
    pub(crate) fn reset(&mut self) {
        if let Some(state) = &mut self.0 {
            state.reset();
        }
    }
}
