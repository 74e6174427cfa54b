use proptest::prelude::*;

use super::*;

fn markdown(html: &str) -> String {
    text(Kind::Html, html).content
}

#[test]
fn structure_becomes_markdown() {
    assert_eq!(
        markdown(
            "<h2>A</h2><ul><li>one</li><li><a href='https://b.example/x'>two</a></li></ul><pre><code>x &lt; y</code></pre>"
        ),
        "## A\n\n*   one\n*   [two](https://b.example/x)\n\n```\nx < y\n```"
    );
}

#[test]
fn what_a_person_would_not_see_is_gone() {
    for hidden in [
        "<!-- HIDDEN -->",
        "<script>HIDDEN</script>",
        "<style>HIDDEN</style>",
        "<noscript>HIDDEN</noscript>",
        "<template>HIDDEN</template>",
        "<svg><text>HIDDEN</text></svg>",
        "<div hidden>HIDDEN</div>",
        "<div aria-hidden=' TRUE '>HIDDEN</div>",
        "<p style='color: red; Display : None'>HIDDEN</p>",
        "<p style='visibility:hidden'><b>HIDDEN</b></p>",
        "<p style='opacity: 0'>HIDDEN</p>",
        "<iframe srcdoc='HIDDEN'>HIDDEN</iframe>",
        "<p hidden><p hidden>HIDDEN",
    ] {
        let seen = markdown(&format!("<body><p>before</p>{hidden}</body>"));
        assert!(seen.contains("before") && !seen.contains("HIDDEN"), "{hidden}: {seen}");
    }
}

#[test]
fn what_acts_or_hides_is_shown_or_dropped() {
    assert_eq!(visible("a\u{1b}[2Jb\0c\u{7f}\u{9b}d\re\n\tf"), "a␛[2Jb␀c␡\u{fffd}de\n\tf");
    assert_eq!(visible("p\u{200b}a\u{202e}s\u{2066}s\u{ad}\u{feff}\u{e0041}!"), "pass!");
    assert_eq!(markdown("<p>a&#x202e;b&#27;c</p>"), "ab␛c");
}

#[test]
fn a_title_is_one_short_line() {
    let page = |title: &str| text(Kind::Html, &format!("<title>{title}</title>x"));
    assert_eq!(page(" a\n b ").title.as_deref(), Some("a b"));
    assert_eq!(page("").title, None);
    assert_eq!(page(&"x".repeat(1000)).title.unwrap().len(), TITLE);
    assert_eq!(page("a").content, "x");
}

#[test]
fn any_depth_is_survived() {
    let deep = format!("{}text{}", "<div>".repeat(3000), "</div>".repeat(3000));
    assert!(markdown(&deep).len() < 100);
    let within = format!("{}text{}", "<div>".repeat(100), "</div>".repeat(100));
    assert_eq!(markdown(&within), "text");
}

proptest! {
    #[test]
    fn any_text_is_converted(source in "(<(a|b|p|ul|ol|li|table|tr|td|pre|code|h1|img|br|hr|blockquote|title|head)( [a-z]+=\"[^\"]{0,5}\")?>|</[a-z]{1,3}>|&[a-z#0-9]{1,5};|[ -~\n]|\\PC){0,80}") {
        let page = text(Kind::Html, &source);
        prop_assert!(page.content.len() <= 40 * source.len() + 1000);
        prop_assert_eq!(visible(&page.content), page.content);
    }
}
