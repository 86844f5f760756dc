//! `output` in the config file.

use knus::{
    DecodeScalar,
    ast::{Literal, TypeName},
    decode::Context,
    errors::DecodeError,
    span::{Span, Spanned},
};
use smithay::utils::Transform;

use crate::screens::{
    said::{SCALES, Said, WantedMode, Which, transform_named},
    vrr::Vrr,
};

/// Settings of monitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// Of which.
    pub which: Which,
    /// What holds for them.
    pub said: Said,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
pub(super) struct OutputNode {
    #[knus(span)]
    pub(super) span: Span,
    #[knus(argument)]
    connector: Option<String>,
    #[knus(property)]
    make: Option<String>,
    #[knus(property)]
    model: Option<String>,
    #[knus(property)]
    serial: Option<String>,
    #[knus(child)]
    off: bool,
    #[knus(child, unwrap(argument, str))]
    mode: Option<WantedMode>,
    #[knus(child, unwrap(argument))]
    scale: Option<Scale>,
    #[knus(child)]
    position: Option<Position>,
    #[knus(child, unwrap(argument, str))]
    transform: Option<TransformName>,
    #[knus(child, unwrap(argument, str))]
    vrr: Option<Vrr>,
}

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct Position {
    #[knus(argument)]
    x: i32,
    #[knus(argument)]
    y: i32,
}

#[derive(Clone, Copy, Debug)]
struct TransformName(Transform);

impl std::str::FromStr for TransformName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        transform_named(name)
            .map(Self)
            .ok_or("a transform is \"normal\", \"90\", \"flipped\", \"flipped-90\" …")
    }
}

/// A scale, whole or not, in 120ths.
#[derive(Clone, Copy, Debug)]
struct Scale(u32);

impl DecodeScalar<Span> for Scale {
    fn type_check(_: &Option<Spanned<TypeName, Span>>, _: &mut Context<Span>) {}

    fn raw_decode(
        value: &Spanned<Literal, Span>,
        ctx: &mut Context<Span>,
    ) -> Result<Self, DecodeError<Span>> {
        let scale = match **value {
            Literal::Decimal(_) => f64::raw_decode(value, ctx)?,
            _ => f64::from(u32::raw_decode(value, ctx)?),
        };
        let scale = (scale * 120.0).round();
        if !(f64::from(*SCALES.start())..=f64::from(*SCALES.end())).contains(&scale) {
            return Err(DecodeError::conversion(value, "a scale is from 0.5 to 4".to_owned()));
        }
        Ok(Self(scale as u32))
    }
}

/// The settings of a node, or what is wrong with it.
pub(super) fn output(node: OutputNode) -> Result<OutputConfig, &'static str> {
    let which = Which { connector: node.connector, make: node.make, model: node.model, serial: node.serial };
    if which == Which::default() {
        return Err("say which output: by its connector, or by make, model or serial");
    }
    let said = Said {
        on: node.off.then_some(false),
        mode: node.mode,
        scale: node.scale.map(|scale| scale.0),
        at: node.position.map(|position| (position.x, position.y).into()),
        transform: node.transform.map(|name| name.0),
        vrr: node.vrr,
    };
    Ok(OutputConfig { which, said })
}
