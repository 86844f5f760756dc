//! What the tests and the fuzz targets share.

pub(crate) mod dice;
pub(crate) mod propose;
pub(crate) mod random;
pub(crate) mod samples;
pub(crate) mod targets;
