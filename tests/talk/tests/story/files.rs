//! A file that the agent gives arrives where it was asked for: encrypted, whole, once.

use testudo_talk::talk::Talk;
use testudo_talk::timeline::Seen;
use tokio::task::block_in_place;

/// The files of the agent that were seen, and could be read, so far.
fn files(seen: &[Seen], bot: &str) -> Vec<Seen> {
    let is_file = |seen: &&Seen| seen.sender == bot && seen.readable && seen.content["msgtype"] == "m.file";
    let mut files: Vec<Seen> = seen.iter().filter(is_file).cloned().collect();
    files.dedup_by(|a, b| a.event == b.event);
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_asked_for_arrives_in_the_thread_and_goes_with_its_question() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let content = "id,value\n1,ä\n".repeat(10_000);
    talk.scene.put("out/report.csv", &content);
    let root = ann.say(&room, "say hello").await;
    ann.hears(&room, "hello").await;
    let asked =
        ann.say_in_thread(&room, root.as_str(), "call chat.file {\"path\": \"out/report.csv\"}").await;
    let is_file = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.content["msgtype"] == "m.file";
    let file = ann.timeline.wait("the file", is_file).await;
    assert!(file.relates("m.thread", root.as_str()), "{}", file.content);
    assert_eq!((file.sealed, file.body()), (true, "report.csv"));
    assert_eq!(file.content["info"]["mimetype"], "text/csv");
    assert!(file.content["file"]["key"].is_object(), "it is encrypted: {}", file.content);
    assert_eq!(ann.download(&file).await, content.as_bytes());
    ann.redact(&room, &asked).await;
    talk.until("taken back", |talk| {
        let count = "SELECT count(*) FROM redactions WHERE redacts = ?1";
        let count: i64 =
            talk.synapse.database().query_row(count, [&file.event], |row| row.get(0)).unwrap_or_default();
        count == 1
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_in_the_middle_gives_every_file_once() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    // They know each other before anything is killed.
    ann.say(&room, "say good-morning").await;
    ann.hears(&room, "good-morning").await;
    for number in 0..4 {
        let name = format!("file-{number}.txt");
        talk.scene.put(&name, &format!("the content of {number}\n").repeat(100_000));
        let mark = ann.timeline.mark();
        ann.say(&room, &format!("call chat.file {{\"path\": \"{name}\"}}")).await;
        // At another point of its work each time: at once, when it is seen to read, when it answers, when it has given.
        let (bot, event) = (talk.bot.as_str(), name.as_str());
        match number {
            1 => drop(ann.timeline.after(mark, "a receipt", |seen| seen.kind == "m.receipt").await),
            2 => {
                let is_answer = |seen: &Seen| seen.sender == bot && seen.kind == "m.room.message";
                ann.timeline.after(mark, "the answer", is_answer).await;
            }
            3 => drop(ann.timeline.after(mark, "the file", |seen| seen.body() == event).await),
            _ => {}
        }
        block_in_place(|| {
            talk.scene.appliance.kill9("matrixd").unwrap();
            talk.scene.appliance.wait_ready("matrixd").unwrap();
        });
        let file = ann.timeline.after(mark, "the file", |seen| seen.body() == event && seen.readable).await;
        assert_eq!(
            ann.download(&file).await,
            format!("the content of {number}\n").repeat(100_000).as_bytes(),
            "{name}"
        );
    }
    // What comes after them in the room shows that nothing is behind.
    ann.say(&room, "say and-then").await;
    ann.hears(&room, "and-then").await;
    let names: Vec<String> =
        files(&ann.timeline.so_far(), talk.bot.as_str()).iter().map(|seen| seen.body().to_owned()).collect();
    assert_eq!(names, ["file-0.txt", "file-1.txt", "file-2.txt", "file-3.txt"]);
}
