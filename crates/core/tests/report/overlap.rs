//! No text overlaps another, and none leaves the drawing: from extents computed with the widest of usual fonts.

use segwall_core::report::diagram::{self, BOXES_ZONES_MAX, Extent, Scene, Text};
use segwall_core::testing::{Seeded, scale_policy};

use crate::common::{BRANCH, OFFICE, TUTORIAL, count, random, sound};

fn check(name: &str, scene: &Scene) {
    let mut texts: Vec<(&Text, Extent)> = scene.texts().collect();
    assert!(texts.len() > 5, "{name}: {} texts", texts.len());
    for (text, extent) in &texts {
        let inside =
            extent.left >= 0 && extent.top >= 0 && extent.right <= scene.width && extent.bottom <= scene.height;
        assert!(inside, "{name}: {text:?} is {extent:?} in {} × {}", scene.width, scene.height);
    }
    // Sorted by their tops, only a few can meet.
    texts.sort_by_key(|(_, extent)| extent.top);
    for (at, (text, extent)) in texts.iter().enumerate() {
        let near = texts[at + 1..].iter().take_while(|(_, other)| other.top < extent.bottom);
        for (other, their) in near {
            assert!(!extent.overlaps(their), "{name}: {text:?} {extent:?} overlaps {other:?} {their:?}");
        }
    }
}

#[test]
fn of_the_examples() {
    for (name, text) in [("tutorial.toml", TUTORIAL), ("branch.toml", BRANCH), ("office.toml", OFFICE)] {
        check(name, &diagram::scene(&sound(name, text).network()));
    }
}

#[test]
fn at_every_size() {
    for size in [2, 3, 8, 9, 12, 50, 120] {
        check(&format!("{size} segments"), &diagram::scene(&sound("scale.toml", &scale_policy(size)).network()));
    }
}

#[test]
fn of_random_networks() {
    for seed in 0..count(3_000) {
        check(&format!("seed {seed}"), &diagram::scene(&random(seed).network()));
    }
}

/// Names of 31 characters, many subnets, many different services, hosts and sets.
fn wide_policy(segments: usize, seed: u64) -> String {
    let mut choices = Seeded(seed);
    let mut below = |bound: usize| usize::try_from(choices.below(bound as u64)).expect("small");
    let name = |at: usize| {
        let begin = if at.is_multiple_of(3) { "wide-mmmmmmmmmmmmmmmmmmmmmm" } else { "net" };
        format!("{begin}-{at:03}")
    };
    let mut text = "[gateway]\ntrunk = \"eth0\"\n\n[uplinks.wan]\ninterface = \"wan0\"\n\
                    addresses = [\"203.0.113.2/24\", \"2001:db8:ffff:ffff:ffff:ffff:ffff:fff2/64\"]\n\
                    gateways = [\"203.0.113.1\", \"2001:db8:ffff:ffff::1\"]\n\n[sets.partners]\nin = \"internet\"\n\
                    addresses = [\"198.51.100.0/25\", \"192.0.2.1-192.0.2.77\", \"2001:db8:bbbb::/48\"]\n"
        .to_owned();
    for at in 0..segments {
        text += &format!("\n[segments.{}]\nvlan = {}\n", name(at), at + 1);
        if at.is_multiple_of(2) {
            let more = format!("\"2001:db8:aaaa:{at:x}::/64\", \"10.{}.0.0/16\"", 100 + at);
            text += &format!("subnets = [\"10.0.{at}.0/24\", {more}]\nipv6 = \"none\"\n");
        } else {
            text += &format!("subnets = [\"10.0.{at}.0/24\"]\n");
        }
        text += &format!("\n[hosts.host-with-a-long-name-{at:03}]\naddress = \"10.0.{at}.77\"\n");
    }
    for _ in 0..segments * 3 {
        let (from, to) = (below(segments), below(segments));
        let services: Vec<String> = (0..1 + below(9)).map(|_| format!("\"tcp/{}\"", 1024 + below(60_000))).collect();
        let end = if below(3) == 0 { format!("host-with-a-long-name-{to:03}") } else { name(to) };
        if from != to {
            let services = services.join(", ");
            text += &format!("\n[[accept]]\nfrom = \"{}\"\nto = \"{end}\"\nservice = [{services}]\n", name(from));
        }
    }
    let all: Vec<String> = (0..segments).map(|at| format!("\"{}\"", name(at))).collect();
    text + &format!("\n[[accept]]\nfrom = [{}]\nto = \"partners\"\nservice = \"https\"\n", all.join(", "))
}

#[test]
fn of_long_names_and_many_services() {
    for segments in [2, 5, 8, 9, 20, 50] {
        for seed in 0..4 {
            let text = wide_policy(segments, seed);
            let sound = sound(
                "a-policy-file-whose-name-is-much-longer-than-anybody-would-want-to-see-on-a-wall-with-some-more.toml",
                &text,
            );
            check(&format!("{segments} segments, seed {seed}"), &diagram::scene(&sound.network()));
        }
    }
}

#[test]
fn the_check_can_fail() {
    let sound = sound("tutorial.toml", TUTORIAL);
    let mut scene = diagram::scene(&sound.network());
    let (_, extent) = scene.texts().next().expect("a title");
    scene.text(Text::new((extent.left + 3, extent.bottom - 3), 12, "in the way"));
    assert!(std::panic::catch_unwind(|| check("spoilt", &scene)).is_err());
}

#[test]
fn few_zones_are_boxes_and_many_a_grid() {
    let turned = |segments| {
        let sound = sound("scale.toml", &scale_policy(segments));
        let scene = diagram::scene(&sound.network());
        scene.texts().filter(|(text, _)| text.turned).count()
    };
    assert_eq!(turned(BOXES_ZONES_MAX - 2), 0);
    assert_eq!(turned(BOXES_ZONES_MAX - 1), 2 * (BOXES_ZONES_MAX + 1));
}
