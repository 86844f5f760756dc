//! Enums whose values have names in the config file.

/// Makes such enums, with their names, and reads them.
macro_rules! named {
    ($($(#[$meta:meta])* pub enum $type:ident { $($(#[$vmeta:meta])* $variant:ident $name:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $($(#[$vmeta])* $variant,)* }

        impl $type {
            /// Its name in the config file.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "\"{}\"", self.name())
            }
        }

        impl knus::DecodeScalar<knus::span::Span> for $type {
            fn type_check(
                type_name: &Option<knus::span::Spanned<knus::ast::TypeName, knus::span::Span>>,
                ctx: &mut knus::decode::Context<knus::span::Span>,
            ) {
                String::type_check(type_name, ctx);
            }

            fn raw_decode(
                value: &knus::span::Spanned<knus::ast::Literal, knus::span::Span>,
                ctx: &mut knus::decode::Context<knus::span::Span>,
            ) -> Result<Self, knus::errors::DecodeError<knus::span::Span>> {
                let name = String::raw_decode(value, ctx)?;
                [$(Self::$variant,)*].into_iter().find(|own| own.name() == name).ok_or_else(|| {
                    let names = [$(concat!("\"", $name, "\""),)*].join(", ");
                    let reason = format!("\"{name}\" is none of {names}");
                    knus::errors::DecodeError::conversion(value, reason)
                })
            }
        }
    )*};
}
pub(super) use named;
