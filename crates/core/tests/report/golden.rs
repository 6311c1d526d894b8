//! One file a page or drawing. `UPDATE_GOLDEN=1` writes anew; a person reads the diff.

use std::fs;
use std::path::Path;

use segwall_core::report::{diagram, html, markdown};
use segwall_core::testing::scale_policy;

use crate::common::{TUTORIAL, sound};

fn is_as_it_was_read(name: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, got).expect("the folder can be written");
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    let differs = wanted.lines().zip(got.lines()).position(|(a, b)| a != b);
    assert!(
        wanted == got,
        "{} differs at line {:?} (UPDATE_GOLDEN=1 writes it anew):\n{got}",
        path.display(),
        differs.map(|at| at + 1)
    );
}

#[test]
fn the_tutorial() {
    let sound = sound("tutorial.toml", TUTORIAL);
    let network = sound.network();
    is_as_it_was_read("tutorial.md", &markdown(&network, None));
    is_as_it_was_read("tutorial.html", &html(&network, None));
    is_as_it_was_read("tutorial.svg", &diagram::svg(&network));
    is_as_it_was_read("tutorial.mmd", &diagram::mermaid(&network));
    is_as_it_was_read("tutorial.dot", &diagram::dot(&network));
}

/// Twelve segments are past the limits of boxes and of words in cells, and their files can still be read.
#[test]
fn more_than_boxes_can_show() {
    let sound = sound("twelve.toml", &scale_policy(12));
    let network = sound.network();
    is_as_it_was_read("twelve.md", &markdown(&network, None));
    is_as_it_was_read("twelve.svg", &diagram::svg(&network));
    is_as_it_was_read("twelve.mmd", &diagram::mermaid(&network));
}
