//! What a box may do before any policy of its was ever confirmed.

use segwall_packetset::{PortRange, proto};

use super::model::{End, Policy, Ports, Rule, Service, Verdict, Zone};
use crate::source::Span;

impl Policy {
    /// The same network, closed but for SSH to the box from `[gateway] management`: no rules, no port forwards, nothing that
    /// the box serves.
    #[must_use]
    pub fn closed(&self) -> Self {
        let ssh = Service { proto: proto::TCP, ports: Ports::Range(PortRange::single(self.gateway.ssh_port)) };
        let end = |zone| End { zone, addresses: None, direct: true, span: Span::default() };
        let rule = Rule {
            verdict: Verdict::Accept,
            from: self.gateway.management.iter().map(|id| end(Zone::Segment(*id))).collect(),
            to: vec![end(Zone::Gateway)],
            services: Some(vec![ssh]),
            log: false,
            limit: None,
            schedule: None,
            expires: None,
            learning: false,
            comment: None,
            span: Span::default(),
        };
        let mut closed = Self { rules: Vec::new(), forwards: Vec::new(), expects: Vec::new(), ..self.clone() };
        if !rule.from.is_empty() {
            closed.rules.push(rule);
        }
        for segment in &mut closed.segments {
            segment.dhcp = None;
        }
        closed
    }
}
