//! From nothing to a ready appliance: bus, five daemons, sockets, each on its own account.

use std::path::Path;

use anyhow::{Context as _, Result};
use testudo_appliance::{Appliance, Plan};

use crate::memory;
use crate::percentile::Summary;
use crate::table::Table;

/// Starts the appliance so many times, adds the row, and returns the last one, running.
///
/// # Errors
/// When it does not start.
pub(crate) fn measure(times: u16, table: &mut Table) -> Result<Appliance> {
    let mut series = Vec::new();
    let mut appliance = start()?;
    series.push(appliance.ready_after());
    for _ in 1..times {
        appliance.stop()?;
        appliance = start()?;
        series.push(appliance.ready_after());
    }
    table.time("start of the whole appliance until ready", Summary::of(&series), None);
    memory::measure(&appliance, "after start", table)?;
    Ok(appliance)
}

fn start() -> Result<Appliance> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut plan = Plan::from_repo(&repository, &Plan::bin_dir_of_test()?)?;
    // A measurement makes more calls a minute than any session should.
    plan.set("toold", "calls_per_minute", 1_000_000).set("toold", "burst", 1_000_000);
    Appliance::start(plan).context("cannot start the appliance")
}
