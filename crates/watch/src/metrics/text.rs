//! The exposition format of Prometheus, version 0.0.4.

use std::fmt::Write;

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Begins a metric. Its samples follow.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample with its labels.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let joint = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{joint}{label}=\"{text}\"");
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric with one sample.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.metric("a_total", "counter", "what\nit \\ is");
        text.sample("a_total", &[("x", "q\"\\\n"), ("y", "é")], 3);
        text.single("b", "gauge", "b", 0);
        assert_eq!(
            text.finish(),
            "# HELP a_total what\\nit \\\\ is\n# TYPE a_total counter\na_total{x=\"q\\\"\\\\\\n\",y=\"é\"} 3\n\
             # HELP b b\n# TYPE b gauge\nb 0\n"
        );
    }
}
