//! Reaches out: the only process beside the Matrix client that has a network.

#[cfg(all(feature = "ablation", not(debug_assertions)))]
compile_error!("the feature `ablation` takes controls out: it is for debug builds of the harness only");

pub mod controls;
pub mod service;
