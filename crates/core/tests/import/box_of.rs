//! A box as files, for tests.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use segwall_core::import::{
    Class, Dhcpd, Given, Import, Interfaces, UplinkGiven, import, read_dhcpd, read_interfaces, read_uplink,
};
use segwall_core::netfilter::{Program, TableFamily, read_iptables_save, read_iptables_script, read_nft_json};
use segwall_core::policy::Context;
use segwall_core::source::Source;

/// Files of one box.
#[derive(Default)]
pub struct Files {
    programs: Vec<(Source, Program)>,
    interfaces: Vec<(Source, Interfaces)>,
    dhcpd: Vec<(Source, Dhcpd)>,
    uplink: Option<UplinkGiven>,
}

impl Files {
    pub fn script(mut self, text: &str) -> Self {
        let source = Source::new("rules.sh", text);
        let program = read_iptables_script(&source);
        self.programs.push((source, program));
        self
    }

    pub fn save(mut self, name: &str, family: TableFamily, text: &str) -> Self {
        let source = Source::new(name, text);
        let program = read_iptables_save(&source, family);
        self.programs.push((source, program));
        self
    }

    pub fn nft_json(mut self, text: &str) -> Self {
        let program = read_nft_json(text.as_bytes()).expect("what nft prints");
        self.programs.push((Source::new("ruleset.json", text), program));
        self
    }

    pub fn interfaces(mut self, text: &str) -> Self {
        let source = Source::new("interfaces", text);
        let read = read_interfaces(&source);
        self.interfaces.push((source, read));
        self
    }

    pub fn dhcpd(mut self, text: &str) -> Self {
        let source = Source::new("dhcpd.conf", text);
        let read = read_dhcpd(&source);
        self.dhcpd.push((source, read));
        self
    }

    pub fn uplink(mut self, text: &str) -> Self {
        self.uplink = Some(read_uplink(text).expect("an uplink"));
        self
    }

    pub fn import(&self, kept: &[Class]) -> Result<Import, Vec<String>> {
        let given = Given {
            programs: self.programs.iter().map(|(source, read)| (source, read)).collect(),
            interfaces: self.interfaces.iter().map(|(source, read)| (source, read)).collect(),
            dhcpd: self.dhcpd.iter().map(|(source, read)| (source, read)).collect(),
            uplink: self.uplink.clone(),
        };
        let kept: BTreeSet<Class> = kept.iter().copied().collect();
        import(&given, &kept, &context())
    }
}

pub fn context() -> Context {
    Context { today: jiff::civil::date(2026, 11, 22), timezone: TimeZone::UTC }
}

/// An import in a few lines: the answer, then each difference.
pub fn told(import: &Import) -> String {
    let mut lines = vec![format!("{:?}, {} rules", import.answer, import.rules)];
    lines.extend(import.reasons.iter().map(|reason| format!("reason: {reason}")));
    for one in &import.differences {
        lines.push(format!("{}: {} [{} {:?}]", one.way, one.words, one.which.word(), one.how));
        lines.extend(one.boxes.iter().map(|text| format!("    {text}")));
        lines.push(format!("    {}: {} -> {} {:?}", one.packet, one.before, one.now, one.rules));
    }
    lines.extend(import.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(import.holes.iter().map(|(class, kept)| format!("hole {} kept {kept}", class.word())));
    lines.join("\n") + "\n"
}

/// The rules of a policy, a line each.
pub fn rules(text: &str) -> Vec<String> {
    let body = text.split("\n[[").skip(1);
    body.map(|rule| {
        let lines = rule.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join(" ").replace("]]", ":")
    })
    .collect()
}
