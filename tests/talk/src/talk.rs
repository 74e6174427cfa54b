//! The whole appliance with an account on a real homeserver: who it listens to, and what its operator does with it.

use matrix_sdk::ruma::{OwnedUserId, RoomId};
use serde_json::Value;
use tempfile::TempDir;
use testudo_appliance::Plan;
use testudo_tests::{Said, Scene, plan, repository};
use tokio::task::block_in_place;

use crate::human::Human;
use crate::nio::Nio;
use crate::synapse::{PASSWORD, Synapse};
use crate::timeline::{PATIENCE, Seen};

/// The agent's own account.
pub const BOT: &str = "testudo";
/// The owner of the appliance.
pub const OWNER: &str = "ann";
/// Somebody who may talk to the agent, and nothing else.
pub const MEMBER: &str = "bob";
/// Another one.
const EVE: &str = "eve";
/// Somebody of another network.
pub const BRIDGED: &str = "signal_7";
/// A key as `matrix-store-key` has it.
pub const STORE_KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// The mark that begins a question, and nothing else.
pub const MARK: char = '⛨';

/// A running appliance that talks.
pub struct Talk {
    /// The appliance; it ends before its homeserver.
    pub scene: Scene,
    /// Its homeserver.
    pub synapse: Synapse,
    /// Its account.
    pub bot: OwnedUserId,
    pub(crate) plan: Plan,
    pub(crate) policy: TempDir,
    pub(crate) state: TempDir,
}

impl Talk {
    /// As it is shipped: what changes files wants an answer in words.
    pub fn start() -> Self {
        Self::with(Synapse::start(), "reply", |_| {})
    }

    /// On this homeserver, with this weight of answer to what changes files, and something changed.
    pub fn with(synapse: Synapse, weight: &str, change: impl FnOnce(&mut Plan)) -> Self {
        block_in_place(|| {
            for name in [BOT, OWNER, MEMBER, BRIDGED] {
                synapse.register(name);
            }
            let (policy, state) = (readable(), readable());
            let mut plan = plan();
            plan.keep = Some(state.path().to_owned());
            weighing(&mut plan, &policy, weight);
            plan.matrix(synapse.url(), &synapse.id(BOT), PASSWORD, STORE_KEY)
                .set("matrixd", "owners", vec![synapse.id(OWNER)])
                .set("matrixd", "members", vec![synapse.id(MEMBER), synapse.id(EVE)])
                .set("matrixd", "bridged", vec![synapse.id("signal_*")]);
            change(&mut plan);
            let scene = Scene::with(|empty| *empty = plan.clone());
            let bot = OwnedUserId::try_from(synapse.id(BOT)).expect("a user's id");
            Self { scene, synapse, bot, plan, policy, state }
        })
    }

    /// Calls the daemon as the operator.
    pub fn operator(&self, member: &str, arguments: &[&str]) -> Said {
        block_in_place(|| self.scene.as_user("root", "Matrix1", member, arguments))
    }

    /// Runs `testudoctl`.
    pub fn ctl(&self, arguments: &[&str]) -> Said {
        block_in_place(|| self.scene.ctl(arguments))
    }

    /// What waits for an answer.
    pub fn approvals(&self) -> Vec<Value> {
        block_in_place(|| self.scene.approvals())
    }

    /// Waits until something holds of the appliance.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        block_in_place(|| {
            let began = std::time::Instant::now();
            while !holds(self) {
                assert!(began.elapsed() < PATIENCE, "not {what} within {PATIENCE:?}: {}", self.told());
                // Between two looks at another process.
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
    }

    /// The operator has a person verified, both compare the emojis, and both say that they are the same.
    pub async fn verify(&self, human: &Human) {
        let (user, device) = (format!("s:{}", human.user()), "s:".to_owned());
        let started = self.operator("Verify", &[&user, &device]);
        assert_eq!(started.status, 0, "{started:?}\n{}", self.told());
        let id = format!("s:{}", started.stdout.trim());
        let theirs = human.accept_verification(&self.bot).await;
        let ours = self.operator("Emojis", &[&id]);
        assert_eq!(ours.status, 0, "{ours:?}\n{}", self.told());
        let emojis = ours.json()["emojis"].clone();
        let emojis = emojis.as_array().unwrap_or_else(|| panic!("no emojis: {ours:?}"));
        let emojis: Vec<&str> = emojis.iter().filter_map(|emoji| emoji["symbol"].as_str()).collect();
        assert_eq!(emojis, theirs.emojis);
        let confirmed = self.operator("Confirm", &[&id, "b:true"]);
        assert_eq!(confirmed.status, 0, "{confirmed:?}\n{}", self.told());
        human.is_confirmed_by(&self.bot).await;
        theirs.says_same().await;
        theirs.is_over().await;
        human.comes_to_trust(&self.bot).await;
        // What she says sooner is a member's.
        self.until("verified", |talk| {
            let going = talk.operator("Verifications", &[]).json();
            let others = |one: &Value| one["id"] != started.stdout.trim() || one["state"] == "done";
            going.as_array().is_some_and(|going| going.iter().all(others))
        });
    }

    /// A verified owner in an encrypted room with the agent.
    pub async fn owner(&self) -> (Human, matrix_sdk::ruma::OwnedRoomId) {
        let owner = Human::login(&self.synapse, OWNER).await;
        let room = owner.create_room(&[&self.bot]).await;
        owner.member(&room, &self.bot, "join").await;
        self.verify(&owner).await;
        (owner, room)
    }

    /// The member, whom an owner let into a room.
    pub async fn member(&self, owner: &Human, room: &RoomId) -> Human {
        let member = Human::login(&self.synapse, MEMBER).await;
        owner.room(room).invite_user_by_id(member.user()).await.expect("she may invite");
        member.join(room).await;
        owner.member(room, member.user(), "join").await;
        member
    }

    /// Another member, with another client than ours, whom an owner let into a room.
    pub async fn eve(&self, owner: &Human, room: &RoomId) -> (Nio, OwnedUserId) {
        self.synapse.register(EVE);
        let eve = Nio::login(&self.synapse, EVE).await;
        let user = OwnedUserId::try_from(eve.user.as_str()).expect("a user's id");
        owner.room(room).invite_user_by_id(&user).await.expect("she may invite");
        eve.join(room.as_str()).await;
        owner.member(room, &user, "join").await;
        (eve, user)
    }

    /// An owner said something in a room, so that it can be hers, and the agent answered.
    pub async fn greeted(&self, owner: &Human, room: &RoomId) {
        let mark = owner.timeline.mark();
        owner.say(room, "say good morning").await;
        let is_answer = |seen: &Seen| {
            seen.room == room.as_str()
                && seen.sender == self.bot.as_str()
                && seen.content.to_string().contains("good morning")
        };
        owner.timeline.after(mark, "a greeting", is_answer).await;
    }

    /// The next question in a room after a mark, with its code.
    pub async fn question(&self, human: &Human, room: &RoomId, mark: usize) -> Question {
        let is_right = |seen: &Seen| {
            seen.is_message()
                && seen.room == room.as_str()
                && seen.sender == self.bot.as_str()
                && seen.body().starts_with(MARK)
        };
        let seen = human.timeline.after(mark, "a question", is_right).await;
        assert!(seen.sealed, "a question is encrypted");
        // `yes CODE` stands in it for people to copy.
        let code = seen.body().split("`yes ").nth(1).and_then(|rest| rest.split(['`', ' ']).next());
        let code = code.unwrap_or_else(|| panic!("no code: {}", seen.body())).to_owned();
        let id = seen.body().split("ASKS · ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let id = id.unwrap_or_else(|| panic!("no id: {}", seen.body())).to_owned();
        Question {
            event: seen.event,
            body: seen.content["body"].as_str().unwrap_or_default().to_owned(),
            code,
            id,
        }
    }

    /// What the daemon wrote, for people who look for a mistake.
    pub fn told(&self) -> String {
        let log = self.scene.appliance.log("matrixd");
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }
}

/// A question of the agent as it stands in a room.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its event.
    pub event: String,
    /// What it says.
    pub body: String,
    /// What a yes in words has to give.
    pub code: String,
    /// The approval.
    pub id: String,
}

/// The shipped policy, with this weight for what is asked about changes.
fn weighing(plan: &mut Plan, folder: &TempDir, weight: &str) {
    let policy =
        std::fs::read_to_string(repository().join("policies/default.toml")).expect("the shipped policy");
    let (before, after) = policy.split_once("name = \"confirm-changes\"\n").expect("the shipped rule");
    let file = folder.path().join("policy.toml");
    let rule = format!("{before}name = \"confirm-changes\"\napprove_by = \"{weight}\"\n{after}");
    std::fs::write(&file, rule).expect("a file can be written");
    plan.visible.push(folder.path().to_path_buf());
    plan.set("policyd", "rules", vec![file]);
}

/// A folder that the users of the daemons can read.
fn readable() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}
