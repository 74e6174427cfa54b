use std::time::{Duration, Instant};

use super::*;
use proptest::prelude::*;
use ruma_html::{Html, SanitizerConfig};

fn html_of(markdown: &str) -> String {
    message(markdown, Hygiene::Full).html.unwrap()
}

/// Somebody else's reading of the specification finds nothing to take out.
fn is_allowed(html: &str) -> bool {
    let (before, after) = (Html::parse(html), Html::parse(html));
    after.sanitize_with(&SanitizerConfig::strict());
    before.to_string() == after.to_string()
}

#[test]
fn ordinary_markdown_looks_as_it_should() {
    for (markdown, expected) in [
        ("Hello *you* & **me**", "<p>Hello <em>you</em> &amp; <strong>me</strong></p>"),
        ("a\nb", "<p>a<br>b</p>"),
        ("# T\n\n- x\n- y", "<h1>T</h1><ul><li>x</li><li>y</li></ul>"),
        ("3. x", "<ol start=\"3\"><li>x</li></ol>"),
        ("- [x] done\n- [ ] not", "<ul><li>☑ done</li><li>☐ not</li></ul>"),
        ("> q", "<blockquote><p>q</p></blockquote>"),
        ("`a<b`", "<p><code>a&lt;b</code></p>"),
        (
            "```rust ignore\nlet a = \"x\";\n```",
            "<pre><code class=\"language-rust\">let a = &quot;x&quot;;\n</code></pre>",
        ),
        (
            "|a|b|\n|-|-|\n|1|2|",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        ),
        ("~~x~~\n\n---", "<p><del>x</del></p><hr>"),
        ("<https://example.org/>", "<p><a href=\"https://example.org/\">https://example.org/</a></p>"),
    ] {
        let html = html_of(markdown);
        assert_eq!(html, expected, "{markdown:?}");
        assert!(is_allowed(&html), "{html}");
    }
}

#[test]
fn nothing_looks_like_a_question() {
    for hostile in [
        "⛨ TESTUDO ASKS · a-1",
        "well ⛨",
        "&#x26e8; **TESTUDO** ASKS",
        "&#84;EST*U*DO ASKS",
        "`⛨ TESTUDO ASKS`",
        "```\n⛨ TESTUDO ASKS\n```",
        "[⛨ TESTUDO](https://example.org/) ASKS",
        "![⛨](https://example.org/⛨)",
        "\\T\\ESTUDO ASKS &#x1f6e1;",
        "|⛨|TESTUDO|\n|-|-|\n|ASKS|2|",
    ] {
        let text = message(hostile, Hygiene::Full);
        assert!(!is_like_a_question(&text.body), "{hostile}: {}", text.body);
        let html = text.html.unwrap_or_default();
        assert!(!is_like_a_question(&words(&html)), "{hostile}: {html}");
    }
    assert_eq!(html_of("Testudo asks first"), "<p>Testudo asks first</p>");
}

#[test]
fn raw_html_is_text() {
    for hostile in [
        "<script>alert(1)</script>",
        "<img src=https://evil.net/pixel>",
        "<a href='javascript:alert(1)'>x</a>",
        "<b onclick=x>",
        "<mx-reply>forged</mx-reply>",
        "<!-- x --> <![CDATA[x]]> <?php ?>",
        "<svg/onload=alert(1)>",
        "a <font color=red data-mx-color=x>b</font>",
        "```\n</code></pre><script>\n```",
        "```\"><script>\nx\n```",
        "`</code><script>`",
        "[x](https://e.org/\"onclick=alert(1))",
        "&lt;script&gt; &#60;script&#62;",
        "<div>\n\n**a**\n\n</div>",
    ] {
        let html = html_of(hostile);
        for forbidden in [
            "<script",
            "<img",
            "<svg",
            "<font",
            "<mx-",
            "<!--",
            "<div",
            "<b ",
            "<?",
            "<![",
            "\"onclick",
            "<a href='",
        ] {
            assert!(!html.contains(forbidden), "{hostile} → {html}");
        }
        assert!(is_allowed(&html), "{hostile} → {html}");
    }
}

#[test]
fn a_link_shows_where_it_leads() {
    for (markdown, expected) in [
        (
            "[bank](https://evil.net/a?b=1&c)",
            "<p><a href=\"https://evil.net/a?b=1&amp;c\">bank</a> (https://evil.net/a?b=1&amp;c)</p>",
        ),
        (
            "[https://bank.org](https://evil.net)",
            "<p><a href=\"https://evil.net/\">https://bank.org</a> (https://evil.net/)</p>",
        ),
        ("[x](javascript:alert(1))", "<p>x (<code>javascript:alert(1)</code>)</p>"),
        (
            "![cat](https://evil.net/c.png)",
            "<p>🖼 <a href=\"https://evil.net/c.png\">cat</a> (https://evil.net/c.png)</p>",
        ),
        (
            "[![i](https://a.org/i)](https://b.org/)",
            "<p><a href=\"https://b.org/\">i</a> (https://b.org/)</p>",
        ),
        ("[](https://b.org/)", "<p><a href=\"https://b.org/\">https://b.org/</a></p>"),
    ] {
        let html = html_of(markdown);
        assert_eq!(html, expected, "{markdown}");
        assert!(is_allowed(&html), "{html}");
    }
}

#[test]
fn nobody_is_forged_and_nobody_is_called() {
    for (markdown, expected) in [
        (
            "[Ann](https://matrix.to/#/@ann:home.org)",
            "<p>Ann (<code>https://matrix.to/#/@ann:home.org</code>)</p>",
        ),
        (
            "see https://matrix.to/#/@ann_x_y:home.org now",
            "<p>see <code>https://matrix.to/#/@ann_x_y:home.org</code> now</p>",
        ),
        ("[A](matrix:u/ann:home.org)", "<p>A (<code>matrix:u/ann:home.org</code>)</p>"),
        ("(https://app.element.io/#/room/!x:y)", "<p><code>(https://app.element.io/#/room/!x:y)</code></p>"),
        ("@room &#64;room", "<p>@\u{2060}room @\u{2060}room</p>"),
        ("`@room`", "<p><code>@\u{2060}room</code></p>"),
        ("a&#x202e;b", "<p>a⟨U+202E⟩b</p>"),
    ] {
        let text = message(markdown, Hygiene::Full);
        assert_eq!(text.html.as_deref(), Some(expected), "{markdown}");
        assert!(!text.body.contains("@room"), "{}", text.body);
        assert!(text.mentions.is_empty());
    }
}

#[test]
fn long_and_deep_texts_end_soon() {
    let most = 64 * 1024;
    for piece in [
        "> ", "- ", "[", "*", "_a", "![](", "<a ", "`", "``` ", "|a", "\\", "&#", "[a](b", "<!--", "**_",
        "1. ", "  - a\n",
    ] {
        let began = Instant::now();
        let html = html_of(&piece.repeat(most / piece.len()));
        assert!(began.elapsed() < Duration::from_secs(10), "{piece:?} took {:?}", began.elapsed());
        assert!(html.matches("<blockquote>").count() <= 16, "{piece:?}");
    }
    let deep: Vec<String> = (0..200).map(|depth| format!("{}- a", "  ".repeat(depth))).collect();
    let html = html_of(&deep.join("\n"));
    assert!(is_allowed(&html));
}

proptest! {
    #[test]
    fn whatever_is_said_is_allowed(text in "(<[a-z!/]{0,6}|[>\"'= \n&#;:x]|\\[a\\]\\(|https://|javascript:|matrix\\.to|\\)|```|\\*|_|`|@room|\\||- |> |\u{202e}|\u{200d}){0,40}") {
        let html = html_of(&text);
        prop_assert!(is_allowed(&html), "{text:?} → {html}");
        prop_assert!(!html.contains("@room") && !html.contains('\u{202e}'), "{}", html);
    }
}

#[cfg(feature = "ablation")]
#[test]
fn without_the_control_the_attack_goes_through() {
    let text =
        message("a <script>x</script> [a](javascript:x) ![i](https://evil.net/p) @room", Hygiene::Without);
    let html = text.html.unwrap();
    for goes_through in ["<script>", "href=\"javascript:x\"", "<img src=\"https://evil.net/p\"", "@room"] {
        assert!(html.contains(goes_through), "{html}");
    }
}
