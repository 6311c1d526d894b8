//! A policy's text is shown and does nothing.

use pulldown_cmark::{Event, Options, Parser, Tag};
use segwall_core::report::{ProofOutcome, ProofSummary, html, markdown};

use crate::common::{Sound, every_text, parsed, sound, words_of};

const HOSTILE: [&str; 16] = [
    "</td></tr></table><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onclick='alert(1)",
    "--><script>alert(1)</script><!--",
    "]]><b>",
    "&lt;script&gt; &amp;",
    "[click](javascript:alert(1)) ![](http://198.51.100.1/x.png)",
    "a | b | c",
    "```\n# heading\n```",
    "`code` **bold** __x__ ~~y~~ $z$",
    "https://evil.example www.evil.example mail@evil.example",
    "\u{202e}txet gnorw\u{202c}\u{200f}",
    "\u{0}\u{1b}[31m\u{85}\u{2028}\u{fffe}\u{ffff}",
    "</style><style>*{display:none}</style>",
    "</svg></title></main>",
];

/// Comments and other free text from a policy, whatever its parser would let through.
fn with_text(hostile: &str) -> Sound {
    let text = "[uplinks.wan]\ninterface = \"w0\"\naddresses = [\"dhcp\"]\n\n\
                [segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/24\"]\n\
                dhcp = { pool = \"10.0.0.50-10.0.0.60\", dns = [\"gateway\"], domain = \"d.example\", options = { 66 = \"x\" } }\n\n\
                [[accept]]\nfrom = \"a\"\nto = \"internet\"\nservice = \"https\"\ncomment = \"c\"\n\n\
                [[forward]]\nport = \"tcp/80\"\nto = \"a/10.0.0.9\"\ncomment = \"c\"\n\n\
                [[notify]]\nwebhook = \"https://hooks.example.org/x\"\n"
        .replace("to = \"a/10.0.0.9\"", "to = \"h\"")
        + "\n[hosts.h]\naddress = \"10.0.0.9\"\n";
    let mut sound = sound(hostile, &text);
    let policy = &mut sound.policy;
    policy.rules[0].comment = Some(hostile.to_owned());
    policy.forwards[0].comment = Some(hostile.to_owned());
    let dhcp = policy.segments[0].dhcp.as_mut().expect("written");
    dhcp.domain = Some(hostile.to_owned());
    dhcp.options.insert(66, hostile.to_owned());
    policy.notify = vec![
        segwall_core::policy::Notify::Command(vec![hostile.to_owned()]),
        segwall_core::policy::Notify::Webhook(format!("https://user:secret@{hostile}/token")),
    ];
    sound
}

#[test]
fn pages_hold_no_markup_of_a_policy() {
    for hostile in HOSTILE {
        let sound = with_text(hostile);
        let network = sound.network();
        let proof = ProofSummary {
            outcome: ProofOutcome::Refuted,
            against: hostile.to_owned(),
            details: vec![hostile.to_owned()],
            at: Some(hostile.to_owned()),
        };
        for page in [html(&network, None), html(&network, Some(&proof)), segwall_core::report::diagram::svg(&network)] {
            let closed = parsed(&page);
            let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
            let tree =
                roxmltree::Document::parse_with_options(&closed, options).unwrap_or_else(|f| panic!("{f}\n{page}"));
            for node in tree.descendants().filter(roxmltree::Node::is_element) {
                let name = node.tag_name().name();
                assert!(!matches!(name, "script" | "img" | "b" | "iframe" | "link"), "{hostile:?}: <{name}>");
                for attribute in node.attributes() {
                    assert!(!attribute.name().starts_with("on"), "{hostile:?}: {}", attribute.name());
                    assert!(!attribute.value().contains("javascript:"), "{hostile:?}");
                    let leads = matches!(attribute.name(), "href" | "src");
                    assert!(!leads || attribute.value().starts_with('#'), "{hostile:?}: {}", attribute.value());
                }
            }
            assert_eq!(tree.descendants().filter(|node| node.is_comment()).count(), 1, "{hostile:?}: ours alone");
        }
        let words = words_of(&html(&network, None));
        assert!(words.contains(&segwall_core::report::safe(hostile)), "{hostile:?} is shown as it is");
        assert!(!words.contains("secret") && !words.contains("token"), "secrets stay in the policy");
    }
}

#[test]
fn markdown_holds_no_markup_of_a_policy() {
    let plain = markdown(&with_text("plain words").network(), None);
    let shape = |page: &str| -> Vec<String> {
        let events =
            Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH);
        events
            .filter_map(|event| match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    Some(format!("link {dest_url}"))
                }
                Event::Start(tag) => Some(format!("{tag:?}")),
                Event::Html(html) | Event::InlineHtml(html) => Some(html.starts_with("<!--").to_string()),
                Event::Code(_) | Event::Text(_) | Event::End(_) | Event::SoftBreak => None,
                other => Some(format!("{other:?}")),
            })
            .collect()
    };
    let wanted = shape(&plain);
    assert!(wanted.iter().any(|event| event.starts_with("Table")), "tables are read: {wanted:?}");
    for hostile in HOSTILE {
        let page = markdown(&with_text(hostile).network(), None);
        assert_eq!(shape(&page), wanted, "{hostile:?}\n{page}");
    }
}

#[test]
fn no_text_has_characters_that_move_text() {
    for hostile in HOSTILE {
        for (name, text) in every_text(&with_text(hostile).network()) {
            let bad = text
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200f}'));
            assert_eq!(bad, None, "{name}: {hostile:?}");
        }
    }
}
