//! A drawing as a value: shapes and text in pixels, from which the extent of every text is known.

use super::metrics::{ascent, descent, width};

/// A drawing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scene {
    /// Pixels across.
    pub width: i32,
    /// Pixels down.
    pub height: i32,
    /// For those who cannot see it.
    pub title: String,
    /// In the order they are painted.
    pub items: Vec<Item>,
}

/// A shape or a text. Colours are class names of the style sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A rectangle.
    Rect {
        /// Left.
        x: i32,
        /// Top.
        y: i32,
        /// Across.
        w: i32,
        /// Down.
        h: i32,
        /// Radius of its corners.
        r: i32,
        /// Class names.
        class: String,
    },
    /// A straight line.
    Line {
        /// One end.
        from: (i32, i32),
        /// The other.
        to: (i32, i32),
        /// Class names.
        class: String,
    },
    /// A filled circle.
    Dot {
        /// Its middle.
        at: (i32, i32),
        /// Its radius.
        r: i32,
        /// Class names.
        class: String,
    },
    /// A filled triangle whose tip is at a place.
    Head {
        /// The tip.
        tip: (i32, i32),
        /// Its length; negative points left.
        length: i32,
        /// Class names.
        class: String,
    },
    /// Words.
    Text(Text),
}

/// Where words lie to their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Behind it.
    Start,
    /// Around it.
    Middle,
    /// Before it.
    End,
}

/// One line of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its place on the baseline.
    pub at: (i32, i32),
    /// Font size in pixels.
    pub size: i32,
    /// Bold.
    pub bold: bool,
    /// Where it lies to its place.
    pub anchor: Anchor,
    /// Turned to the left: read from below.
    pub turned: bool,
    /// Class names.
    pub class: &'static str,
    /// The words.
    pub words: String,
}

/// A rectangle that text keeps within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Left.
    pub left: i32,
    /// Top.
    pub top: i32,
    /// Right.
    pub right: i32,
    /// Bottom.
    pub bottom: i32,
}

impl Extent {
    /// Whether the two share more than an edge.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

impl Text {
    /// Text that is read from left to right.
    #[must_use]
    pub fn new(at: (i32, i32), size: i32, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { at, size, bold: false, anchor: Anchor::Start, turned: false, class: "t", words }
    }

    /// Bold.
    #[must_use]
    pub fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    /// Of another class.
    #[must_use]
    pub fn class(mut self, class: &'static str) -> Self {
        self.class = class;
        self
    }

    /// With another anchor.
    #[must_use]
    pub fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// Read from below.
    #[must_use]
    pub fn turned(mut self) -> Self {
        self.turned = true;
        self
    }

    /// What it keeps within.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let long = width(&self.words, self.size, self.bold);
        let (above, below) = (ascent(self.size), descent(self.size));
        let before = match self.anchor {
            Anchor::Start => 0,
            Anchor::Middle => (long + 1) / 2,
            Anchor::End => long,
        };
        let (x, y) = self.at;
        if self.turned {
            Extent { left: x - above, top: y + before - long, right: x + below, bottom: y + before }
        } else {
            Extent { left: x - before, top: y - above, right: x - before + long, bottom: y + below }
        }
    }
}

impl Scene {
    /// Adds a text.
    pub fn text(&mut self, text: Text) {
        self.items.push(Item::Text(text));
    }

    /// Adds a line.
    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), class: impl Into<String>) {
        self.items.push(Item::Line { from, to, class: class.into() });
    }

    /// Adds a rectangle.
    pub fn rect(&mut self, x: i32, y: i32, (w, h): (i32, i32), r: i32, class: impl Into<String>) {
        self.items.push(Item::Rect { x, y, w, h, r, class: class.into() });
    }

    /// Every text with what it keeps within.
    pub fn texts(&self) -> impl Iterator<Item = (&Text, Extent)> {
        self.items.iter().filter_map(|item| match item {
            Item::Text(text) => Some((text, text.extent())),
            Item::Rect { .. } | Item::Line { .. } | Item::Dot { .. } | Item::Head { .. } => None,
        })
    }
}
