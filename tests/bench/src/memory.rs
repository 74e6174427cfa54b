//! The memory of processes that wait: their proportional set size, in which shared pages count once in all.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use testudo_appliance::Appliance;

use crate::table::Table;

/// The template that most calls run in, as the supervisor names its instances.
const SANDBOX: &str = "sandbox-workshop";

/// Adds a row for each service that runs, one for a sandbox if there is one, and the totals.
///
/// # Errors
/// When a process cannot be looked at.
pub(crate) fn measure(appliance: &Appliance, when: &str, table: &mut Table) -> Result<()> {
    let (mut daemons, mut all) = (0, 0);
    for unit in appliance.status()? {
        let size = pss(appliance.pid_of(&unit.name)?)?;
        all += size;
        daemons += if unit.name == "dbus" { 0 } else { size };
        table.memory(format!("PSS {when}: {}", unit.name), size);
    }
    if let Some(instance) = appliance.instances(SANDBOX)?.first() {
        let size = pss(*instance)?;
        all += size;
        table.memory(format!("PSS {when}: one sandbox, idle"), size);
    }
    table.memory(format!("PSS {when}: all daemons"), daemons);
    table.memory(format!("PSS {when}: with the bus and the sandbox, if any"), all);
    Ok(())
}

/// Bytes of all sandboxes that run, and how many there are.
///
/// # Errors
/// When one cannot be looked at.
pub(crate) fn sandboxes(appliance: &Appliance) -> Result<(u64, usize)> {
    let (mut bytes, mut count) = (0, 0);
    for pid in appliance.instances(SANDBOX)? {
        // One that ends meanwhile, with its session or by its time, is none that is warm.
        if let Ok(own) = pss(pid) {
            bytes += own;
            count += 1;
        }
    }
    ensure!(count > 0, "no sandbox runs");
    Ok((bytes, count))
}

/// Bytes of a process.
fn pss(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("cannot find the Pss in {path}"))
}

fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_all_pages_is_taken() {
        let text = "55d0-7ffd ---p 0 00:00 0 [rollup]\nRss:  9000 kB\nPss:    1234 kB\nPss_Dirty:  7 kB\n";
        assert_eq!(parse(text), Some(1234 * 1024));
        assert_eq!(parse("Pss_Dirty: 7 kB\n"), None);
    }
}
