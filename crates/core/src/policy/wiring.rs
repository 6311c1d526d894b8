//! Which interface a segment or an uplink is: `vlan`, `interface`, `trunk`, `device`, `managed`.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::codes;
use super::faults::{Faults, shorten};
use super::model::Wiring;
use super::reader::{Table, Text, integer_of, span_of};
use crate::diag::Diagnostic;
use crate::source::Span;

/// Linux: IFNAMSIZ without its closing NUL.
const INTERFACE_NAME_BYTES_MAX: usize = 15;

/// A segment's or uplink's interface.
#[derive(Debug, Clone)]
pub(super) struct Port<'d> {
    /// The segment or uplink.
    pub owner: &'d str,
    pub device: String,
    pub wiring: Wiring,
    pub managed: bool,
    /// What gives the interface its name.
    pub span: Span,
    /// Where the VLAN is given.
    pub vlan_span: Span,
}

/// Checks an interface name.
pub(super) fn interface_name<'d>(text: Text<'d>, faults: &mut Faults<'_>) -> Option<&'d str> {
    let name = text.text;
    if name.len() > INTERFACE_NAME_BYTES_MAX {
        too_long(name, text.span, "give it a shorter name", faults);
        return None;
    }
    let message = match name {
        "" => Some("an interface name cannot be empty".to_owned()),
        "lo" => Some("`lo` is the loopback interface".to_owned()),
        "." | ".." | "all" | "default" => Some(format!("`{name}` cannot name an interface")),
        _ => name
            .chars()
            .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-'))
            .map(|c| format!("`{c}` cannot stand in an interface name")),
    };
    match message {
        None => Some(name),
        Some(message) => {
            faults.error(
                codes::INTERFACE_NAME,
                text.span,
                message,
                "",
                "A-Z, a-z, 0-9, and . _ -, as `ip link` shows it",
            );
            None
        }
    }
}

fn too_long(name: &str, span: Span, help: &str, faults: &mut Faults<'_>) {
    let message = format!(
        "the interface name `{}` has {} bytes; Linux allows {INTERFACE_NAME_BYTES_MAX}",
        shorten(name),
        name.len()
    );
    faults.error(codes::INTERFACE_NAME_LONG, span, message, "", help);
}

/// Reads how a segment or an uplink is wired. `None` when it cannot be told, which has been said.
pub(super) fn read<'d>(
    table: &Table<'d>,
    name: Text<'d>,
    default_trunk: Option<&'d str>,
    faults: &mut Faults<'_>,
) -> Option<Port<'d>> {
    let managed = table.boolean("managed", true, faults);
    let name_of =
        |key: &str, faults: &mut Faults<'_>| table.text(key, faults).map(|text| (text, interface_name(text, faults)));
    let device = name_of("device", faults);
    let interface = name_of("interface", faults);
    let trunk = name_of("trunk", faults);
    if table.has("vlan") {
        if interface.is_some() {
            faults.push(
                Diagnostic::error(codes::WIRING, table.key_span("interface"), format!("`{}` has both `vlan` and `interface`", name.text))
                    .also(table.key_span("vlan"), "tagged here")
                    .help("vlan = ID for a tagged segment on a trunk, interface = \"NAME\" for an untagged port of its own; device = \"NAME\" names the VLAN's interface"),
            );
            return None;
        }
        return tagged(table, name, default_trunk, device, trunk, managed, faults);
    }
    if trunk.is_some() {
        let message = format!("`{}` has a `trunk` but no `vlan`", name.text);
        faults.error(
            codes::WIRING,
            table.key_span("trunk"),
            message,
            "",
            "add vlan = ID, or write interface = \"NAME\" for an untagged port",
        );
        return None;
    }
    let found = match (interface, device) {
        (Some(interface), None) => interface,
        (None, Some(device)) if !managed => device,
        (None, Some(_)) => {
            let help = "add vlan = ID or interface = \"NAME\"; managed = false if the device is made elsewhere";
            faults.error(
                codes::WIRING,
                table.key_span("device"),
                format!("`{}` has a `device` but no `vlan`", name.text),
                "",
                help,
            );
            return None;
        }
        (Some((interface, _)), Some((device, _))) => {
            faults.push(
                Diagnostic::error(
                    codes::WIRING,
                    device.span,
                    format!("`{}` has both `interface` and `device`", name.text),
                )
                .also(interface.span, "named here already")
                .help("`device` names the interface of a VLAN; leave it out here"),
            );
            return None;
        }
        (None, None) => {
            let help = "vlan = ID for a tagged segment on the trunk, or interface = \"NAME\" for an untagged port";
            faults.error(codes::MISSING_KEY, table.span, format!("`{}` has no interface", name.text), "", help);
            return None;
        }
    };
    let (text, device) = found;
    Some(Port {
        owner: name.text,
        device: device?.to_owned(),
        wiring: Wiring::Untagged,
        managed,
        span: text.span,
        vlan_span: text.span,
    })
}

type NameText<'d> = (Text<'d>, Option<&'d str>);

fn tagged<'d>(
    table: &Table<'d>,
    name: Text<'d>,
    default_trunk: Option<&'d str>,
    device: Option<NameText<'d>>,
    trunk: Option<NameText<'d>>,
    managed: bool,
    faults: &mut Faults<'_>,
) -> Option<Port<'d>> {
    let id = vlan(table, faults);
    let trunk = match trunk {
        Some((_, trunk)) => trunk?,
        None if table.has("trunk") => return None,
        None => match default_trunk {
            Some(trunk) => trunk,
            None => {
                let help = "write trunk = \"eth0\" under [gateway], or here";
                faults.error(
                    codes::NO_TRUNK,
                    table.key_span("vlan"),
                    format!("`{}` has a VLAN but no trunk", name.text),
                    "",
                    help,
                );
                return None;
            }
        },
    };
    let id = id?;
    let vlan_span = table.get("vlan").map_or(table.span, span_of);
    let (device, span) = match device {
        Some((text, device)) => (device?.to_owned(), text.span),
        None if table.has("device") => return None,
        None => {
            let device = format!("{trunk}.{id}");
            if device.len() > INTERFACE_NAME_BYTES_MAX {
                too_long(&device, vlan_span, "give it a name of its own with device = \"NAME\"", faults);
                return None;
            }
            (device, vlan_span)
        }
    };
    if managed && !names_vlan(&device, trunk, id) {
        let message = format!("the interface {device} is named like another VLAN than {id} on {trunk}");
        let help = format!(
            "ifup makes what the name says: `{trunk}.{id}`, or a name without a dot that does not begin with vlan"
        );
        faults.error(codes::VLAN_NAME, span, message, "", help);
        return None;
    }
    Some(Port {
        owner: name.text,
        device,
        wiring: Wiring::Vlan { trunk: trunk.to_owned(), id },
        managed,
        span,
        vlan_span,
    })
}

/// Whether both ifupdowns make the VLAN that is meant: they read trunk and number out of names such as `eth0.10` and
/// `vlan10`, whatever else is said.
fn names_vlan(device: &str, trunk: &str, id: u16) -> bool {
    match (device.rsplit_once('.'), device.strip_prefix("vlan")) {
        (Some((before, number)), None) => before == trunk && number == id.to_string(),
        (None, Some(number)) => number == id.to_string(),
        (None, None) => true,
        (Some(_), Some(_)) => false,
    }
}

fn vlan(table: &Table<'_>, faults: &mut Faults<'_>) -> Option<u16> {
    let value = table.get("vlan")?;
    let DeValue::Integer(integer) = value.get_ref() else {
        // Says what it must be.
        integer_of(value, "vlan", 1..=4094, faults);
        return None;
    };
    match u16::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|id| (1..=4094).contains(id)) {
        Some(id) => Some(id),
        None => {
            let message = format!("VLAN {} is not within 1 to 4094", shorten(integer.as_str()));
            let help = "0 means no VLAN and 4095 is reserved (IEEE 802.1Q)";
            faults.error(codes::VLAN_RANGE, span_of(value), message, "", help);
            None
        }
    }
}

/// Says where interfaces or VLANs are used twice, and where untagged frames run on a trunk.
pub(super) fn check(ports: &[Port<'_>], trunks: &BTreeMap<&str, Span>, faults: &mut Faults<'_>) {
    let mut vlans: BTreeMap<(&str, u16), &Port<'_>> = BTreeMap::new();
    let mut devices: BTreeMap<&str, &Port<'_>> = BTreeMap::new();
    for port in ports {
        if let Wiring::Vlan { trunk, id } = &port.wiring
            && let Some(first) = vlans.insert((trunk, *id), port)
        {
            let message = format!("VLAN {id} on {trunk} is used by `{}` and `{}`", first.owner, port.owner);
            faults.push(
                Diagnostic::error(codes::VLAN_TWICE, port.vlan_span, message)
                    .label("again here")
                    .also(first.vlan_span, "first here")
                    .help("each segment needs a VLAN of its own"),
            );
            vlans.insert((trunk, *id), first);
            continue;
        }
        if let Some(first) = devices.insert(&port.device, port) {
            let message = format!("the interface {} is used by `{}` and `{}`", port.device, first.owner, port.owner);
            faults.push(
                Diagnostic::error(codes::INTERFACE_TWICE, port.span, message)
                    .label("again here")
                    .also(first.span, "first here")
                    .help("each segment and uplink needs an interface of its own"),
            );
            devices.insert(&port.device, first);
            continue;
        }
        if let Some(trunk) = trunks.get(port.device.as_str()) {
            let message = format!("`{}` takes the untagged frames of the trunk {}", port.owner, port.device);
            faults.push(
                Diagnostic::warning(codes::NATIVE_VLAN, port.span, message)
                    .also(*trunk, "a trunk here")
                    .help("whoever can send untagged or doubly tagged frames on the trunk is in this segment; give it a VLAN and make the switch drop untagged frames"),
            );
        }
    }
}
