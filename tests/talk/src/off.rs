//! A machine that is switched off, with all that lies on its disk, to be switched on again with something changed.

use matrix_sdk::ruma::OwnedUserId;
use tempfile::TempDir;
use testudo_appliance::{Appliance, Plan};
use testudo_tests::Scene;
use tokio::task::block_in_place;

use crate::synapse::Synapse;
use crate::talk::Talk;

/// A stopped appliance; its homeserver runs on.
pub struct Off {
    /// Its homeserver.
    pub synapse: Synapse,
    plan: Plan,
    bot: OwnedUserId,
    policy: TempDir,
    state: TempDir,
}

impl Talk {
    /// Stops the appliance as an administrator would.
    pub fn off(self) -> Off {
        let Self { scene, synapse, bot, plan, policy, state } = self;
        block_in_place(|| scene.appliance.stop()).expect("it stops in an orderly way");
        Off { synapse, plan, bot, policy, state }
    }
}

impl Off {
    /// Starts it with something changed.
    pub fn on(self, change: impl FnOnce(&mut Plan)) -> Talk {
        let Self { synapse, mut plan, bot, policy, state } = self;
        change(&mut plan);
        let scene = block_in_place(|| Scene::with(|empty| *empty = plan.clone()));
        Talk { scene, synapse, bot, plan, policy, state }
    }

    /// That it does not start with something changed, and what it says.
    pub fn refuses(&self, change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = self.plan.clone();
        change(&mut plan);
        match block_in_place(|| Appliance::start(plan)) {
            Ok(_) => panic!("it starts"),
            Err(error) => error.to_string(),
        }
    }
}
