use segwall_core::analysis::{Matrix, matrix};

use crate::{BRANCH, TUTORIAL, noon, sound};

fn table(matrix: &Matrix) -> String {
    matrix.cells.iter().map(|cell| format!("{} > {}: {}\n", cell.from, cell.to, cell.text)).collect()
}

#[test]
fn the_tutorial() {
    let (policy, ruleset) = sound(TUTORIAL);
    insta::assert_snapshot!(table(&matrix(&policy, &ruleset, noon())), @"");
}

#[test]
fn the_branch() {
    let (policy, ruleset) = sound(BRANCH);
    insta::assert_snapshot!(table(&matrix(&policy, &ruleset, noon())), @"");
}
