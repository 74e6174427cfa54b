use std::sync::Mutex as StdMutex;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use testudo::action::{Action, Effect, Phase};
use testudo::identity::Principal;
use testudo::label::{Labels, Source};
use testudo::model::{Finish, Usage};

use super::*;

/// Answers as it is told to, and counts.
struct Scripted {
    asked: StdMutex<Vec<CompletionRequest>>,
    answer: StdMutex<Box<dyn Fn(usize) -> Said + Send>>,
}

enum Said {
    Text(&'static str),
    Error,
    Nothing,
}

const ALLOW: &str = r#"{"decision":"allow","explanation":"a","risk":"low"}"#;
const ASK: &str = r#"{"decision":"ask","explanation":"b","risk":"medium"}"#;
const DENY: &str = r#"{"decision":"deny","explanation":"c","risk":"high"}"#;

impl Scripted {
    fn new(answer: impl Fn(usize) -> Said + Send + 'static) -> Self {
        Self { asked: StdMutex::default(), answer: StdMutex::new(Box::new(answer)) }
    }

    fn becomes(&self, answer: impl Fn(usize) -> Said + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Model for Scripted {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'_, Result<Completion, String>> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request);
            asked.len() - 1
        };
        let said = (self.answer.lock().unwrap())(number);
        async move {
            match said {
                Said::Text(text) => Ok(Completion {
                    text: text.to_owned(),
                    tool_calls: Vec::new(),
                    usage: Usage::default(),
                    finish: Finish::Stop,
                    model: "m".into(),
                    provider: "p".into(),
                }),
                Said::Error => Err("it is not there".into()),
                Said::Nothing => std::future::pending().await,
            }
        }
        .boxed()
    }
}

struct Scene {
    judged: Judged,
    log: Shown,
    moment: Moment,
    door: Door,
    now: Instant,
    patience: Duration,
}

impl Scene {
    fn new() -> Self {
        let action = Action {
            tool: "t".into(),
            arguments: json!({}),
            effect: Effect::Execute,
            phase: Phase::Call,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: None,
        };
        let judged = Judged::new(action, "c-1");
        let (now, patience) = (Instant::now(), Duration::from_secs(20));
        Self {
            judged,
            log: Shown::default(),
            moment: Moment::default(),
            door: Door::default(),
            now,
            patience,
        }
    }

    async fn ask(&self, model: &Scripted, rule: &str, action: &str, parts: &[&str]) -> Answer {
        let deadline = Instant::now() + self.patience;
        let key = Key { rule: rule.into(), question: "q".into(), action: action.into() };
        let question = Question {
            rule: "Is it?",
            writer: Writer::Operator,
            key,
            judged: &self.judged,
            parts,
            log: &self.log,
            moment: &self.moment,
            now: self.now,
            deadline,
        };
        match self.door.enter(deadline).await {
            Ok(mut inside) => self.door.ask(&mut inside, model, question).await,
            Err(failure) => (Err(failure), false),
        }
    }
}

fn decision(answer: &Answer) -> Result<Verdict, Failure> {
    answer.0.as_ref().map(|spoken| spoken.decision).map_err(Clone::clone)
}

#[tokio::test]
async fn the_strictest_word_about_any_part_is_the_verdict() {
    let cases: [(&[&'static str], Verdict, usize); 4] = [
        (&[ALLOW, ALLOW, ALLOW], Verdict::Allow, 3),
        (&[ALLOW, ALLOW, DENY], Verdict::Deny, 3),
        (&[ASK, ALLOW, ALLOW], Verdict::Ask, 3),
        (&[ALLOW, DENY, ALLOW], Verdict::Deny, 2),
    ];
    for (script, expected, asked) in cases {
        let script = script.to_vec();
        let model = Scripted::new(move |number| Said::Text(script[number]));
        let answer = Scene::new().ask(&model, "r", "a", &["1", "2", "3"]).await;
        assert_eq!((decision(&answer), model.count()), (Ok(expected), asked));
    }
}

#[tokio::test]
async fn one_part_without_a_verdict_is_none_for_the_whole() {
    let model = Scripted::new(|number| if number == 1 { Said::Text("fine!") } else { Said::Text(ALLOW) });
    let scene = Scene::new();
    assert_eq!(decision(&scene.ask(&model, "r", "a", &["1", "2", "3"]).await), Err(Failure::Garbage));
    assert_eq!(scene.door.failed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_has_one_time_for_all_parts_together() {
    let model = Scripted::new(|number| if number == 0 { Said::Text(ALLOW) } else { Said::Nothing });
    let patience = Duration::from_millis(50);
    let scene = Scene { patience, ..Scene::new() };
    let began = Instant::now();
    assert_eq!(decision(&scene.ask(&model, "r", "a", &["1", "2", "3"]).await), Err(Failure::Late));
    assert!(began.elapsed() >= patience);
    assert_eq!(model.count(), 2);
}

#[tokio::test]
async fn the_same_question_is_asked_once_and_failures_are_not_remembered() {
    let (scene, model) = (Scene::new(), Scripted::new(|_| Said::Text(DENY)));
    assert!(!scene.ask(&model, "r", "a", &["1"]).await.1);
    let again = scene.ask(&model, "r", "a", &["1"]).await;
    assert_eq!((decision(&again), again.1, model.count()), (Ok(Verdict::Deny), true, 1));
    let _ = scene.ask(&model, "r", "b", &["1"]).await;
    let _ = scene.ask(&model, "s", "a", &["1"]).await;
    assert_eq!(model.count(), 3);
    model.becomes(|_| Said::Error);
    for _ in 0..2 {
        assert!(decision(&scene.ask(&model, "r", "c", &["1"]).await).is_err());
    }
    assert_eq!(model.count(), 5);
}

#[tokio::test]
async fn a_changed_session_is_judged_afresh() {
    let (mut scene, model) = (Scene::new(), Scripted::new(|_| Said::Text(ALLOW)));
    let _ = scene.ask(&model, "r", "a", &["1"]).await;
    scene.moment.taint.absorb(&Labels::of(Source::Mail));
    let _ = scene.ask(&model, "r", "a", &["1"]).await;
    scene.moment.entry += 1;
    let _ = scene.ask(&model, "r", "a", &["1"]).await;
    assert_eq!(model.count(), 3);
}

#[tokio::test]
async fn after_five_failures_nobody_is_asked_for_a_minute() {
    let (mut scene, model) = (Scene::new(), Scripted::new(|_| Said::Text("garbage")));
    for _ in 0..5 {
        assert_eq!(decision(&scene.ask(&model, "r", "a", &["1"]).await), Err(Failure::Garbage));
    }
    assert!(scene.door.rests(Instant::now()));
    model.becomes(|_| Said::Text(ALLOW));
    for _ in 0..3 {
        assert_eq!(decision(&scene.ask(&model, "r", "a", &["1"]).await), Err(Failure::Resting));
    }
    assert_eq!(model.count(), 5);
    // Another session is not kept from asking.
    assert_eq!(decision(&Scene::new().ask(&model, "r", "a", &["1"]).await), Ok(Verdict::Allow));
    scene.now += Duration::from_mins(2);
    assert_eq!(decision(&scene.ask(&model, "r", "a", &["1"]).await), Ok(Verdict::Allow));
    assert!(!scene.door.rests(scene.now));
}

#[tokio::test]
async fn half_open_one_failure_closes_the_door_for_another_minute() {
    let (mut scene, model) = (Scene::new(), Scripted::new(|_| Said::Error));
    for _ in 0..5 {
        let _ = scene.ask(&model, "r", "a", &["1"]).await;
    }
    scene.now += Duration::from_mins(2);
    assert!(matches!(decision(&scene.ask(&model, "r", "a", &["1"]).await), Err(Failure::Unreachable(_))));
    assert_eq!(decision(&scene.ask(&model, "r", "a", &["1"]).await), Err(Failure::Resting));
    assert_eq!(model.count(), 6);
}

#[tokio::test]
async fn one_is_asked_at_a_time_and_the_queue_is_bounded() {
    let scene = Scene { patience: Duration::from_millis(100), ..Scene::new() };
    let model = Scripted::new(|_| Said::Nothing);
    let actions: Vec<String> = (0..WAITING + 3).map(|number| number.to_string()).collect();
    let all = actions.iter().map(|action| scene.ask(&model, "r", action, &["1"]));
    let answers = futures_util::future::join_all(all).await;
    let crowded = answers.iter().filter(|answer| answer.0 == Err(Failure::Crowded)).count();
    // One inside, and as many as may wait behind it; all of them had the same time.
    assert_eq!((crowded, model.count()), (2, 1));
    assert!(answers.iter().all(|answer| answer.0.is_err()));
}
