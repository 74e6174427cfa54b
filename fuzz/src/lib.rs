//! Fuzz targets for what a sandbox says; see [`properties`].

pub mod properties;
