//! Records of the audit log, one line each, or one in full.

use testudo::record::Record;

use crate::paint::Paint;
use crate::render::gutter;
use crate::screen;

/// One line: number, time, writer, event, what it is about.
pub fn brief(record: &Record, width: Option<usize>, paint: Paint) -> String {
    let mut about: Vec<String> = Vec::new();
    about.extend(record.decision.as_deref().map(|text| screen::brief(text, 40)));
    about.extend(record.tool.as_deref().map(|text| screen::brief(text, 40)));
    about.extend(record.session.as_deref().map(|text| format!("session={}", screen::brief(text, 40))));
    about.extend(record.call.as_deref().map(|text| format!("call={}", screen::brief(text, 40))));
    for (key, value) in &record.detail {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        about.push(format!("{}={}", screen::brief(key, 40), screen::brief(&text, 60)));
    }
    let head = format!(
        "{:>6}  {}  {:<8} {:<20}",
        record.seq,
        screen::brief(&record.time, 24),
        screen::brief(&record.writer, 20),
        screen::brief(&record.event, 40)
    );
    let text = about.join(" ");
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(head.chars().count() + 1).max(10));
    let cut: String = text.chars().take(room.saturating_sub(1)).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{head} {}", paint.dim(&format!("{cut}{more}")))
}

/// Everything of one record.
pub fn full(record: &Record, width: Option<usize>, paint: Paint) -> String {
    let none = || "–".to_owned();
    let text = |value: &Option<String>| value.as_deref().map_or_else(none, screen::line);
    let mut rows = vec![
        ("record", record.seq.to_string()),
        ("time", screen::line(&record.time)),
        ("writer", screen::line(&record.writer)),
        ("event", screen::line(&record.event)),
        ("session", text(&record.session)),
        ("call", text(&record.call)),
        ("tool", text(&record.tool)),
        ("decision", text(&record.decision)),
        ("previous", screen::line(&record.previous)),
        ("hash", screen::line(&record.hash)),
    ];
    for (key, value) in &record.detail {
        rows.push(("detail", format!("{} = {}", screen::line(key), screen::source_line(&value.to_string()))));
    }
    rows.iter()
        .map(|(name, value)| {
            let prefix = format!("{} ", paint.bold(&format!("{name:<9}")));
            gutter::exact([value.clone()], &prefix, 10, width, |_, part| part.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Record {
        let mut detail = serde_json::Map::new();
        detail.insert("path".into(), "a\u{1b}[2J".into());
        Record {
            seq: 7,
            time: "2026-01-01T00:00:00.000Z".into(),
            writer: "toold".into(),
            event: "call.decided".into(),
            session: Some("main".into()),
            call: Some("c-1".into()),
            tool: Some("fs.read".into()),
            decision: Some("allow".into()),
            detail,
            previous: "00".into(),
            hash: "11".into(),
        }
    }

    #[test]
    fn a_record_is_one_line_that_fits() {
        let shown = brief(&sample(), None, Paint::new(false));
        assert_eq!(
            shown,
            "     7  2026-01-01T00:00:00.000Z  toold    call.decided         allow fs.read session=main call=c-1 path=a\\u{1b}[2J"
        );
        assert!(brief(&sample(), Some(90), Paint::new(false)).chars().count() <= 90);
    }

    #[test]
    fn a_full_record_leaves_nothing_out() {
        let shown = full(&sample(), None, Paint::new(false));
        for part in ["record    7", "decision  allow", "previous  00", "hash      11", "detail    path = "] {
            assert!(shown.contains(part), "{part} not in {shown}");
        }
        assert!(!shown.contains('\u{1b}'));
    }
}
