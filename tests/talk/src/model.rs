//! A model that speaks as slowly as real ones do: an OpenAI-compatible server on loopback.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use testudo_appliance::Plan;

/// A server whose answers take their time.
pub struct Model {
    url: String,
    /// When somebody hung up in the middle of an answer.
    pub interrupted: mpsc::Receiver<Instant>,
}

impl Model {
    /// Answers everything with so many words, one after each pause.
    pub fn speaking(words: usize, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (sender, interrupted) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    if answer(stream, words, pause).is_err() {
                        sender.send(Instant::now()).ok();
                    }
                });
            }
        });
        Self { url, interrupted }
    }

    /// Has the appliance use it.
    pub fn enter(&self, plan: &mut Plan) {
        plan.set("modeld", "provider", "openai")
            .set("modeld", "base_url", &self.url)
            .set("modeld", "model", "m");
    }
}

fn answer(mut stream: TcpStream, words: usize, pause: Duration) -> std::io::Result<()> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        seen.push(byte[0]);
    }
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    for word in 0..words {
        say(&mut stream, &format!("\"content\":\"word{word} \""), "null")?;
        // This is the pace of the model, and what is tested.
        std::thread::sleep(pause);
    }
    say(&mut stream, "", "\"stop\"")?;
    stream.write_all(b"data: [DONE]\n\n")?;
    // Closed while some of the question is unread, it would take back what it said last.
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).ok();
    Ok(())
}

fn say(stream: &mut TcpStream, delta: &str, finish: &str) -> std::io::Result<()> {
    let head =
        "{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,";
    write!(stream, "data: {head}\"delta\":{{{delta}}},\"finish_reason\":{finish}}}]}}\n\n")
}
