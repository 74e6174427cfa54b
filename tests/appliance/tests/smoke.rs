use std::path::Path;
use testudo_appliance::{Appliance, Plan};
#[test]
fn smoke() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/units");
    let mut plan = Plan::bare(&units, Path::new(env!("CARGO_BIN_EXE_testudo-init")).parent().unwrap());
    plan.target = "healthy.target".into();
    let appliance = Appliance::start(plan).unwrap_or_else(|e| panic!("{e}"));
    eprintln!("{:#?} {:?}", appliance.status(), appliance.ready_after());
    eprintln!("{:?}", appliance.pid_of("healthy"));
    appliance.stop().unwrap();
}
