//! Mutations that know words: the fuzzer's own ones change bits and bytes, and seldom leave a text that reads.

/// Between two words.
fn is_inside(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'/' | b':' | b'-' | b'_')
}

/// Choices from a seed (splitmix64): the same seed, the same mutation.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Changes an input in place, at most `size_max` bytes of which stay, and gives its new size. `None`: the fuzzer's own
/// mutations have their turn.
pub fn mutate(data: &mut [u8], size: usize, size_max: usize, seed: u32, words: &[&str]) -> Option<usize> {
    let mut choices = Choices(u64::from(seed));
    if choices.below(3) == 0 {
        return None;
    }
    let mut text = data[..size].to_vec();
    for _ in 0..1 + choices.below(3) {
        change(&mut text, &mut choices, words);
    }
    let size = text.len().min(size_max).min(data.len());
    data[..size].copy_from_slice(&text[..size]);
    Some(size)
}

fn change(text: &mut Vec<u8>, choices: &mut Choices, words: &[&str]) {
    let places = word_places(text);
    let lines = line_places(text);
    let word = words[choices.below(words.len())].as_bytes();
    let pick = |list: &[(usize, usize)], choices: &mut Choices| list[choices.below(list.len())];
    match choices.below(8) {
        0 | 1 => {
            let at = choices.below(text.len() + 1);
            text.splice(at..at, word.iter().copied());
        }
        2 if !places.is_empty() => {
            let (from, to) = pick(&places, choices);
            text.splice(from..to, word.iter().copied());
        }
        3 if !places.is_empty() => {
            let (from, to) = pick(&places, choices);
            let copy = text[from..to].to_vec();
            let (from, to) = pick(&places, choices);
            text.splice(from..to, copy);
        }
        4 if !places.is_empty() => {
            let (from, to) = pick(&places, choices);
            text.drain(from..to);
        }
        5 => {
            let (from, to) = pick(&lines, choices);
            text.drain(from..to);
        }
        6 => {
            let (from, to) = pick(&lines, choices);
            let copy = text[from..to].to_vec();
            let (at, _) = pick(&lines, choices);
            text.splice(at..at, copy);
        }
        _ => {
            // A number becomes its neighbour or an edge of what fits somewhere.
            let numbers: Vec<(usize, usize)> =
                places.iter().copied().filter(|(from, to)| text[*from..*to].iter().all(u8::is_ascii_digit)).collect();
            if numbers.is_empty() {
                return;
            }
            let (from, to) = pick(&numbers, choices);
            let value: u128 = std::str::from_utf8(&text[from..to]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            let edges = [
                0,
                1,
                32,
                33,
                64,
                128,
                255,
                256,
                65_535,
                65_536,
                u128::from(u32::MAX),
                u128::from(u64::MAX),
                u128::MAX,
            ];
            let value = match choices.below(4) {
                0 => value.wrapping_add(1),
                1 => value.wrapping_sub(1),
                _ => edges[choices.below(edges.len())],
            };
            text.splice(from..to, value.to_string().into_bytes());
        }
    }
}

fn word_places(text: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut start = None;
    for (at, byte) in text.iter().copied().chain([b' ']).enumerate() {
        match (is_inside(byte), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                places.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    places
}

/// At least one.
fn line_places(text: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'\n' {
            places.push((start, at + 1));
            start = at + 1;
        }
    }
    if places.is_empty() || start < text.len() {
        places.push((start, text.len()));
    }
    places
}
