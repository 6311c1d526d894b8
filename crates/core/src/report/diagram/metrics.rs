//! How wide text is at most, whatever sans-serif font draws it.
//!
//! Advance widths of DejaVu Sans and Liberation Sans (the metrics of Verdana's and Arial's kin), the larger of both, in
//! thousandths of the font size, from the fonts' `hmtx` tables. Layout that holds for these holds for narrower fonts.

/// Characters from the space to the tilde, regular.
const REGULAR: [u16; 95] = [
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337, //
    637, 637, 637, 637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 557, //
    1016, 685, 687, 723, 771, 667, 611, 778, 752, 295, 500, 667, 558, 863, 749, 788, //
    667, 788, 723, 667, 611, 732, 685, 989, 686, 667, 686, 391, 337, 391, 838, 557, //
    500, 613, 635, 550, 635, 616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612, //
    635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637, 337, 637, 838,
];

/// The same, bold.
const BOLD: [u16; 95] = [
    349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366, //
    696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 611, //
    1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 557, 775, 638, 996, 837, 851, //
    733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 557, //
    500, 675, 716, 593, 716, 679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688, //
    716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712, 366, 712, 838,
];

/// `→`, `·`, `…` and letters of other scripts: at least as wide as the widest of them.
const OTHER: u16 = 1_100;

/// Above the baseline, in thousandths of the font size.
const ASCENT: i32 = 950;
/// Below it.
const DESCENT: i32 = 250;

/// The width of text in pixels, rounded up.
pub(super) fn width(text: &str, size: i32, bold: bool) -> i32 {
    let table = if bold { &BOLD } else { &REGULAR };
    let of = |c: char| match c {
        ' '..='~' => table[c as usize - ' ' as usize],
        '·' => 380,
        _ => OTHER,
    };
    let thousandths: i64 = text.chars().map(|c| i64::from(of(c))).sum();
    let pixels = (thousandths * i64::from(size) + 999) / 1000;
    i32::try_from(pixels).unwrap_or(i32::MAX / 4)
}

/// How far text reaches above its baseline.
pub(super) fn ascent(size: i32) -> i32 {
    (size * ASCENT + 999) / 1000
}

/// How far it reaches below.
pub(super) fn descent(size: i32) -> i32 {
    (size * DESCENT + 999) / 1000
}

/// From one baseline to the next.
pub(super) fn pitch(size: i32) -> i32 {
    ascent(size) + descent(size) + 1
}
